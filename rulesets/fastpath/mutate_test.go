package fastpath

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/qorgan/qorgan/event"
)

// fragments are pieces of attacks, encodings and oddities that mutations
// insert.
var fragments = []string{
	"' or 1=1--", "1' UNION SELECT 1,2,3-- -", "<script>alert(1)</script>", "javascript:alert(1)", "../../../../etc/passwd",
	";cat /etc/passwd", "$(id)", "`id`", "${jndi:ldap://x/a}", "%u0027", "%2527", "\\u003cscript\\u003e", "\\x3cscript", "&lt;script&gt;",
	"&#60;", "&nbsp;", "/**/", "/*!50000*/", "--", "#", "\x00", "\xbc", "\xbe", "＜script＞", "мир", "ſelect", "Kelvin", "İd",
	"O:8:\"stdClass\"", "php://filter", "data:text/html", "<?php", "onerror=", "style=", " = ", "(", ")", "[", "]", "{", "}",
	"\r\nSet-Cookie: a=b", "\n", "\t", "  ", "%0a", "+", "%", "%%", "..", "./", "//", "\\", ":", "'", "\"", "^", ",", ";", "@", "~", "|", "||", "&&",
	"select", "union", "eval(", "exec", "sleep(5)", "wp-config.php", ".htaccess", "bash -c", "powershell", "c:\\windows\\", "base64_decode",
	"__proto__", "constructor", "{{7*7}}", "#{", "%{", "<!--", "-->", "<!ENTITY", "xp_cmdshell", "a=b;c=d", "charset=x", "class.module",
	"é", "\u00a0", "\u2003", "\u0085", "😀", "\xff", "\xc3", "\u200b",
}

// mutator changes requests at random.
type mutator struct {
	r    *rand.Rand
	pool []string // values to splice in
}

func (m *mutator) text(s string) string {
	for range 1 + m.r.IntN(3) {
		switch m.r.IntN(12) {
		case 0, 1, 2:
			s = m.insert(s, fragments[m.r.IntN(len(fragments))])
		case 3:
			if len(m.pool) > 0 {
				s = m.insert(s, m.pool[m.r.IntN(len(m.pool))])
			}
		case 4:
			s = url.QueryEscape(s)
		case 5:
			s = strings.ToUpper(s)
		case 6:
			b := []byte(s)
			for i := range b {
				if m.r.IntN(3) == 0 && b[i] >= 'a' && b[i] <= 'z' {
					b[i] -= 32
				}
			}
			s = string(b)
		case 7:
			if len(s) > 1 {
				i := m.r.IntN(len(s))
				s = s[:i] + s[i+1:]
			}
		case 8:
			if len(s) > 1 {
				i := m.r.IntN(len(s))
				s = s[i:] + s[:i]
			}
		case 9:
			s = base64.StdEncoding.EncodeToString([]byte(s))
		case 10:
			if len(s) > 0 {
				i := m.r.IntN(len(s))
				s = s[:i] + []string{"%" + hex.EncodeToString([]byte{s[i]}), fmt.Sprintf("%%u%04x", s[i]), fmt.Sprintf("\\u%04x", s[i]), fmt.Sprintf("&#%d;", s[i]), string(s[i]) + "/**/", "\\" + string(s[i])}[m.r.IntN(6)] + s[i+1:]
			}
		case 11:
			s = m.insert(s, string(rune(m.r.IntN(0x3000))))
		}
	}
	if len(s) > 4000 {
		s = s[:4000]
	}
	return s
}

func (m *mutator) insert(s, x string) string {
	i := m.r.IntN(len(s) + 1)
	return s[:i] + x + s[i:]
}

func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\r' || r == '\n' || r == 0 {
			return -1
		}
		return r
	}, s)
}

// mutate returns a changed copy of a sample.
func (m *mutator) mutate(s sample) sample {
	c := *s.r
	c.Fields = slices.Clone(c.Fields)
	for range 1 + m.r.IntN(3) {
		switch m.r.IntN(6) {
		case 0, 1:
			path, query, _ := strings.Cut(c.Target, "?")
			if m.r.IntN(3) == 0 {
				c.Target = path + clean(m.text("")) + "?" + query
			} else {
				c.Target = path + "?" + query + "&" + []string{"q", "a[b]", "id", "redirect_to", "_wpnonce", m.escape(m.text("n"))}[m.r.IntN(6)] + "=" + m.escape(m.text(""))
			}
		case 2:
			if len(c.Fields) > 0 {
				i := m.r.IntN(len(c.Fields))
				c.Fields[i] = event.Field{Name: c.Fields[i].Name, Value: clean(m.text(c.Fields[i].Value))}
			}
		case 3:
			names := []string{"X-Forwarded-For", "Cookie", "Referer", "Accept", "Range", "X-Filename", "Content-Type", "Transfer-Encoding", "User-Agent", "Content-Encoding", "X-Foo", "Accept-Charset"}
			c.Fields = append(c.Fields, event.Field{Name: names[m.r.IntN(len(names))], Value: clean(m.text("a=1; b=2"))})
		default:
			if len(s.body) > 0 && m.r.IntN(2) == 0 {
				s.body = []byte(m.text(string(s.body)))
			} else if len(s.body) > 0 && len(s.body) < 4000 {
				s.body = append(append([]byte(nil), s.body...), []byte("&"+m.escape(m.text("k"))+"="+m.escape(m.text("v")))...)
			}
		}
	}
	return sample{s.name, &c, s.body}
}

func (m *mutator) escape(s string) string {
	if m.r.IntN(2) == 0 {
		return url.QueryEscape(s)
	}
	return clean(strings.ReplaceAll(s, "&", "%26"))
}

// TestMutationsMatchNothingUnforeseen judges random mutations of the rule set's
// tests, of ordinary requests and of the corpora where there are any. How long
// is $QORGAN_MUTATE, a second a level without it.
func TestMutationsMatchNothingUnforeseen(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	span := time.Second
	if s := os.Getenv("QORGAN_MUTATE"); s != "" {
		d, err := time.ParseDuration(s)
		if err != nil {
			t.Fatal(err)
		}
		span = d
	}
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("QORGAN_SEED"); s != "" {
		seed, _ = strconv.ParseUint(s, 10, 64)
	}
	t.Logf("QORGAN_SEED=%d", seed)
	m := &mutator{r: rand.New(rand.NewPCG(seed, 1))}
	samples := regression(t)
	for _, s := range samples {
		if _, q, ok := strings.Cut(s.r.Target, "="); ok && len(q) < 200 {
			m.pool = append(m.pool, q)
		}
		if len(s.body) > 0 && len(s.body) < 200 {
			m.pool = append(m.pool, string(s.body))
		}
	}
	rs, bodies := load()
	for i := range rs {
		for range 200 {
			samples = append(samples, sample{"load", rs[i], bodies[i]})
		}
	}
	if os.Getenv("QORGAN_CORPORA") != "" {
		for _, s := range corpora(t) {
			if len(s.body) < 3000 {
				samples = append(samples, s)
			}
		}
	}
	for _, level := range levels() {
		o := oracleAt(t, level)
		var sum tally
		for end := time.Now().Add(span); time.Now().Before(end) && !t.Failed(); {
			s := m.mutate(samples[m.r.IntN(len(samples))])
			sum.add(o.check(t, s.name, s.r, s.body))
		}
		t.Logf("level %d: %d requests, %d logged by Coraza, %d clean, %d asked in vain", level, sum.n, sum.logged, sum.clean, sum.asked)
	}
}
