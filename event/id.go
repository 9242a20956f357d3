package event

import (
	"encoding/base32"
	"strings"

	"github.com/google/uuid"
)

// codeAlphabet is Crockford's base 32: no I, L, O or U, so that a code can be
// read out on a telephone.
var codeAlphabet = base32.NewEncoding("0123456789ABCDEFGHJKMNPQRSTVWXYZ").WithPadding(base32.NoPadding)

// NewID returns a fresh event id (UUIDv7, RFC 9562) and the incident code
// derived from its random part, eight characters in two groups: "7KQ2-M9XD".
// Two ids share a code once in 2^40.
func NewID() (id, code string) {
	u := uuid.Must(uuid.NewV7())
	s := codeAlphabet.EncodeToString(u[11:16])
	return u.String(), s[:4] + "-" + s[4:]
}

// ParseCode normalises an incident code as a person types it: case, spaces,
// a missing hyphen and the look-alikes I, L, O are forgiven. It reports
// whether the result has the form of a code.
func ParseCode(s string) (string, bool) {
	s = strings.ToUpper(strings.TrimSpace(s))
	s = strings.NewReplacer("-", "", " ", "", "I", "1", "L", "1", "O", "0").Replace(s)
	if len(s) != 8 {
		return "", false
	}
	if _, err := codeAlphabet.DecodeString(s); err != nil {
		return "", false
	}
	return s[:4] + "-" + s[4:], true
}
