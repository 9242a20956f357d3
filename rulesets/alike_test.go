package rulesets_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	crstests "github.com/corazawaf/coraza-coreruleset/v4/tests"
	"github.com/goccy/go-yaml"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/rulesets"
	"github.com/qorgan/qorgan/rulesets/explain"
	"github.com/qorgan/qorgan/rulesets/patches"
	"github.com/qorgan/qorgan/rulesets/profiles"
)

// twins are a judge with the fast path and one whose Coraza reads every rule as
// it is written, both with every profile and every virtual patch.
type twins struct {
	with, without *rulesets.Judge
	profiles      []string
}

func newTwins(tb testing.TB) *twins {
	tb.Helper()
	list, err := patches.Builtin()
	if err != nil {
		tb.Fatal(err)
	}
	known, err := profiles.Load()
	if err != nil {
		tb.Fatal(err)
	}
	patches.Add(known, list)
	t := &twins{profiles: slices.Sorted(maps.Keys(known))}
	for _, j := range []**rulesets.Judge{&t.with, &t.without} {
		if *j, err = rulesets.New(rulesets.Options{FastPath: true, AuditEvery: -1, Budget: time.Minute, Profiles: known}); err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(func() { (*j).Close() })
		var sites []*config.Site
		for _, name := range t.profiles {
			site := testSiteAt(1)
			site.Profile = name
			sites = append(sites, site)
		}
		build, err := (*j).Prepare(context.Background(), sites)
		if err != nil {
			tb.Fatal(err)
		}
		(*j).Use(build)
	}
	t.without.JudgeAsWritten(tb)
	return t
}

// compare judges a request twice and returns what was said of it, and the
// difference, if there is one. Where there is more than one reading of it no
// rule is asked, and nothing is compared.
func (t *twins) compare(p rulesets.Probe, level int, profile string) (judged bool, f rulesets.Finding, difference string) {
	site := testSiteAt(level)
	site.Profile = profile
	q := p
	p.Fields, q.Fields = slices.Clone(p.Fields), slices.Clone(p.Fields)
	a, err1 := t.with.Probe(context.Background(), site, p, false)
	if a.Reason != "" && err1 == nil {
		return false, a, ""
	}
	b, err2 := t.without.Probe(context.Background(), site, q, false)
	if err1 != nil || err2 != nil || said(a) != said(b) {
		difference = fmt.Sprintf("level %d, profile %s\n%s %s\n%q\n%q\nwith the fast path (%v): %s\nwithout (%v): %s",
			level, profile, p.Method, p.Target, p.Fields, p.Body[:min(len(p.Body), 2000)], err1, said(a), err2, said(b))
	}
	return true, a, difference
}

