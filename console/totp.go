package console

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// Codes of an authenticator as every program knows them (RFC 6238): SHA-1, six
// digits, a new one each half minute.
const (
	totpStep   = 30 * time.Second
	totpDigits = 1_000_000
	totpSecret = 20 // bytes; RFC 4226, 4
	totpAround = 1  // steps before and after now: clocks differ, and people type
)

// totpCode returns the code of a step.
func totpCode(secret []byte, step int64) string {
	var counter [8]byte
	binary.BigEndian.PutUint64(counter[:], uint64(step))
	mac := hmac.New(sha1.New, secret)
	mac.Write(counter[:])
	sum := mac.Sum(nil)
	at := sum[len(sum)-1] & 0xf // RFC 4226, 5.3
	n := binary.BigEndian.Uint32(sum[at:at+4]) & 0x7fff_ffff
	return fmt.Sprintf("%06d", n%totpDigits)
}

// totpMatch returns the step whose code was typed. Whether it was used before
// is the store's to say.
func totpMatch(secret []byte, typed string, now time.Time) (step int64, ok bool) {
	typed = strings.ReplaceAll(strings.TrimSpace(typed), " ", "")
	at := now.Unix() / int64(totpStep/time.Second)
	for _, s := range []int64{at, at - totpAround, at + totpAround} {
		if subtle.ConstantTimeCompare([]byte(totpCode(secret, s)), []byte(typed)) == 1 && !ok {
			step, ok = s, true
		}
	}
	return step, ok
}

// newTOTPSecret returns a secret as authenticators take it.
func newTOTPSecret() []byte {
	secret := make([]byte, totpSecret)
	rand.Read(secret) // never fails
	return secret
}

// totpText writes a secret as a person may type it, four letters at a time.
func totpText(secret []byte) string {
	text := base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(secret)
	var b strings.Builder
	for i := 0; i < len(text); i += 4 {
		b.WriteString(text[i:min(i+4, len(text))] + " ")
	}
	return strings.TrimSpace(b.String())
}

// totpAddress is what the picture says: the form that authenticators read.
func totpAddress(secret []byte, person, host string) string {
	label := url.PathEscape("Qorgan " + host + ":" + person)
	return "otpauth://totp/" + label + "?" + url.Values{
		"secret": {strings.ReplaceAll(totpText(secret), " ", "")}, "issuer": {"Qorgan " + host},
	}.Encode()
}

// recoveryCount is how many recovery codes a person gets.
const recoveryCount = 10

// newRecoveryCodes returns codes of eighty random bits, as they are shown once,
// and the hashes by which the store knows them.
func newRecoveryCodes() (codes []string, hashes [][]byte) {
	for range recoveryCount {
		text := strings.ToLower(rand.Text()[:16])
		codes = append(codes, text[:4]+"-"+text[4:8]+"-"+text[8:12]+"-"+text[12:])
		hashes = append(hashes, recoveryHash(text))
	}
	return codes, hashes
}

// recoveryHash is that of a code as it was typed: case, spaces and hyphens do
// not matter. The codes are random enough for a plain hash.
func recoveryHash(typed string) []byte {
	typed = strings.Map(func(r rune) rune {
		if r == '-' || r == ' ' {
			return -1
		}
		return r
	}, strings.ToLower(strings.TrimSpace(typed)))
	sum := sha256.Sum256([]byte("recovery " + typed))
	return sum[:]
}
