package mistake

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/rulesets/reader"
)

// Whatever is put into a place, the reader of the rules finds it there, and the
// rest as it was.
func TestPut(t *testing.T) {
	values := []string{"1", "a b&c=d", `<script>"'</script>`, "жол; ls", "../../x%2f", "line\nline"}
	for _, m := range mistakes {
		before, err := read(m.request, shop())
		if err != nil {
			continue
		}
		for _, a := range slices.Concat(before.Get, before.Post) {
			if slices.ContainsFunc(before.Post, func(b reader.Arg) bool { return b.Name == a.Name+".0" }) || a.Name == "json.note.rows" {
				continue // the length of a list
			}
			for _, v := range values {
				p, ok := put(m.request, Place{"ARGS", a.Name}, v)
				if !ok {
					t.Errorf("%s: %s cannot be reached", m.name, a.Name)
					continue
				}
				after, err := read(p, shop())
				if err != nil {
					t.Errorf("%s: %s with %q: %v", m.name, a.Name, v, err)
					continue
				}
				for _, b := range slices.Concat(after.Get, after.Post) {
					want := v
					if b.Name != a.Name {
						want = valueOf(slices.Concat(before.Get, before.Post), b.Name)
					}
					if b.Value != want {
						t.Errorf("%s: %s set to %q: %s is %q, want %q", m.name, a.Name, v, b.Name, b.Value, want)
					}
				}
				if len(after.Files) != len(before.Files) {
					t.Errorf("%s: %d files, want %d", m.name, len(after.Files), len(before.Files))
				}
			}
		}
	}
}

func valueOf(args []reader.Arg, name string) string {
	for _, a := range args {
		if a.Name == name {
			return a.Value
		}
	}
	return ""
}

func TestPutBesideParameters(t *testing.T) {
	p := request("POST", "/x?a=1", multipartForm, "Content-Type", "multipart/form-data; boundary=b", "Cookie", "one=1; prefs=2; three=3", "Referer", "https://a.example/")
	for _, c := range []struct {
		at   Place
		want func(*reader.Request) string
	}{
		{Place{"REQUEST_COOKIES", "prefs"}, func(r *reader.Request) string { return valueOf(r.Cookies, "prefs") }},
		{Place{"REQUEST_HEADERS", "referer"}, func(r *reader.Request) string {
			for _, f := range r.Fields {
				if f.Name == "Referer" {
					return f.Value
				}
			}
			return ""
		}},
		{Place{"FILES", ""}, func(r *reader.Request) string { return r.Files[0].Name }},
		{Place{"REQUEST_URI", ""}, func(r *reader.Request) string { return valueOf(r.Get, "qorgan-elsewhere") }},
	} {
		out, ok := put(p, c.at, "x.php;a")
		if !ok {
			t.Errorf("%s cannot be reached", c.at)
			continue
		}
		r, err := read(out, shop())
		if err != nil {
			t.Errorf("%s: %v", c.at, err)
			continue
		}
		if got := strings.ReplaceAll(c.want(r), "%3B", ";"); got != "x.php;a" { // cookies are judged as they came
			t.Errorf("%s is %q", c.at, got)
		}
		if valueOf(r.Cookies, "one") != "1" || valueOf(r.Cookies, "three") != "3" || valueOf(r.Get, "a") != "1" {
			t.Errorf("%s: something else changed", c.at)
		}
	}
	for _, at := range []Place{{"ARGS", "none"}, {"REQUEST_COOKIES", "none"}, {"REQUEST_HEADERS", "none"}, {"XML", "/*"}} {
		if _, ok := put(p, at, "x"); ok {
			t.Errorf("%s was found", at)
		}
	}
}

func TestPlaces(t *testing.T) {
	for _, c := range []struct {
		variable, key, want string
	}{
		{"ARGS", "q", "ARGS:q"}, {"ARGS_POST", "q", "ARGS:q"}, {"REQUEST_COOKIES", "c", "REQUEST_COOKIES:c"}, {"REQUEST_FILENAME", "", "REQUEST_FILENAME"},
		{"ARGS", "", ""}, {"REQUEST_BODY", "", ""}, {"XML", "/*", ""}, {"ARGS", "/x/", ""}, {"ARGS", "‹hidden:00000000›", ""}, {"TX", "score", ""}, {"ARGS", "a\nb", ""},
	} {
		at, ok := placeOf(event.Match{Variable: c.variable, Key: c.key})
		if ok != (c.want != "") || ok && at.String() != c.want {
			t.Errorf("%s:%s: %s, %t", c.variable, c.key, at, ok)
		}
	}
}

func TestCorpora(t *testing.T) {
	c, err := readCorpora()
	if err != nil {
		t.Fatal(err)
	}
	classes := map[event.Class]int{}
	for _, a := range c.values {
		classes[a.Class]++
		if !slices.Contains(event.Classes, a.Class) {
			t.Errorf("%q is no class", a.Class)
		}
	}
	for _, want := range []event.Class{event.ClassSQL, event.ClassScript, event.ClassCommand, event.ClassPHP, event.ClassFile, event.ClassRemote, event.ClassCode} {
		if classes[want] < 8 {
			t.Errorf("%d attacks of class %s", classes[want], want)
		}
	}
	if _, err := readAttacks("xss <b>"); err == nil {
		t.Error("a line without a class was taken")
	}
}

// FuzzPut puts any value anywhere; the oracle is the rules' own reader.
func FuzzPut(f *testing.F) {
	for _, v := range []string{"", "x", "a&b=c", "%00%", "\r\n--b--\r\n", `"\u0000`, "<?xml"} {
		f.Add(v)
	}
	for _, a := range mustCorpora(f).values {
		f.Add(a.Value)
	}
	f.Fuzz(func(t *testing.T, value string) {
		for _, m := range mistakes {
			r, err := read(m.request, shop())
			if err != nil {
				continue
			}
			for _, a := range slices.Concat(r.Get, r.Post) {
				p, ok := put(m.request, Place{"ARGS", a.Name}, value)
				if !ok {
					continue
				}
				after, err := read(p, shop())
				if err != nil {
					continue // with more than one reading it is refused, whatever the exclusions say
				}
				got := valueOf(slices.Concat(after.Get, after.Post), a.Name)
				if want := value; got != want && (utf8.ValidString(value) || !strings.HasPrefix(a.Name, "json.")) {
					t.Errorf("%s: %s is %q, want %q", m.name, a.Name, got, want)
				}
			}
		}
	})
}

func mustCorpora(t testing.TB) corpora {
	c, err := readCorpora()
	if err != nil {
		t.Fatal(err)
	}
	return c
}