// rawRequests are the requests of the rule set's regression tests as they are
// sent, and the exploits and look-alikes of the virtual patches.
func rawRequests(tb testing.TB) (out []string) {
	tb.Helper()
	err := fs.WalkDir(crstests.FS, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(crstests.FS, path)
		if err != nil {
			return err
		}
		var f crsFile
		if err := yaml.Unmarshal(text, &f); err != nil {
			return err
		}
		for _, test := range f.Tests {
			for _, stage := range test.Stages {
				if raw, err := stage.Input.raw(); err == nil {
					out = append(out, string(raw))
				}
			}
		}
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	list, err := patches.Builtin()
	if err != nil {
		tb.Fatal(err)
	}
	for _, p := range list {
		out = append(out, rawOf(p.Exploit), rawOf(p.Harmless))
	}
	return out
}

// rawOf writes the example of a patch as it is sent.
func rawOf(r patches.Request) string {
	lines := append([]string{r.Request + " HTTP/1.1", "Host: a.kz", "User-Agent: x", "Accept: */*"}, r.Header...)
	if r.Body != "" {
		typ := r.Type
		if typ == "" {
			typ = "application/x-www-form-urlencoded"
		}
		lines = append(lines, "Content-Type: "+typ)
	}
	return strings.Join(lines, "\r\n") + "\r\n\r\n" + r.Body
}

// bodies are one small request of each kind of body.
var bodies = []string{
	"POST /wp-login.php HTTP/1.1\r\nHost: a.kz\r\nUser-Agent: x\r\nAccept: */*\r\nContent-Type: application/x-www-form-urlencoded\r\nCookie: wp-settings-1=a%3Db; x=1\r\n\r\nlog=admin&pwd=1'+or+1=1--+-&a[b]=%3Cscript%3E",
	"POST /wp-json/wp/v2/posts/12?_locale=user HTTP/1.1\r\nHost: a.kz\r\nUser-Agent: x\r\nAccept: */*\r\nContent-Type: application/json\r\n\r\n{\"id\":12,\"content\":\"<!-- wp:html --><p onclick=x>union select 1 from \\u0441\",\"a\":[1,null,{\"b\":\"$(id)\"}]}",
	"POST /xmlrpc.php HTTP/1.1\r\nHost: a.kz\r\nUser-Agent: x\r\nAccept: */*\r\nContent-Type: text/xml\r\n\r\n<?xml version=\"1.0\"?><methodCall><methodName>wp.getPost</methodName><params><param><value a=\"/etc/passwd\"><string>;cat /etc/passwd</string></value></param></params></methodCall>",
	"POST /wp-admin/async-upload.php HTTP/1.1\r\nHost: a.kz\r\nUser-Agent: x\r\nAccept: */*\r\nContent-Type: multipart/form-data; boundary=b\r\n\r\n--b\r\nContent-Disposition: form-data; name=\"action\"\r\n\r\nupload\r\n--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a.php.jpg\"\r\nContent-Type: image/jpeg\r\n\r\n<?php eval($_GET[0]);\r\n--b--\r\n",
	"PUT /x HTTP/1.1\r\nHost: a.kz\r\nUser-Agent: x\r\nAccept: */*\r\nContent-Type: text/plain\r\n\r\nplain text; select * from users",
	"GET /?s=%D0%BC%D0%B8%D1%80&q=../../etc/passwd HTTP/1.1\r\nHost: a.kz\r\nUser-Agent: sqlmap/1.0\r\nAccept: text/html\r\nReferer: javascript:alert(1)\r\nRange: bytes=0-1\r\n\r\n",
}

// FuzzRequests changes whole requests: line, headers, query, cookies and a body
// of each kind, at a level and with a profile that it chooses too. The oracle is
// Coraza with the rules as they are written: the same rules must match as often
// and add as much. That costs Coraza's milliseconds each time, so it runs some
// hundred requests a second on a core at most.
func FuzzRequests(f *testing.F) {
	t := newTwins(f)
	for i, raw := range bodies {
		for level := range uint8(4) {
			f.Add(level, uint8(i), []byte(raw))
		}
	}
	for i, raw := range rawRequests(f) {
		if i%37 == 0 && len(raw) < 4000 {
			f.Add(uint8(i/37), uint8(i), []byte(raw))
		}
	}
	f.Fuzz(func(tt *testing.T, level, profile uint8, raw []byte) {
		p, err := explain.Raw(raw)
		if err != nil || len(raw) > 64<<10 {
			tt.Skip()
		}
		if judged, _, difference := t.compare(p, 1+int(level%4), t.profiles[int(profile)%len(t.profiles)]); !judged {
			tt.Skip()
		} else if difference != "" {
			tt.Error(difference)
		}
	})
}

// pieces are what mutations put into requests.
var pieces = []string{
	"' or 1=1--", "<script>alert(1)</script>", "../../etc/passwd", "%2527", "%u0027", "&#60;", "\\u003c", "/**/", "＜", "мир", "ſelect", "\x00", "\xff", "\xc3", "\u00a0",
	"union select", ";id", "$(id)", "${jndi:ldap://x}", "{{7*7}}", "<?php", "O:1:\"a\"", "php://input", "onerror=", "=", "&", ";", "[", "]", "\"", "'", "\r\nX-A: b", "%0a", "+", "%",
	"wp-config.php", "Cookie: a=b", "charset=utf-7", "bash -c", "sleep(5)", "__proto__", "<!--", "javascript:", "?a=b", "/./", "\\", "\t", "é", "1", "a",
}

// mutate changes a request here and there, and splices another into it.
func mutate(r *rand.Rand, s, other string) string {
	for range 1 + r.IntN(4) {
		i := r.IntN(len(s) + 1)
		switch r.IntN(6) {
		case 0, 1, 2:
			s = s[:i] + pieces[r.IntN(len(pieces))] + s[i:]
		case 3:
			k := min(len(s), i+r.IntN(8))
			s = s[:i] + s[k:]
		case 4:
			k := r.IntN(len(other))
			s = s[:i] + other[k:min(len(other), k+r.IntN(60))] + s[i:]
		case 5:
			b := []byte(s)
			if i < len(b) {
				b[i] ^= byte(1 << r.IntN(8))
			}
			s = string(b)
		}
	}
	return s
}

// TestMutationsAreJudgedAlike judges random changes of the same requests, the
// same each time. $QORGAN_MUTATE says for how long instead of how many, from a
// seed of its own.
func TestMutationsAreJudgedAlike(t *testing.T) {
	if testing.Short() {
		t.Skip("judges hundreds of requests by every rule")
	}
	seed, end := uint64(17), time.Time{}
	if s := os.Getenv("QORGAN_MUTATE"); s != "" {
		d, err := time.ParseDuration(s)
		if err != nil {
			t.Fatal(err)
		}
		seed, end = uint64(time.Now().UnixNano()), time.Now().Add(d)
	}
	if s := os.Getenv("QORGAN_SEED"); s != "" {
		seed, _ = strconv.ParseUint(s, 10, 64)
	}
	t.Logf("QORGAN_SEED=%d", seed)
	two := newTwins(t)
	raws := append(rawRequests(t), bodies...)
	r := rand.New(rand.NewPCG(seed, 3))
	var judged, matched, read int
	for n := 0; !t.Failed(); n++ {
		if end.IsZero() && judged == 400 || !end.IsZero() && time.Now().After(end) {
			break
		}
		raw := raws[r.IntN(len(raws))]
		if r.IntN(3) == 0 {
			raw = bodies[r.IntN(len(bodies))]
		}
		p, err := explain.Raw([]byte(mutate(r, raw, raws[r.IntN(len(raws))])))
		if err != nil || len(raw) > 16<<10 {
			continue
		}
		read++
		asked, f, difference := two.compare(p, 1+r.IntN(4), two.profiles[r.IntN(len(two.profiles))])
		if asked {
			judged++
		}
		if asked && len(f.Matches) > 0 {
			matched++
		}
		if difference != "" {
			t.Error(difference)
		}
	}
	t.Logf("%d requests, %d with one reading, of which %d match a rule", read, judged, matched)
	if matched == 0 || matched == judged {
		t.Error("no request of both kinds was tried")
	}
}

// TestCorporaAreJudgedAlike judges recorded requests at every level with every
// profile. $QORGAN_SHARE judges one in so many.
func TestCorporaAreJudgedAlike(t *testing.T) {
	probes := corpusProbes(t)
	share, _ := strconv.Atoi(os.Getenv("QORGAN_SHARE"))
	share = max(share, 1)
	two := newTwins(t)
	for level := 1; level <= 4; level++ {
		for _, profile := range two.profiles {
			var mu sync.Mutex
			var judged, matched, differ int
			var wg sync.WaitGroup
			for w := range runtime.GOMAXPROCS(0) {
				wg.Go(func() {
					for i := w * share; i < len(probes); i += share * runtime.GOMAXPROCS(0) {
						asked, f, difference := two.compare(probes[i], level, profile)
						mu.Lock()
						if asked {
							judged++
						}
						if asked && len(f.Matches) > 0 {
							matched++
						}
						if difference != "" {
							if differ++; differ < 4 {
								t.Error(difference)
							}
						}
						mu.Unlock()
					}
				})
			}
			wg.Wait()
			t.Logf("level %d, profile %s: %d requests judged, %d match a rule, %d differ", level, profile, judged, matched, differ)
		}
	}
}

// corpusProbes are the requests of the corpora.
func corpusProbes(t *testing.T) (out []rulesets.Probe) {
	dir := os.Getenv("QORGAN_CORPORA")
	if dir == "" {
		t.Skip("QORGAN_CORPORA names no folder of corpora")
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.jsonl.gz"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no corpora in %s: %v", dir, err)
	}
	host := strings.NewReplacer("{{HOST}}", "shop.example.kz")
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		z, err := gzip.NewReader(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		sc := bufio.NewScanner(z)
		sc.Buffer(nil, 64<<20)
		for sc.Scan() {
			var q struct {
				Method  string      `json:"method"`
				Path    string      `json:"path"`
				Headers [][2]string `json:"headers"`
				Body    string      `json:"body"`
				Base64  []byte      `json:"body_b64"`
			}
			if err := json.Unmarshal(sc.Bytes(), &q); err != nil {
				t.Fatal(err)
			}
			p := rulesets.Probe{Method: q.Method, Target: host.Replace(q.Path), Body: q.Base64, Fields: []event.Field{{Name: "Host", Value: "shop.example.kz"}}}
			for _, h := range q.Headers {
				p.Fields = append(p.Fields, event.Field{Name: h[0], Value: host.Replace(h[1])})
			}
			if q.Body != "" {
				p.Body = []byte(host.Replace(q.Body))
			}
			if len(p.Body) > 0 {
				p.Fields = append(p.Fields, event.Field{Name: "Content-Length", Value: strconv.Itoa(len(p.Body))})
			}
			out = append(out, p)
		}
		if sc.Err() != nil {
			t.Fatal(sc.Err())
		}
	}
	return out
}
