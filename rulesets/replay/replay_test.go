package replay

import (
	"bytes"
	"compress/gzip"
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/exchange"
	"github.com/qorgan/qorgan/rulesets"
)

var judge = sync.OnceValue(func() *rulesets.Judge {
	j, err := rulesets.New(rulesets.Options{FastPath: true, AuditEvery: -1})
	if err != nil {
		panic(err)
	}
	return j
})

func site() *config.Site {
	return &config.Site{Name: "shop", Mode: config.Detect, Level: 1, Profile: "generic"}
}

const jsonLines = `{"id":"a","class":"search","expected":"pass","method":"GET","path":"/?s=boots","headers":[["User-Agent","Mozilla/5.0"],["Accept","*/*"],["Referer","https://{{HOST}}/"]]}
{"id":"b","class":"attack","expected":"block","method":"POST","path":"/item/17","headers":[["User-Agent","Mozilla/5.0"],["Accept","*/*"],["Content-Type","application/x-www-form-urlencoded"]],"body_b64":"bm90ZT08c2NyaXB0PmFsZXJ0KDEpPC9zY3JpcHQ+"}
{"id":"c","class":"attack","expected":"block","method":"POST","path":"/item/18","headers":[["User-Agent","Mozilla/5.0"],["Accept","*/*"],["Content-Type","application/x-www-form-urlencoded"]],"body":"note=<script>alert(1)</script>"}
not json
{"id":"d","class":"attack","expected":"block","method":"GET","path":"/harmless","headers":[["User-Agent","Mozilla/5.0"],["Accept","*/*"]]}
{"id":"e","class":"odd","method":"POST","path":"/u","headers":[["User-Agent","Mozilla/5.0"],["Accept","*/*"],["Content-Type","multipart/form-data"]],"body":"x"}
`

const accessLog = `203.0.113.9 - - [24/Nov/2026:08:00:00 +0500] "GET /?s=winter HTTP/1.1" 200 512 "-" "Mozilla/5.0"
2001:db8::7 - bob [24/Nov/2026:08:00:01 +0500] "GET /?id=1%27%20UNION%20SELECT%20password%20FROM%20users HTTP/1.1" 200 12 "https://x/" "Mozilla/5.0 \"quoted\""
203.0.113.9 - - [24/Nov/2026:08:00:02 +0500] "\x16\x03\x01" 400 0 "-" "-"
blog.example.kz:443 203.0.113.9 - - [24/Nov/2026:08:00:03 +0500] "POST /wp-login.php HTTP/2.0" 302 0 "-" "Mozilla/5.0" "198.51.100.7"
`

const har = `{"log":{"version":"1.2","entries":[
{"request":{"method":"GET","url":"https://shop.kz/a%20b?x=1","httpVersion":"h2","headers":[{"name":":authority","value":"shop.kz"},{"name":"user-agent","value":"Mozilla/5.0"},{"name":"accept","value":"*/*"}]},"response":{"status":200}},
{"request":{"method":"POST","url":"https://shop.kz/c","httpVersion":"HTTP/1.1","headers":[{"name":"User-Agent","value":"Mozilla/5.0"},{"name":"Accept","value":"*/*"},{"name":"Content-Type","value":"application/json"}],"postData":{"text":"{\"q\":\"1' UNION SELECT 1--\"}"}},"response":{"status":200}},
{"request":{"method":"GET","url":"https://counter.example.com/?x=<script>alert(1)</script>","httpVersion":"h2","headers":[]},"response":{"status":200}}
]}}`

func TestReplay(t *testing.T) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write([]byte(jsonLines))
	_ = z.Close()
	for _, c := range []struct {
		name, text                          string
		requests, refused, unread, surprise int
		says                                []string
	}{
		{"JSON lines", jsonLines, 5, 3, 1, 1, []string{"line 4", "2  941100  POST /item/{n} ARGS:note", "[b]", "multipart-boundary  POST /u", "attack"}},
		{"compressed", packed.String(), 5, 3, 1, 1, nil},
		{"access log", accessLog, 3, 1, 1, 0, []string{"942190  GET / ARGS:id", "[line 2]", "line 3", "Of 1 the file holds no body", "at level 1 with the profile generic."}},
		{"HAR", har, 2, 1, 0, 0, []string{"942190  POST /c ARGS:json.q", "1 went to other hosts"}},
	} {
		r, err := Run(context.Background(), judge(), Read(strings.NewReader(c.text), "shop.example.kz"), Options{Site: site()})
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if r.Requests != c.requests || r.Refused != c.refused || r.Unread != c.unread || r.Surprises != c.surprise {
			t.Errorf("%s: %+v", c.name, r)
		}
		var b strings.Builder
		if err := r.Write(&b); err != nil {
			t.Fatal(err)
		}
		for _, s := range c.says {
			if !strings.Contains(b.String(), s) {
				t.Errorf("%s: the report does not say %q:\n%s", c.name, s, b.String())
			}
		}
	}
}

func TestReplayEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	endless := func(yield func(Entry, error) bool) {
		for yield(Entry{Probe: rulesets.Probe{Method: "GET", Target: "/"}}, nil) {
		}
	}
	if _, err := Run(ctx, judge(), endless, Options{Site: site()}); err == nil {
		t.Error("no error")
	}
}

// TestCorpora reports on the corpora that QORGAN_CORPORA names.
func TestCorpora(t *testing.T) {
	dir := os.Getenv("QORGAN_CORPORA")
	if dir == "" {
		t.Skip("QORGAN_CORPORA names no folder")
	}
	names, err := filepath.Glob(filepath.Join(dir, "*.jsonl.gz"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no corpora in %s (%v)", dir, err)
	}
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		r, err := Run(context.Background(), judge(), Read(f, "shop.example.kz"), Options{Site: site(), Rank: exchange.Visitor})
		f.Close()
		if err != nil || r.Unread > 0 || r.Requests == 0 {
			t.Errorf("%s: %v, %d unread", name, err, r.Unread)
		}
		t.Logf("%s: %d requests, %d refused, %d surprises", filepath.Base(name), r.Requests, r.Refused, r.Surprises)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(jsonLines))
	f.Add([]byte(accessLog))
	f.Add([]byte(har))
	f.Fuzz(func(t *testing.T, b []byte) {
		for e, err := range Read(bytes.NewReader(b), "host") {
			if err == nil && (e.Probe.Method == "" || e.Line == 0) {
				t.Errorf("%+v", e)
			}
		}
	})
}
