package rulesets

import (
	"context"
	"testing"

	coreruleset "github.com/corazawaf/coraza-coreruleset/v4"
	"github.com/corazawaf/coraza/v3"

	"github.com/qorgan/qorgan/rulesets/exclude"
	"github.com/qorgan/qorgan/rulesets/reader"
)

// workloads are ordinary requests and an attack.
func workloads(b *testing.B) map[string]struct {
	r    *reader.Request
	body string
} {
	browser := []string{
		"Accept-Language", "ru-RU,ru;q=0.9,kk;q=0.8,en;q=0.7", "Accept-Encoding", "gzip, deflate, br",
		"Referer", "https://shop.example.kz/catalog/", "Connection", "keep-alive",
		"Cookie", "wordpress_test_cookie=WP%20Cookie%20check; _ga=GA1.2.1187466532.1732432561; session=8f14e45fceea167a5a36dedd4bea2543",
		"Sec-Fetch-Dest", "document", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Site", "same-origin", "Upgrade-Insecure-Requests", "1",
	}
	form := append([]string{"Content-Type", formType}, browser...)
	order := "billing_first_name=%D0%90%D0%B9%D0%B3%D0%B5%D1%80%D1%96%D0%BC&billing_city=%D0%90%D0%BB%D0%BC%D0%B0%D1%82%D1%8B&billing_phone=%2B77010000000&order_comments=please+call+before+delivery&terms=on&_wpnonce=1f2e3d4c5b"
	type load = struct {
		r    *reader.Request
		body string
	}
	return map[string]load{
		"GET":    {testRequest(b, "GET", "/catalog/boots/?orderby=price&page=2&utm_source=newsletter", "", browser...), ""},
		"form":   {testRequest(b, "POST", "/checkout/", order, form...), order},
		"attack": {testRequest(b, "GET", "/catalog/?id=1'+UNION+SELECT+user_login,user_pass+FROM+wp_users--+-&q=%3Cscript%3Ealert(1)%3C/script%3E", "", browser...), ""},
	}
}

// BenchmarkJudge measures a judgement at level 1: with the fast path, with the
// connector alone, and Coraza as its own users call it.
func BenchmarkJudge(b *testing.B) {
	with, err := New(Options{FastPath: true, AuditEvery: -1})
	if err != nil {
		b.Fatal(err)
	}
	waf, err := coraza.NewWAF(coraza.NewWAFConfig().WithRootFS(coreruleset.FS).WithDirectives(
		"Include @coraza.conf-recommended\nInclude @crs-setup.conf.example\nInclude @owasp_crs/*.conf\n"))
	if err != nil {
		b.Fatal(err)
	}
	fast, err := with.current.Load().engine(inbound, "")
	if err != nil {
		b.Fatal(err)
	}
	if _, err := fast.fast.program(1); err != nil {
		b.Fatal(err)
	}
	f := testFacts(1, exclude.Mask{})
	for name, load := range workloads(b) {
		b.Run(name+"/fast", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := fast.decide(context.Background(), "", load.r, f, false); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/connector", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := fast.judge(context.Background(), "", load.r, f, false); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/coraza", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				bare(b, waf, load.r, load.body)
			}
		})
	}
}

// bare judges a request as Coraza's documentation says.
func bare(b *testing.B, waf coraza.WAF, r *reader.Request, body string) {
	tx := waf.NewTransaction()
	tx.ProcessConnection("203.0.113.7", 40000, "192.0.2.1", 443)
	tx.ProcessURI(r.Target, r.Method, r.Proto)
	for _, h := range r.Fields {
		tx.AddRequestHeader(h.Name, h.Value)
	}
	tx.ProcessRequestHeaders()
	if body != "" {
		if _, _, err := tx.WriteRequestBody([]byte(body)); err != nil {
			b.Fatal(err)
		}
	}
	if _, err := tx.ProcessRequestBody(); err != nil {
		b.Fatal(err)
	}
	tx.ProcessLogging()
	if err := tx.Close(); err != nil {
		b.Fatal(err)
	}
}
