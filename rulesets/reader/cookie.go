package reader

import "strings"

// splitCookies reads the value of a Cookie header. PHP and Coraza both split
// at ";" and at the first "=", and neither decodes names. Blanks around name
// and value are trimmed, as Coraza does; the value stays as it was sent (PHP
// percent-decodes it once, see [CookieValue]; rules bring their own decoding).
// Names that PHP changes come a second time, behind the others, under PHP's
// name; their number is the second result.
func splitCookies(s string, max int) (args []Arg, aliases int, err error) {
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' || s[i] == 0x7f {
			return nil, 0, ambiguous("cookie-control-character", "a control character in the Cookie header")
		}
	}
	if s == "" {
		return nil, 0, nil
	}
	args = make([]Arg, 0, min(strings.Count(s, ";"), max)+1)
	var renamed []Arg
	for s != "" {
		var pair string
		pair, s, _ = strings.Cut(s, ";")
		if pair = strings.TrimLeft(pair, " "); pair == "" || pair == "=" {
			continue
		}
		if len(args) >= max {
			return args, 0, tooManyArgs()
		}
		name, value, _ := strings.Cut(pair, "=")
		value = strings.Trim(value, " ")
		// PHP keeps a blank behind the name and makes it an underscore.
		if as, ok := alias(name); ok {
			renamed = append(renamed, Arg{as, value})
		}
		if name = strings.TrimRight(name, " "); name != "" || value != "" {
			args = append(args, Arg{name, value})
		}
	}
	return append(args, renamed...), len(renamed), nil
}

// CookieValue decodes a cookie's value as PHP does: percent-escapes once, "+"
// as itself.
func CookieValue(s string) string {
	var text arena
	return text.unescape(s, false)
}
