package reader

import (
	"strings"
)

// splitForm reads an application/x-www-form-urlencoded text, a query or a
// body, as PHP does (php_default_treat_data and add_post_vars, PHP 8.2): pairs
// end at "&" and at nothing else, "+" is a space, "%" without two hexadecimal
// digits is itself. Empty pairs are skipped. The names are as sent; see
// [PHPName] for what PHP makes of them.
func splitForm(s string, args []Arg, max int) ([]Arg, error) {
	var text arena
	if strings.ContainsAny(s, "%+") {
		text.Grow(len(s))
	}
	n := 0
	for s != "" {
		pair := s
		if i := strings.IndexByte(s, '&'); i >= 0 {
			pair, s = s[:i], s[i+1:]
		} else {
			s = ""
		}
		if pair == "" {
			continue
		}
		if n++; n > max {
			return args, tooManyArgs()
		}
		name, value := pair, ""
		if i := strings.IndexByte(pair, '='); i >= 0 {
			name, value = pair[:i], pair[i+1:]
		}
		args = append(args, Arg{text.unescape(name, true), text.unescape(value, true)})
	}
	return args, nil
}

// arena holds the decoded strings of one text in one allocation.
type arena struct{ strings.Builder }

// unescape decodes percent-escapes and, when plus is set, "+" as a space.
func (a *arena) unescape(s string, plus bool) string {
	i := 0
	for i < len(s) && s[i] != '%' && (s[i] != '+' || !plus) {
		i++
	}
	if i == len(s) {
		return s
	}
	start := a.Len()
	a.WriteString(s[:i])
	var piece [256]byte // written at once: a call for each byte costs more
	n := 0
	for i < len(s) {
		c := s[i]
		switch {
		case c == '%' && i+2 < len(s) && hex[s[i+1]]|hex[s[i+2]] < 16:
			c = hex[s[i+1]]<<4 | hex[s[i+2]]
			i += 2
		case c == '+' && plus:
			c = ' '
		}
		i++
		piece[n] = c
		if n++; n == len(piece) {
			a.Write(piece[:])
			n = 0
		}
	}
	a.Write(piece[:n])
	return a.String()[start:]
}

// hex holds the value of each hexadecimal digit and 16 for other bytes.
var hex = func() (t [256]byte) {
	for c := range t {
		switch {
		case c >= '0' && c <= '9':
			t[c] = byte(c - '0')
		case c >= 'a' && c <= 'f':
			t[c] = byte(c - 'a' + 10)
		case c >= 'A' && c <= 'F':
			t[c] = byte(c - 'A' + 10)
		default:
			t[c] = 16
		}
	}
	return t
}()

// withAliases appends to args a second parameter for each of the first n whose
// name PHP changes, so that a rule that names either spelling sees the value.
// It returns how many it appended.
func withAliases(args []Arg, n int) ([]Arg, int) {
	before := len(args)
	for i := range n {
		if name, ok := alias(args[i].Name); ok {
			args = append(args, Arg{name, args[i].Value})
		}
	}
	return args, len(args) - before
}
