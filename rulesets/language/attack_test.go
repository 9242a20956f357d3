package language_test

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	coreruleset "github.com/corazawaf/coraza-coreruleset/v4"
	"github.com/corazawaf/coraza/v3"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/rulesets"
)

// plain is Coraza with the rule set as it comes, by level. It is made before
// anything gives Coraza other transformations, which it keeps for the process.
var plain [3]coraza.WAF

func TestMain(m *testing.M) {
	for level := 1; level < len(plain); level++ {
		waf, err := coraza.NewWAF(coraza.NewWAFConfig().WithRootFS(coreruleset.FS).WithDirectives(fmt.Sprintf(
			"Include @coraza.conf-recommended\nSecAction \"id:1,phase:1,pass,nolog,setvar:tx.blocking_paranoia_level=%d\"\n"+
				"SecRuleEngine On\nInclude @crs-setup.conf.example\nInclude @owasp_crs/REQUEST-*.conf\n", level)))
		if err != nil {
			panic(err)
		}
		plain[level] = waf
	}
	os.Exit(m.Run())
}

// plainRefuses asks plain Coraza.
func plainRefuses(t testing.TB, level int, p rulesets.Probe) bool {
	t.Helper()
	tx := plain[level].NewTransaction()
	defer tx.Close()
	tx.ProcessConnection("192.0.2.7", 40000, "192.0.2.1", 443)
	tx.ProcessURI(p.Target, p.Method, p.Proto)
	for _, f := range p.Fields {
		tx.AddRequestHeader(f.Name, f.Value)
	}
	if tx.ProcessRequestHeaders() != nil {
		return true
	}
	if _, _, err := tx.WriteRequestBody(p.Body); err != nil {
		t.Fatal(err)
	}
	it, err := tx.ProcessRequestBody()
	if err != nil {
		t.Fatal(err)
	}
	return it != nil
}

// attacks are what somebody tries, and what he hides it in.
type attacks struct {
	// Words are a word and a sentence of each language.
	Words []struct {
		// Language is its code.
		Language string `yaml:"language"`
		// Word and Sentence are harmless.
		Word     string `yaml:"word"`
		Sentence string `yaml:"sentence"`
	} `yaml:"words"`
	// Attacks have {w} and {s} where those go.
	Attacks []string `yaml:"attacks"`
}

// disguises are other ways to write an attack of ASCII.
var disguises = []struct {
	name  string
	write func(string) string
}{
	{"as it is", func(s string) string { return s }},
	{"full-width", func(s string) string { return disguise(s, func(r rune) rune { return r - '!' + '！' }, '!', '~') }},
	{"full-width punctuation", func(s string) string {
		return disguise(s, func(r rune) rune {
			if strings.ContainsRune(`<>'"()=;`, r) {
				return r - '!' + '！'
			}
			return r
		}, '!', '~')
	}},
	{"mathematical letters", func(s string) string { return disguise(s, func(r rune) rune { return r - 'a' + '𝐚' }, 'a', 'z') }},
	{"blanks of other kinds", func(s string) string { return strings.ReplaceAll(s, " ", "\u00a0") }},
	{"ideographic blanks", func(s string) string { return strings.ReplaceAll(s, " ", "\u3000") }},
	{"letters of a look-alike", func(s string) string {
		return strings.NewReplacer("a", "а", "e", "е", "o", "о", "c", "с", "p", "р").Replace(s)
	}},
	{"overlong brackets", func(s string) string { return strings.NewReplacer("<", "\xc0\xbc", ">", "\xc0\xbe").Replace(s) }},
	{"broken US-ASCII", func(s string) string { return strings.NewReplacer("<", "\xbc", ">", "\xbe").Replace(s) }},
	{"escaped once more", func(s string) string { return strings.NewReplacer("<", "%3C", ">", "%3E", "'", "%27").Replace(s) }},
	{"as entities", func(s string) string { return strings.NewReplacer("<", "&lt;", "'", "&#39;", "(", "&lpar;").Replace(s) }},
	{"capitals and small letters", func(s string) string {
		return disguise(s, func(r rune) rune {
			if r%2 == 0 {
				return r - 'a' + 'A'
			}
			return r
		}, 'a', 'z')
	}},
}

func disguise(s string, f func(rune) rune, first, last rune) string {
	return strings.Map(func(r rune) rune {
		if first <= r && r <= last {
			return f(r)
		}
		return r
	}, s)
}

// doors are the places through which attacks are sent. Of each, the fields that
// a profile takes for prose and one that it knows nothing about.
var doors = []struct {
	name  string
	build func(text, host string) rulesets.Probe
}{
	{"a parameter", func(t, h string) rulesets.Probe { return request("GET", "/item?x="+form("", t)[1:], h, "", "") }},
	{"a form", func(t, h string) rulesets.Probe { return request("POST", "/save", h, urlencoded, form("x", t)) }},
	{"JSON", func(t, h string) rulesets.Probe {
		return request("POST", "/api/x", h, "application/json", `{"x":`+quoted(t)+`}`)
	}},
	{"a part of a body", func(t, h string) rulesets.Probe {
		return request("POST", "/save", h, "multipart/form-data; boundary="+boundary, multipart(part(`name="x"`, t)))
	}},
}

// TestAttacksInText wraps attacks into texts of every language, written in
// every disguise. What is refused beside an English word must be refused beside
// any, by what plain Coraza says and by what the judge itself says.
func TestAttacksInText(t *testing.T) {
	b, err := os.ReadFile("testdata/attacks.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var a attacks
	if err := config.Decode("testdata/attacks.yaml", b, &a); err != nil {
		t.Fatal(err)
	}
	sites := []*config.Site{site("generic", 1), site("generic", 2)}
	fast, _ := judges(t, sites)
	asked, refused := 0, 0
	for i, attack := range a.Attacks {
		for j, d := range disguises {
			if testing.Short() && (i+j)%len(disguises) != 0 {
				continue
			}
			at := doors[(i+j)%len(doors)]
			for _, s := range sites {
				var english, plainly bool
				for k, w := range a.Words {
					text := strings.NewReplacer("{w}", w.Word, "{s}", w.Sentence).Replace(between.ReplaceAllStringFunc(attack, func(m string) string {
						if m == "{w}" || m == "{s}" {
							return m
						}
						return d.write(m)
					}))
					p := at.build(text, "shop.example.kz")
					f, err := fast.Probe(t.Context(), s, p, false)
					if err != nil {
						t.Fatal(err)
					}
					asked++
					if f.Refused {
						refused++
					}
					if k == 0 {
						english, plainly = f.Refused, plainRefuses(t, s.Level, p)
					}
					switch {
					case f.Refused:
					case english:
						t.Errorf("level %d: %q in %s (%s) passes beside a word in %s and is refused beside an English one", s.Level, text, at.name, d.name, w.Language)
					case plainly && plainRefuses(t, s.Level, p):
						t.Errorf("level %d: %q in %s (%s) passes; plain Coraza refuses it", s.Level, text, at.name, d.name)
					}
				}
			}
		}
	}
	t.Logf("%d requests, %d refused", asked, refused)
}

// between are the places for words and sentences, and what stands between them.
var between = regexp.MustCompile(`\{[ws]\}|[^{]+|\{`)
