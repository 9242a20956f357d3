package console

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
)

// Lengths of a password in characters (NIST SP 800-63B, ASVS 5.0 6.2: no rules
// on its composition, and long ones allowed).
const (
	minPassword = 10
	maxPassword = 256
)

// Cost of argon2id (RFC 9106; OWASP's second recommended setting).
const (
	hashMemory  = 19 * 1024 // KiB
	hashTime    = 2
	hashThreads = 1
	hashLength  = 32
)

// hasher computes argon2id, a few at a time: each takes 19 MiB, and anybody
// may ask for one by trying to sign in.
type hasher struct {
	slots chan struct{}
	dummy string // a hash that no password has
}

func newHasher(concurrent int) *hasher {
	h := &hasher{slots: make(chan struct{}, concurrent)}
	var salt, sum [hashLength]byte
	rand.Read(salt[:16])
	rand.Read(sum[:])
	h.dummy = encodeHash(salt[:16], sum[:])
	return h
}

// hash returns password's hash in PHC form with a fresh salt. It waits for a
// slot; the error is ctx's.
func (h *hasher) hash(ctx context.Context, password string) (string, error) {
	var salt [16]byte
	rand.Read(salt[:])
	sum, err := h.compute(ctx, password, salt[:], hashMemory, hashTime, hashThreads)
	if err != nil {
		return "", err
	}
	return encodeHash(salt[:], sum), nil
}

// verify reports whether password has the hash. An empty hash costs the same
// time and is never right.
func (h *hasher) verify(ctx context.Context, hash, password string) (bool, error) {
	known := hash != ""
	if !known {
		hash = h.dummy
	}
	var memory, time uint32
	var threads uint8
	parts := strings.Split(hash, "$")
	if len(parts) != 6 || parts[1] != "argon2id" || parts[2] != "v=19" {
		return false, fmt.Errorf("stored password has an unknown form")
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &memory, &time, &threads); err != nil {
		return false, fmt.Errorf("stored password: %w", err)
	}
	salt, err := base64.RawStdEncoding.DecodeString(parts[4])
	if err != nil {
		return false, fmt.Errorf("stored password: %w", err)
	}
	want, err := base64.RawStdEncoding.DecodeString(parts[5])
	if err != nil {
		return false, fmt.Errorf("stored password: %w", err)
	}
	got, err := h.compute(ctx, password, salt, memory, time, threads)
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare(got, want) == 1 && known, nil
}

func (h *hasher) compute(ctx context.Context, password string, salt []byte, memory, time uint32, threads uint8) ([]byte, error) {
	select {
	case h.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-h.slots }()
	return argon2.IDKey([]byte(password), salt, time, memory, threads, hashLength), nil
}

func encodeHash(salt, sum []byte) string {
	e := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=19$m=%d,t=%d,p=%d$%s$%s", hashMemory, hashTime, hashThreads, e.EncodeToString(salt), e.EncodeToString(sum))
}

// weakPassword returns the words for what is wrong with a new password, empty
// when nothing is. Guessable ones are those that are short for their
// variety, or contain the person's name.
func weakPassword(name, password, again string) string {
	n := utf8.RuneCountInString(password)
	lower := strings.ToLower(password)
	switch {
	case password != again:
		return "password.differs"
	case n < minPassword:
		return "password.short"
	case n > maxPassword:
		return "password.long"
	case name != "" && strings.Contains(lower, strings.ToLower(name)):
		return "password.name"
	case variety(lower) < 5 || guessable(lower):
		return "password.guessable"
	}
	return ""
}

// variety returns how many different characters s has.
func variety(s string) int {
	seen := map[rune]bool{}
	for _, r := range s {
		seen[r] = true
	}
	return len(seen)
}

// guessable reports whether s is made of what guessers try first: a run of
// keys or digits, or a common word with digits around it.
func guessable(s string) bool {
	core := strings.Trim(s, "0123456789!?.,_-*#@$ ")
	for _, w := range []string{
		"", "password", "passw0rd", "qwerty", "qwertyuiop", "qwertyui", "asdfghjkl", "asdfgh", "zxcvbnm", "letmein",
		"welcome", "admin", "administrator", "iloveyou", "qorgan", "wordpress", "changeme", "secret", "dragon",
		"monkey", "football", "baseball", "sunshine", "princess", "пароль", "йцукен", "йцукенгшщз", "құпиясөз",
		"kazakhstan", "qazaqstan", "казахстан", "қазақстан", "almaty", "astana", "алматы", "астана",
	} {
		if core == w {
			return true
		}
	}
	return false
}
