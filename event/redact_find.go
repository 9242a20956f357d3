package event

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"sort"
	"strings"
)

// span is a secret in s[from:to]; value is what it says once decoded.
type span struct {
	from, to int
	value    string
	rank     int
}

// Of spans over the same bytes, the one with the higher rank gives the hash.
const (
	rankBlob = iota
	rankShape
	rankNamed
)

// maxLayers is how many layers of escapes are looked through.
const maxLayers = 5

// find returns the secrets in s, in no order, overlapping where several
// layers show them. depth counts the base64 runs it is inside of.
func find(s string, depth int) []span {
	var spans []span
	l := newLayer(s)
	for range maxLayers + 1 {
		for _, f := range findPlain(string(l.text), depth) {
			f.from, f.to = int(l.at[f.from]), int(l.at[f.to])
			spans = append(spans, f)
		}
		next, changed := l.unfold()
		if !changed {
			break
		}
		l = next
	}
	return spans
}

// findPlain returns the secrets in s as it stands.
func findPlain(s string, depth int) []span {
	var spans []span
	spans = append(spans, findAssigned(s)...)
	spans = append(spans, findRPC(s)...)
	spans = append(spans, findNumbers(s)...)
	spans = append(spans, findMail(s)...)
	spans = append(spans, findLogins(s)...)
	spans = append(spans, findBearers(s)...)
	if depth < 2 {
		spans = append(spans, findBlobs(s, depth)...)
	}
	return spans
}

// replace returns s with masks in place of spans.
func (r *Redactor) replace(s string, spans []span) string {
	out, _ := r.replaceAt(s, spans, 0)
	return out
}

// replaceAt also returns where the byte at s[at] went: the start of the mask
// when it was masked.
func (r *Redactor) replaceAt(s string, spans []span, at int) (string, int) {
	if len(spans) == 0 {
		return s, at
	}
	sort.SliceStable(spans, func(i, j int) bool { return spans[i].from < spans[j].from })
	var b strings.Builder
	done, moved := 0, -1
	for i := 0; i < len(spans); {
		m := spans[i]
		best := m
		for i++; i < len(spans) && spans[i].from < m.to; i++ {
			next := spans[i]
			wider := next.to-next.from > best.to-best.from
			same := next.to-next.from == best.to-best.from
			if wider || same && next.rank >= best.rank {
				best = next
			}
			m.to = max(m.to, next.to)
		}
		if m.from >= m.to || m.from < done {
			continue
		}
		if moved < 0 && at < m.to {
			moved = b.Len() + min(max(at-done, 0), m.from-done)
		}
		b.WriteString(s[done:m.from])
		if text := s[m.from:m.to]; masked(text) {
			b.WriteString(text)
		} else {
			b.WriteString(r.mask(best.value))
		}
		done = m.to
	}
	if moved < 0 {
		moved = b.Len() + max(at-done, 0)
	}
	b.WriteString(s[done:])
	return b.String(), min(moved, b.Len())
}

// findMail returns the e-mail addresses in s.
func findMail(s string) []span {
	var spans []span
	for i := 0; i < len(s); i++ {
		if s[i] != '@' {
			continue
		}
		from := i
		for from > 0 && i-from < 64 && mailByte(s[from-1]) {
			from--
		}
		to := i + 1
		for to < len(s) && to-i < 254 && (alnum(s[to]) || s[to] == '-' || s[to] == '.' || s[to] >= 0x80) {
			to++
		}
		for to > i && (s[to-1] == '.' || s[to-1] == '-') {
			to--
		}
		dot := strings.LastIndexByte(s[i:to], '.')
		if from == i || dot < 2 || to-(i+dot) < 3 {
			continue
		}
		spans = append(spans, span{from, to, strings.ToLower(s[from:to]), rankShape})
		i = to - 1
	}
	return spans
}

func mailByte(c byte) bool {
	return alnum(c) || c >= 0x80 || strings.IndexByte("._+-%!#$*/^|~", c) >= 0
}

