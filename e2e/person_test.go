package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/cookiejar"
	"net/textproto"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/qorgan/qorgan/e2e/wordpress"
)

// person is somebody with a cookie jar and a browser's headers.
type person struct {
	base   string
	client *http.Client
	nonce  string // of the REST API, once signed in
}

func visitor(t *testing.T, e *edge) *person {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &person{base: e.URL, client: &http.Client{
		Jar: jar, Transport: transport(),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// signIn walks the login as a browser does: the form, the post, the dashboard.
func signIn(t *testing.T, e *edge, who wordpress.Account) *person {
	t.Helper()
	p := visitor(t, e)
	p.get(t, "/wp-login.php").want(t, 200, "user_login")
	p.post(t, "/wp-login.php", url.Values{
		"log": {who.User}, "pwd": {who.Password}, "wp-submit": {"Log In"},
		"redirect_to": {p.base + "/wp-admin/"}, "testcookie": {"1"},
	}).want(t, 302, "")
	dashboard := p.get(t, "/wp-admin/")
	if dashboard.status != 200 {
		dashboard = p.get(t, "/wp-admin/profile.php")
	}
	dashboard.want(t, 200, "wpbody-content")
	p.nonce = p.get(t, "/wp-admin/admin-ajax.php?action=rest-nonce").want(t, 200, "").body
	return p
}

// answer is what came back.
type answer struct {
	what   string
	status int
	header http.Header
	body   string
}

// want fails the test unless the answer has the status and holds the text.
func (a answer) want(t *testing.T, status int, text string) answer {
	t.Helper()
	if a.status != status || !strings.Contains(a.body, text) {
		t.Errorf("%s: status %d, wanted %d with %q in: %.300s", a.what, a.status, status, text, a.body)
	}
	return a
}

func (p *person) send(t *testing.T, method, target, contentType string, body []byte, header ...string) answer {
	t.Helper()
	if !strings.HasPrefix(target, "http") {
		target = p.base + target
	}
	req, err := http.NewRequestWithContext(t.Context(), method, target, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36")
	req.Header.Set("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")
	req.Header.Set("Accept-Language", "ru-RU,ru;q=0.9,kk;q=0.8,en;q=0.6")
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
		req.Header.Set("Origin", p.base)
		req.Header.Set("Referer", p.base+"/wp-admin/")
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := p.client.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, target, err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, target, err)
	}
	return answer{what: method + " " + target, status: resp.StatusCode, header: resp.Header, body: string(got)}
}

func (p *person) get(t *testing.T, target string, header ...string) answer {
	t.Helper()
	return p.send(t, "GET", target, "", nil, header...)
}

// read gets a page and goes where it is sent, as a browser does.
func (p *person) read(t *testing.T, target string, header ...string) answer {
	t.Helper()
	a := p.get(t, target, header...)
	for i := 0; i < 3 && a.status/100 == 3 && a.header.Get("Location") != ""; i++ {
		a = p.get(t, a.header.Get("Location"), header...)
	}
	return a
}

func (p *person) post(t *testing.T, target string, form url.Values) answer {
	t.Helper()
	return p.send(t, "POST", target, "application/x-www-form-urlencoded", []byte(form.Encode()))
}

// rest calls the REST API as the block editor does.
func (p *person) rest(t *testing.T, method, route string, body any) answer {
	t.Helper()
	data, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	header := []string{"X-WP-Nonce", p.nonce, "Accept", "application/json, */*;q=0.1"}
	if method == "PUT" || method == "DELETE" {
		header = append(header, "X-HTTP-Method-Override", method)
		method = "POST"
	}
	if method == "GET" {
		return p.get(t, "/wp-json"+route, header...)
	}
	return p.send(t, method, "/wp-json"+route, "application/json", data, header...)
}

// upload posts one file with fields as a browser's form does.
func (p *person) upload(t *testing.T, target, field, name, contentType string, data []byte, fields map[string]string) answer {
	t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for k, v := range fields {
		if err := w.WriteField(k, v); err != nil {
			t.Fatal(err)
		}
	}
	h := textproto.MIMEHeader{}
	h.Set("Content-Disposition", fmt.Sprintf(`form-data; name="%s"; filename="%s"`, field, strings.ReplaceAll(name, `"`, "%22")))
	h.Set("Content-Type", contentType)
	part, err := w.CreatePart(h)
	if err != nil {
		t.Fatal(err)
	}
	part.Write(data)
	w.Close()
	return p.send(t, "POST", target, w.FormDataContentType(), body.Bytes())
}

// hidden returns a hidden field's value from a form.
func (a answer) hidden(t *testing.T, name string) string {
	t.Helper()
	q := regexp.QuoteMeta(name)
	for _, form := range []string{`name=["']` + q + `["'][^>]*value=["']([^"']*)["']`, `value=["']([^"']*)["'][^>]*name=["']` + q + `["']`} {
		if m := regexp.MustCompile(form).FindStringSubmatch(a.body); m != nil {
			return m[1]
		}
	}
	t.Errorf("%s: no field %s", a.what, name)
	return ""
}
