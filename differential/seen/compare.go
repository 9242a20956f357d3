package seen

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"

	"github.com/qorgan/qorgan/rulesets/reader"
)

// Compare reports the first thing that PHP saw and the reader did not, or saw
// otherwise. r must have been accepted.
func (v *View) Compare(r *reader.Request) error {
	same := func(s string) string { return s }
	if len(v.URI) > 0 && string(v.URI) != r.Clean {
		return fmt.Errorf("path: PHP %q, reader %q", v.URI, r.Clean)
	}
	if string(v.Query) != r.Query {
		return fmt.Errorf("query string: PHP %q, reader %q", v.Query, r.Query)
	}
	if err := equal("$_GET", v.Get, r.Get[:len(r.Get)-r.GetAliases], same, false); err != nil {
		return err
	}
	cookies := make([]reader.Arg, 0, len(r.Cookies))
	for _, c := range r.Cookies[:len(r.Cookies)-r.CookieAliases] {
		cookies = append(cookies, reader.Arg{Name: c.Name, Value: reader.CookieValue(c.Value)})
	}
	if err := subset("$_COOKIE", v.Cookie, append(cookies, decoded(r.Cookies[len(r.Cookies)-r.CookieAliases:])...)); err != nil {
		return err
	}
	form := func(what string, leaves []Leaf) error {
		post := forms(r.Post[:len(r.Post)-r.PostAliases])
		if r.Charset != "windows-1251" && r.Charset != "cp1251" {
			return equal(what, leaves, post, same, false)
		}
		err := equal(what, leaves, post, cyrillic, false)
		if err != nil && equal(what, leaves, letterless(post), ascii, false) == nil {
			return nil // a text in two charsets becomes what it does by where it is cut
		}
		return err
	}
	if r.Processor == "MULTIPART" || r.Type == "application/x-www-form-urlencoded" {
		if r.Method == "POST" {
			if err := form("$_POST", v.Post); err != nil {
				return err
			}
		}
	} else if len(v.Post) > 0 {
		return fmt.Errorf("$_POST: PHP %v, reader has no form", render(v.Post, same))
	}
	if r.Processor == "URLENCODED" && r.Bytes > 0 && !bytes.Contains(r.Body, []byte{0}) {
		if err := form("parse_str", v.Parsed); err != nil {
			return err
		}
	}
	if err := files(v.Files, r); err != nil {
		return err
	}
	if err := v.JSON.compare(r); err != nil {
		return err
	}
	return v.XML.compare(r)
}

// forms leaves out what the reader added for a second reading as JSON or XML.
func forms(args []reader.Arg) []reader.Arg {
	var out []reader.Arg
	for _, a := range args {
		if a.Name != "json" && !strings.HasPrefix(a.Name, "json.") && !strings.HasPrefix(a.Name, "xmlrpc.") {
			out = append(out, a)
		}
	}
	return out
}

func decoded(args []reader.Arg) []reader.Arg {
	out := make([]reader.Arg, len(args))
	for i, a := range args {
		out[i] = reader.Arg{Name: a.Name, Value: reader.CookieValue(a.Value)}
	}
	return out
}

// ascii leaves of a text what every charset has in common.
func ascii(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] < utf8.RuneSelf:
			b.WriteByte(s[i])
		case i == 0 || s[i-1] < utf8.RuneSelf:
			b.WriteByte('?')
		}
	}
	return b.String()
}

func letterless(args []reader.Arg) []reader.Arg {
	out := make([]reader.Arg, len(args))
	for i, a := range args {
		out[i] = reader.Arg{Name: ascii(a.Name), Value: ascii(a.Value)}
	}
	return out
}

func cyrillic(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	out, err := charmap.Windows1251.NewDecoder().String(s)
	if err != nil {
		return s
	}
	return out
}

// equal registers the reader's arguments as PHP would and compares the whole.
func equal(what string, leaves []Leaf, args []reader.Arg, recode func(string) string, first bool) error {
	a := newArray()
	for _, arg := range args {
		a.register(arg.Name, arg.Value, first)
	}
	php, ours := render(leaves, recode), a.leaves()
	if !slices.Equal(php, ours) {
		return fmt.Errorf("%s: PHP %s, reader %s", what, clip(php), clip(ours))
	}
	return nil
}

// subset demands that each of PHP's values stands among the arguments under a
// name that PHP resolves to the same keys. Blanks around values do not count.
func subset(what string, leaves []Leaf, args []reader.Arg) error {
	for _, l := range leaves {
		found := false
		for _, a := range args {
			if _, base := reader.PHPName(a.Name); base == string(l.Keys[0]) && strings.Trim(a.Value, " ") == strings.Trim(string(l.Value), " ") {
				found = true
			}
		}
		if !found {
			return fmt.Errorf("%s: PHP has %q=%q, reader %s", what, l.Keys, l.Value, clip(fmt.Sprint(args)))
		}
	}
	return nil
}

