package event

import "strings"

// run is a sequence of digits, written with or without separators.
type run struct {
	digits []byte
	at     []int // where each digit stands
	groups []int // index in digits of the first digit of each group
	plus   bool  // a plus sign stands before it
}

// findNumbers returns card numbers, IIN and BIN, and telephone numbers.
func findNumbers(s string) []span {
	var spans []span
	for i := 0; i < len(s); {
		if s[i] < '0' || s[i] > '9' {
			i++
			continue
		}
		start := i
		var r run
		r, i = readRun(s, i)
		if len(r.digits) < 10 {
			continue
		}
		r.plus = plusBefore(s, start)
		spans = append(spans, r.secrets(s)...)
	}
	return spans
}

// plusBefore looks for a plus sign directly before s[i], past a bracket.
func plusBefore(s string, i int) bool {
	before := strings.TrimRight(s[:i], "( ")
	return strings.HasSuffix(before, "+")
}

// readRun reads digits from s[i], separated by at most two of space, hyphen
// and brackets. It returns the index behind the run.
func readRun(s string, i int) (run, int) {
	var r run
	r.groups = append(r.groups, 0)
	gap := 0
	for ; i < len(s) && gap <= 2; i++ {
		c := s[i]
		switch {
		case c >= '0' && c <= '9':
			if gap > 0 {
				r.groups = append(r.groups, len(r.digits))
			}
			gap = 0
			r.digits = append(r.digits, c)
			r.at = append(r.at, i)
		case c == ' ' || c == '-' || c == '(' || c == ')':
			gap++
		default:
			return r, i
		}
	}
	return r, i
}

// secrets returns what in the run is secret, trying every sequence of whole
// groups and, in a long unbroken group, every card that stands inside it.
func (r run) secrets(s string) []span {
	var spans []span
	add := func(a, b int) { // digits[a:b]
		spans = append(spans, span{r.at[a], r.at[b-1] + 1, string(r.digits[a:b]), rankShape})
	}
	ends := append(r.groups[1:len(r.groups):len(r.groups)], len(r.digits))
	for gi, a := range r.groups {
		for _, b := range ends[gi:] {
			if b-a > 19 {
				break
			}
			d := r.digits[a:b]
			if isCard(d) || isIIN(d) || r.isPhone(s, gi, a, b) {
				add(a, b)
			}
		}
		if b := ends[gi]; b-a > 12 {
			for from := a; from+12 <= b; from++ {
				if from+16 <= b && isCard(r.digits[from:from+16]) && cardPrefix(r.digits[from]) {
					add(from, from+16)
				}
			}
		}
	}
	return spans
}

// isPhone reports whether digits[a:b], which begins with group g, is a
// telephone number: an international one with its plus sign, or one of the
// Kazakh and Russian plan with its trunk prefix, standing by itself.
func (r run) isPhone(s string, g, a, b int) bool {
	n := b - a
	if g == 0 && r.plus && n >= 10 && n <= 15 {
		return true
	}
	from, to := r.at[a], r.at[b-1]+1
	if from > 0 && alnum(s[from-1]) || to < len(s) && alnum(s[to]) {
		return false
	}
	d := r.digits[a:b]
	if n == 11 {
		return (d[0] == '7' || d[0] == '8') && d[1] >= '3'
	}
	// 701 123 45 67, but not an unbroken number of ten digits
	return n == 10 && (d[0] == '7' || d[0] == '9') && b > a && groupsIn(r.groups, a, b) >= 3
}

func groupsIn(groups []int, a, b int) int {
	n := 0
	for _, g := range groups {
		if g >= a && g < b {
			n++
		}
	}
	return n
}

// cardPrefix reports whether a card number may begin with c (ISO/IEC 7812:
// travel and banking).
func cardPrefix(c byte) bool { return c >= '2' && c <= '6' || c == '9' }

// isCard reports whether d has the length and the control digit of a card
// number (ISO/IEC 7812-1, Luhn).
func isCard(d []byte) bool {
	if len(d) < 13 || len(d) > 19 || d[0] == '0' {
		return false
	}
	sum := 0
	for i := range d {
		v := int(d[len(d)-1-i] - '0')
		if i%2 == 1 {
			if v *= 2; v > 9 {
				v -= 9
			}
		}
		sum += v
	}
	return sum%10 == 0
}

// isIIN reports whether d is a Kazakh individual or business identification
// number: twelve digits, the last a control digit computed with the weights 1
// to 11, or 3 to 11, 1, 2 when that gives ten.
func isIIN(d []byte) bool {
	if len(d) != 12 {
		return false
	}
	control := func(shift int) int {
		sum := 0
		for i, c := range d[:11] {
			sum += int(c-'0') * ((i+shift)%11 + 1)
		}
		return sum % 11
	}
	c := control(0)
	if c == 10 {
		c = control(2)
	}
	return c == int(d[11]-'0')
}