func alnum(c byte) bool {
	return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
}

// findLogins returns the user information of addresses: scheme://user:pass@.
func findLogins(s string) []span {
	var spans []span
	for from := 0; ; {
		i := strings.Index(s[from:], "//")
		if i < 0 {
			return spans
		}
		from += i + 2
		end := from
		for end < len(s) && s[end] > ' ' && s[end] != '/' && s[end] != '?' && s[end] != '#' {
			end++
		}
		if at := strings.LastIndexByte(s[from:end], '@'); at > 0 {
			spans = append(spans, span{from, from + at, s[from : from+at], rankShape})
		}
	}
}

// findBearers returns credentials that follow the name of their scheme, and
// JSON Web Tokens wherever they stand.
func findBearers(s string) []span {
	var spans []span
	lower := strings.ToLower(s)
	if len(lower) != len(s) { // a rune whose small form is longer
		lower = s
	}
	for _, scheme := range []string{"bearer ", "basic "} {
		for from := 0; ; {
			i := strings.Index(lower[from:], scheme)
			if i < 0 {
				break
			}
			from += i + len(scheme)
			if end := tokenEnd(s, from); end-from >= 8 {
				spans = append(spans, span{from, end, s[from:end], rankShape})
			}
		}
	}
	for from := 0; ; {
		i := strings.Index(s[from:], "eyJ")
		if i < 0 {
			return spans
		}
		from += i
		end := tokenEnd(s, from)
		if strings.Count(s[from:end], ".") >= 2 {
			spans = append(spans, span{from, end, s[from:end], rankShape})
		}
		from = max(end, from+3)
	}
}

func tokenEnd(s string, i int) int {
	for i < len(s) && (alnum(s[i]) || strings.IndexByte("-._~+/=", s[i]) >= 0) {
		i++
	}
	return i
}

// findBlobs returns base64 and hexadecimal runs that decode to text with a
// secret in it.
func findBlobs(s string, depth int) []span {
	var spans []span
	for i := 0; i < len(s); {
		if !blobByte(s[i]) {
			i++
			continue
		}
		from := i
		for i < len(s) && blobByte(s[i]) {
			i++
		}
		run := s[from:i]
		for i < len(s) && s[i] == '=' {
			i++
		}
		if len(run) < 12 {
			continue
		}
		for _, text := range decodings(run) {
			if len(find(text, depth+1)) > 0 {
				spans = append(spans, span{from, i, text, rankBlob})
				break
			}
		}
	}
	return spans
}

func blobByte(c byte) bool {
	return alnum(c) || c == '+' || c == '/' || c == '-' || c == '_'
}

// decodings returns the texts that run can be read as: it may begin anywhere
// in a group of four when something is glued to its front, such as a path.
func decodings(run string) []string {
	var texts []string
	add := func(b []byte, err error) {
		if err == nil && readable(b) {
			texts = append(texts, string(b))
		}
	}
	if len(run)%2 == 0 {
		add(hex.DecodeString(run))
	}
	std := strings.NewReplacer("-", "+", "_", "/").Replace(run)
	for skip := range 4 {
		if skip >= len(std) {
			break
		}
		part := std[skip:]
		if len(part)%4 == 1 {
			part = part[:len(part)-1]
		}
		add(base64.RawStdEncoding.DecodeString(part))
	}
	if i := strings.LastIndexByte(run, '/'); i >= 0 && len(run)-i > 12 {
		texts = append(texts, decodings(run[i+1:])...)
	}
	return texts
}

// readable reports whether b is text for the most part.
func readable(b []byte) bool {
	odd := 0
	for _, c := range b {
		if c < ' ' && c != '\n' && c != '\r' && c != '\t' || c > 0x7E {
			odd++
		}
	}
	return len(b) >= 6 && odd*5 <= len(b) && bytes.IndexByte(b, 0) < 0
}