func files(php []File, r *reader.Request) error {
	for _, f := range php {
		found := false
		for _, o := range r.Files {
			_, base := reader.PHPName(o.Field)
			sum := sha1.Sum(o.Head)
			if base == string(f.Base) && basename(o.Name) == string(f.Name) &&
				(f.Error != 0 || o.Size == f.Size && hex.EncodeToString(sum[:]) == f.Hash) {
				found = true
			}
		}
		if !found {
			return fmt.Errorf("$_FILES: PHP has %q=%q, %d bytes, error %d; reader %s", f.Base, f.Name, f.Size, f.Error, clip(fmt.Sprint(r.Files)))
		}
	}
	return nil
}

func basename(s string) string { return s[strings.LastIndexAny(s, `/\`)+1:] }

// compare demands that each value of the text has its parameter. The reader may
// have refused to call a text JSON only when PHP did.
func (j *JSON) compare(r *reader.Request) error {
	if j == nil {
		if r.Processor == "JSON" && len(r.Post) > 0 {
			return fmt.Errorf("json_decode: PHP refused what the reader read as %s", clip(fmt.Sprint(r.Post)))
		}
		return nil
	}
	have := map[string][]string{}
	for _, a := range r.Post {
		have[a.Name] = append(have[a.Name], a.Value)
	}
	for _, l := range j.Leaves {
		name := "json" + string(l.Path)
		ok := false
		for _, v := range have[name] {
			switch l.Kind {
			case "string":
				ok = ok || v == string(l.Value)
			case "number":
				a, err1 := strconv.ParseFloat(v, 64)
				b, err2 := strconv.ParseFloat(string(l.Value), 64)
				ok = ok || a == b && err2 == nil && (err1 == nil || strings.Contains(err1.Error(), "range"))
			case "bool":
				ok = ok || strings.EqualFold(v, string(l.Value))
			case "null":
				ok = ok || v == ""
			}
		}
		if !ok {
			return fmt.Errorf("json_decode: PHP has %q=%q (%s), reader %s", name, l.Value, l.Kind, clip(fmt.Sprint(r.Post)))
		}
	}
	return nil
}

// compare demands that each text and attribute is shown to the rules.
func (x *XML) compare(r *reader.Request) error {
	if x == nil {
		if r.Processor == "XML" && len(r.Text)+len(r.Attrs)+len(r.Post) > 0 {
			return fmt.Errorf("xml_parse: PHP refused what the reader read as %s", clip(fmt.Sprint(r.Text, r.Attrs, r.Post)))
		}
		return nil
	}
	for _, t := range x.Texts {
		want := strings.TrimSpace(string(t.Text))
		ok := want == ""
		for _, s := range r.Text {
			ok = ok || words(s) == words(want)
		}
		for _, a := range r.Post {
			ok = ok || words(a.Value) == words(want) || string(t.Element) == "base64" && a.Value == unbase64(want)
		}
		for _, f := range r.Files {
			ok = ok || string(t.Element) == "base64" && string(f.Head) == unbase64(want)
		}
		if !ok {
			return fmt.Errorf("xml_parse: PHP has %q in <%s>, reader %s", want, t.Element, clip(fmt.Sprint(r.Text, r.Post)))
		}
	}
	for _, a := range x.Attrs {
		if !slices.Contains(r.Attrs, string(a)) {
			return fmt.Errorf("xml_parse: PHP has attribute %q, reader %s", a, clip(fmt.Sprint(r.Attrs)))
		}
	}
	return nil
}

// words leaves out which blanks stand between words: libxml does not normalise
// every line end as XML asks.
func words(s string) string { return strings.Join(strings.Fields(s), " ") }

func unbase64(s string) string {
	s = strings.Map(func(c rune) rune {
		if c == '+' || c == '/' || c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' {
			return c
		}
		return -1
	}, s)
	if len(s)%4 == 1 {
		s = s[:len(s)-1]
	}
	out, _ := base64.RawStdEncoding.DecodeString(s)
	return string(out)
}

func clip(v any) string {
	s := fmt.Sprint(v)
	if len(s) > 1000 {
		return s[:1000] + "…"
	}
	return s
}

// trickle gives out a few bytes at a time.
type trickle struct {
	rest []byte
	n    int
}

func (t *trickle) Read(p []byte) (int, error) {
	if len(t.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, t.rest[:min(t.n, len(t.rest))])
	t.rest = t.rest[n:]
	t.n = t.n*2%4093 + 1
	return n, nil
}
