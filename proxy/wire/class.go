package wire

import "encoding/binary"

// What a byte may be. The table is looked up once for every byte of a head.
const (
	isToken  = 1 << iota // tchar (RFC 9110, section 5.6.2)
	isPlain              // [A-Za-z0-9-], what every server and CGI reads alike
	isValue              // field-vchar, obs-text, SP, HTAB (RFC 9110, section 5.5)
	isTarget             // raw in a request target, see target.go
	isHex
	isDigit
	isHost // in a registered name or IPv4 address
)

var class = classes()

func classes() (t [256]uint8) {
	for i := range t {
		b := byte(i)
		digit := b >= '0' && b <= '9'
		alpha := b|0x20 >= 'a' && b|0x20 <= 'z'
		if digit {
			t[i] |= isDigit
		}
		if digit || b|0x20 >= 'a' && b|0x20 <= 'f' {
			t[i] |= isHex
		}
		if digit || alpha {
			t[i] |= isToken | isPlain | isHost
		}
		if b >= ' ' && b != 0x7f || b == '\t' {
			t[i] |= isValue
		}
		if b > ' ' && b < 0x7f && b != '#' || b >= 0xa0 {
			t[i] |= isTarget
		}
	}
	for _, b := range []byte("!#$%&'*+-.^_`|~") {
		t[b] |= isToken
	}
	for _, b := range []byte("-._") {
		t[b] |= isHost
	}
	t['-'] |= isPlain
	return t
}

// all reports whether every byte of s has what.
func all[T string | []byte](s T, what uint8) bool {
	acc := what
	for i := 0; i < len(s); i++ {
		acc &= class[s[i]]
	}
	return acc == what
}

const (
	ones  = 0x0101010101010101
	highs = 0x80 * ones
)

// valueBytes reports whether every byte of b has isValue. It looks at eight
// bytes at a time and turns to the table where there may be a control byte.
func valueBytes(b []byte) bool {
	for len(b) >= 8 {
		x := binary.LittleEndian.Uint64(b)
		y := x ^ 0x7f*ones
		if (x-0x20*ones)&^x&highs|(y-ones)&^y&highs != 0 && !all(b[:8], isValue) {
			return false
		}
		b = b[8:]
	}
	return all(b, isValue)
}

// Plain reports whether a header name has only [A-Za-z0-9-]. Every other
// character that a name may have is read differently by some server: CGI and
// PHP fold "_", "." and "-" onto one another.
func Plain(name string) bool { return name != "" && all(name, isPlain) }

func lower(b byte) byte {
	if b >= 'A' && b <= 'Z' {
		return b | 0x20
	}
	return b
}

// fold reports whether s is want, which is in lower case, in any ASCII case.
func fold[T string | []byte](s T, want string) bool {
	if len(s) != len(want) {
		return false
	}
	for i := 0; i < len(s); i++ {
		if lower(s[i]) != want[i] {
			return false
		}
	}
	return true
}

func trim(s string) string {
	for len(s) > 0 && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	for len(s) > 0 && (s[len(s)-1] == ' ' || s[len(s)-1] == '\t') {
		s = s[:len(s)-1]
	}
	return s
}
