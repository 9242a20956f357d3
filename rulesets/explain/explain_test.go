package explain

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/exchange"
	"github.com/qorgan/qorgan/rulesets"
)

func TestCurl(t *testing.T) {
	for _, c := range []struct {
		line, method, target, body string
		headers                    []string
	}{
		{`curl https://shop.kz`, "GET", "/", "", []string{"Host: shop.kz", "User-Agent: curl/8.14.1", "Accept: */*"}},
		{`curl 'https://shop.kz:8443/a?b=c#d' -H 'Accept: text/html' -H "X-A: \"q\""`, "GET", "/a?b=c", "", []string{"Host: shop.kz:8443", "Accept: text/html", `X-A: "q"`}},
		{"curl -s -L \\\n  -X PUT shop.kz/x -d 'a=1' -d b=2", "PUT", "/x", "a=1&b=2", []string{"Content-Type: application/x-www-form-urlencoded", "Content-Length: 7"}},
		{`curl shop.kz --data-raw $'x=\'\u0430\x41\n'`, "POST", "/", "x='аA\n", nil},
		{`curl -G shop.kz/s?a=1 --data-urlencode 'q=два слова'`, "GET", "/s?a=1&q=%D0%B4%D0%B2%D0%B0%20%D1%81%D0%BB%D0%BE%D0%B2%D0%B0", "", nil},
		{`curl --json '{"a":1}' shop.kz/api`, "POST", "/api", `{"a":1}`, []string{"Content-Type: application/json"}},
		{`curl -I shop.kz`, "HEAD", "/", "", nil},
		{`curl -u me:secret shop.kz -H 'User-Agent:'`, "GET", "/", "", []string{"Authorization: Basic bWU6c2VjcmV0"}},
		{`curl -F 'note=hi' -F 'file=@/tmp/a.png;type=image/png' shop.kz`, "POST", "/", "--" + boundary + "\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nhi\r\n--" + boundary +
			"\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.png\"\r\nContent-Type: image/png\r\n\r\n\r\n--" + boundary + "--\r\n", nil},
	} {
		p, err := Parse(c.line)
		if err != nil {
			t.Errorf("%s: %v", c.line, err)
			continue
		}
		if p.Method != c.method || p.Target != c.target || string(p.Body) != c.body {
			t.Errorf("%s:\n got %s %s %q\nwant %s %s %q", c.line, p.Method, p.Target, p.Body, c.method, c.target, c.body)
		}
		for _, h := range c.headers {
			name, value, _ := strings.Cut(h, ": ")
			if !slices.Contains(p.Fields, event.Field{Name: name, Value: value}) {
				t.Errorf("%s: no header %q in %v", c.line, h, p.Fields)
			}
		}
	}
	for _, bad := range []string{"curl", "wget x", "curl 'open", "curl -d @file shop.kz", "curl --made-up shop.kz", "curl -H", "curl a b"} {
		if p, err := Curl(bad); err == nil {
			t.Errorf("%q was read as %+v", bad, p)
		}
	}
}

func TestRaw(t *testing.T) {
	p, err := Parse("POST /a?b=%00 HTTP/1.1\r\nHost: x\r\nx-A:  1 \r\nTransfer-Encoding: chunked\r\n\r\n3\r\na=1\r\n0\r\n\r\n")
	if err != nil {
		t.Fatal(err)
	}
	want := []event.Field{{Name: "Host", Value: "x"}, {Name: "x-A", Value: "1"}, {Name: "Transfer-Encoding", Value: "chunked"}}
	if p.Method != "POST" || p.Target != "/a?b=%00" || p.Proto != "HTTP/1.1" || string(p.Body) != "a=1" || !slices.Equal(p.Fields, want) {
		t.Errorf("%+v", p)
	}
	if p, err = Parse("GET /two words HTTP/1.1\nHost: x\n\nbody"); err != nil || p.Target != "/two words" || string(p.Body) != "body" {
		t.Errorf("%+v, %v", p, err)
	}
	for _, bad := range []string{"", "GET", "GET / HTTP/1.1\nno colon\n\n"} {
		if p, err := Raw([]byte(bad)); err == nil {
			t.Errorf("%q was read as %+v", bad, p)
		}
	}
}

func TestExplanations(t *testing.T) {
	j, err := rulesets.New(rulesets.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	site := &config.Site{Name: "shop", Mode: config.Block, Level: 1, Profile: "generic", Exclusions: []config.Exclusion{{
		Rules: []config.RuleRange{{First: 941000, Last: 941999}}, Path: "/wp-admin/post.php", Targets: []string{"ARGS:content"}, Who: config.Author,
		Reason: "authors write HTML",
	}}}
	b, err := j.Prepare(context.Background(), []*config.Site{site})
	if err != nil {
		t.Fatal(err)
	}
	j.Use(b)
	var all strings.Builder
	for _, c := range []struct {
		line string
		rank exchange.Rank
	}{
		{`curl 'https://shop.example.kz/?s=boots' -A Mozilla/5.0`, exchange.Visitor},
		{`curl 'https://shop.example.kz/?id=1%27+UNION+SELECT+1--' -A Mozilla/5.0`, exchange.Visitor},
		{`curl https://shop.example.kz/wp-admin/post.php -A Mozilla/5.0 -d 'content=<script>alert(1)</script>'`, exchange.Author},
		{`curl https://shop.example.kz/wp-admin/post.php -A Mozilla/5.0 -d 'content=<script>alert(1)</script>'`, exchange.Visitor},
		{`curl https://shop.example.kz/ -A Mozilla/5.0 -d 'a=1' -H 'Content-Encoding: gzip'`, exchange.Visitor},
	} {
		p, err := Parse(c.line)
		if err != nil {
			t.Fatal(err)
		}
		p.Rank = c.rank
		f, err := j.Probe(context.Background(), site, p, true)
		if err != nil {
			t.Fatal(err)
		}
		all.WriteString("$ " + c.line + "\n")
		if err := Write(&all, site, p, f); err != nil {
			t.Fatal(err)
		}
		all.WriteString("\n")
	}
	const golden = "testdata/explanations.txt"
	if os.Getenv("QORGAN_UPDATE") != "" {
		if err := os.WriteFile(golden, []byte(all.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if all.String() != string(want) {
		t.Errorf("got\n%s\nwant\n%s", all.String(), want)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("curl 'https://x/' -H 'A: b' -d c=d")
	f.Add("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	f.Add(`curl x -d $'\x'`)
	f.Fuzz(func(t *testing.T, s string) {
		p, err := Parse(s)
		if err == nil && (p.Method == "" && !strings.HasPrefix(strings.TrimSpace(s), "curl") || p.Target == "") {
			t.Errorf("%q was read as %+v", s, p)
		}
	})
}
