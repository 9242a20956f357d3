package mistake

import (
	"fmt"
	"strings"
	"testing"

	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/rulesets"
)

// A request that is written down has no secret in it and is refused for the
// same reasons.
func TestMasked(t *testing.T) {
	j, r := judge(t), event.NewRedactor([]byte("0123456789abcdef"))
	text := "call file_get_contents( with a path"
	for _, p := range []rulesets.Probe{
		request("POST", "/contact/?token=tok-SECRET-1", form("fld_7", text, "pwd", "pw-SECRET-2", "card", "4111111111111111"), "Cookie", "sid=SECRET-3", "Authorization", "Bearer SECRET-4"),
		request("POST", "/app/v1/notes", `{"password":"SECRET-5","text":"`+text+`"}`, "Content-Type", "application/json"),
		request("POST", "/contact/", strings.Replace(multipartForm, "--b--", "--b\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\nSECRET-6\r\n--b--", 1), "Content-Type", "multipart/form-data; boundary=b"),
	} {
		out, ok, err := Masked(t.Context(), j, shop(), p, r)
		if err != nil || !ok {
			t.Errorf("%s %s: %t, %v", p.Method, p.Target, ok, err)
			continue
		}
		whole := fmt.Sprintf("%s %v %s", out.Target, out.Fields, out.Body)
		if strings.Contains(whole, "SECRET") || strings.Contains(whole, "4111111111111111") {
			t.Errorf("a secret is left in %s", whole)
		}
		if !strings.Contains(whole, "file_get_contents") {
			t.Errorf("what matched is gone from %s", whole)
		}
	}
	if _, ok, err := Masked(t.Context(), j, shop(), request("POST", "/contact/", form("api_token", "<script>alert(1)</script>")), r); ok || err != nil {
		t.Errorf("what matched is a secret, and was taken: %t, %v", ok, err)
	}
}

func TestFromRecord(t *testing.T) {
	j, r := judge(t), event.NewRedactor([]byte("0123456789abcdef"))
	long := strings.Repeat("word ", 200) + "file_get_contents( " + strings.Repeat("word ", 200)
	for _, c := range []struct {
		name    string
		request rulesets.Probe
		ok      bool
	}{
		{"a query", request("GET", "/orders/?note=file_get_contents%28&token=SECRET", ""), true},
		{"a form", request("POST", "/contact/", form("fld_7", "call file_get_contents( with a path", "name", "A")), true},
		{"an upload form", request("POST", "/contact/", multipartForm, "Content-Type", "multipart/form-data; boundary=b"), true},
		{"a form whose text was cut", request("POST", "/contact/", form("fld_7", long)), false},
		{"a cookie", request("GET", "/", "", "Cookie", "prefs=%3Cscript%3Ex%3C%2Fscript%3E"), false},
	} {
		f, err := j.Probe(t.Context(), shop(), c.request, false)
		if err != nil || !f.Refused {
			t.Fatalf("%s is not refused: %v", c.name, err)
		}
		ev := event.Event{Profile: "wordpress", Threshold: 5, Request: r.Request(event.Request{
			Method: c.request.Method, Target: c.request.Target, Proto: "HTTP/1.1", Headers: c.request.Fields, Bytes: int64(len(c.request.Body))})}
		for _, m := range f.Matches {
			ev.Matches = append(ev.Matches, r.Match(m))
		}
		p, ok, err := FromRecord(t.Context(), j, shop(), ev)
		if err != nil || ok != c.ok {
			t.Errorf("%s: %t, %v", c.name, ok, err)
		}
		if ok && strings.Contains(fmt.Sprint(p), "SECRET") {
			t.Errorf("%s: a secret is back", c.name)
		}
	}
}
