package proxy

import (
	"crypto/tls"
	"net/http"
	"strings"
	"testing"

	"github.com/qorgan/qorgan/config"
)

// TestHSTS: who came over TLS is told what the site says, in one line whatever
// the upstream says, with its refusals too; who came without is told nothing.
func TestHSTS(t *testing.T) {
	const name = "Strict-Transport-Security"
	for _, tc := range []struct {
		what     string
		hsts     config.HSTS
		upstream []string
		want     string
		refusal  string
	}{
		{"off", config.HSTS{Step: "off"}, nil, "", ""},
		{"the upstream's own", config.HSTS{}, []string{"max-age=7"}, "max-age=7", ""},
		{"two of the upstream's", config.HSTS{}, []string{"max-age=7", "max-age=9"}, "max-age=7", ""},
		{"a trial", config.HSTS{Step: "trial"}, nil, "max-age=300", "max-age=300"},
		{"in place of the upstream's", config.HSTS{Step: "week"}, []string{"max-age=31536000; preload", "x"}, "max-age=604800", "max-age=604800"},
		{"a month", config.HSTS{Step: "month", Subdomains: true}, nil, "max-age=2592000; includeSubDomains", "max-age=2592000; includeSubDomains"},
		{"all of it", config.HSTS{Step: "year", Subdomains: true, Preload: true}, nil, "max-age=31536000; includeSubDomains; preload", "max-age=31536000; includeSubDomains; preload"},
		{"a time", config.HSTS{Step: "180d"}, nil, "max-age=15552000", "max-age=15552000"},
		{"the end", config.HSTS{Step: "end"}, []string{"max-age=7"}, "max-age=0", "max-age=0"},
	} {
		t.Run(tc.what, func(t *testing.T) {
			up := upstreamServer(t, func(w http.ResponseWriter, _ *http.Request) { w.Header()[name] = tc.upstream })
			c := oneSite(up)
			c.HTTPS = []string{"127.0.0.1:0"}
			c.Sites[0].HSTS = tc.hsts
			c.Sites[0].Limits.Headers = 20
			e := newEdge(t, Options{Config: c, TLS: serverCert(t)})
			ask := func(url string, headers int) *http.Response {
				r, err := http.NewRequest(http.MethodGet, url, nil)
				if err != nil {
					t.Fatal(err)
				}
				for i := range headers {
					r.Header.Set("X-"+strings.Repeat("a", i+1), "1")
				}
				tr := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}
				resp, err := tr.RoundTrip(r)
				if err != nil {
					t.Fatal(err)
				}
				resp.Body.Close()
				return resp
			}
			lines := func(r *http.Response) string { return strings.Join(r.Header[name], "|") }
			if got := lines(ask("https://"+e.secure+"/", 0)); got != tc.want {
				t.Errorf("over TLS %q, want %q", got, tc.want)
			}
			if r := ask("https://"+e.secure+"/", 30); r.StatusCode != 431 || lines(r) != tc.refusal {
				t.Errorf("a refusal (%d) says %q, want %q", r.StatusCode, lines(r), tc.refusal)
			}
			if got := lines(ask("http://"+e.addr+"/", 0)); got != "" {
				t.Errorf("over plain HTTP %q", got)
			}
		})
	}
}

// TestHSTSBehindAProxy: what counts is how the visitor came to the proxy in
// front.
func TestHSTSBehindAProxy(t *testing.T) {
	c := oneSite(named(t, "shop"))
	c.Sites[0].HSTS.Step = "trial"
	c.Sites[0].Trusted = &config.Trusted{Proxies: prefixes("127.0.0.1/32")}
	e := newEdge(t, Options{Config: c})
	for scheme, want := range map[string]string{"https": "max-age=300", "http": "", "": ""} {
		if resp, _ := e.get("/", "X-Forwarded-Proto", scheme); resp.Header.Get("Strict-Transport-Security") != want {
			t.Errorf("%q: told %q", scheme, resp.Header.Get("Strict-Transport-Security"))
		}
	}
}
