package reader_test

import (
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/corazawaf/coraza/v3"
	"github.com/corazawaf/coraza/v3/collection"
	"github.com/corazawaf/coraza/v3/experimental/plugins/plugintypes"

	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/rulesets/reader"
)

// stock gives a request to Coraza's own readers.
func stock(t testing.TB, waf coraza.WAF, target string, fields []event.Field, body string) plugintypes.TransactionVariables {
	t.Helper()
	tx := waf.NewTransaction()
	t.Cleanup(func() { _ = tx.Close() })
	tx.ProcessURI(target, "POST", "HTTP/1.1")
	for _, f := range fields {
		tx.AddRequestHeader(f.Name, f.Value)
	}
	tx.ProcessRequestHeaders()
	if _, _, err := tx.WriteRequestBody([]byte(body)); err != nil {
		t.Fatal(err)
	}
	if _, err := tx.ProcessRequestBody(); err != nil {
		t.Fatal(err)
	}
	return tx.(plugintypes.TransactionState).Variables()
}

func newStock(t testing.TB) coraza.WAF {
	t.Helper()
	waf, err := coraza.NewWAF(coraza.NewWAFConfig().WithDirectives(`
SecRuleEngine On
SecRequestBodyAccess On
SecRequestBodyLimit 10485760
SecRequestBodyInMemoryLimit 10485760
SecArgumentsLimit 100000
SecRule REQUEST_HEADERS:Content-Type "@contains json" "id:1,phase:1,pass,nolog,ctl:requestBodyProcessor=JSON"
SecRule REQUEST_HEADERS:Content-Type "@contains xml" "id:2,phase:1,pass,nolog,ctl:requestBodyProcessor=XML"
`))
	if err != nil {
		t.Fatal(err)
	}
	return waf
}

func pairs(c collection.Collection) []string {
	var out []string
	for _, m := range c.FindAll() {
		out = append(out, fmt.Sprintf("%q=%q", m.Key(), m.Value()))
	}
	slices.Sort(out)
	return out
}

func ours(args []reader.Arg) []string {
	var out []string
	for _, a := range args {
		out = append(out, fmt.Sprintf("%q=%q", a.Name, a.Value))
	}
	slices.Sort(out)
	return out
}

// TestAsCoraza holds that for ordinary requests the rules see the same names
// and values as they would through Coraza's own readers.
func TestAsCoraza(t *testing.T) {
	waf := newStock(t)
	form := "application/x-www-form-urlencoded"
	for _, tc := range []struct{ target, contentType, cookie, body string }{
		{"/", "", "", ""},
		{"/?a=1&b=%20x+y&c&=d&a=2&&e=%zz%4", "", "a=1; b = x ; c; =d; e=%41; a=2;;", ""},
		{"//a//b/?x=a?b", "", "", ""},
		{"/a%20b/%D0%B6;x?", "", "", ""},
		{"/ж?q=ж", "", "", ""},
		{"/a/../b/./c", "", "", ""},
		{"/%2e%2e/x", "", "", ""},
		{"http://example.kz/a?b=c", "", "", ""},
		{"*", "", "", ""},
		{"/a'b\"<c>|{}^`!$&()*+,:@=", "", "", ""},
		{"/a:b", "", "", ""},
		{"/", form, "", "a=1&b[c]=2&b[d][]=3&%D0%B6=%D0%B6+%26&x=%&y=%4&z=%zz&&w"},
		{"/", "application/json", "", `{"a":1,"b":[true,null,"x",{"c":-1.5e3}],"d":{},"e":[],"f":{"g":{"h":"\u0416\n"}},"":"empty","A":"case"}`},
		{"/", "application/json", "", `[1,[2,[3]],{"a.b":4}]`},
		{"/", "application/json", "", `"text"`},
		{"/", "application/json", "", `12`},
		{"/", "application/vnd.api+json", "", `{"data":{"type":"node"}}`},
		{"/", "text/xml", "", `<?xml version="1.0"?><a x="1" y='2&amp;3'> t <b>u &lt; v</b><c><![CDATA[ raw <i> ]]></c></a>`},
		{"/", "multipart/form-data; boundary=A", "", "--A\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n2\r\n--A\r\nContent-Disposition: form-data; name=\"f\"; filename=\"x \\\"y.png\"\r\nContent-Type: image/png\r\n\r\n\x00\x01\r\n--A--\r\n"},
	} {
		t.Run(tc.target+tc.contentType+tc.body, func(t *testing.T) {
			compareStock(t, waf, tc.target, tc.contentType, tc.cookie, tc.body)
		})
	}
}

func compareStock(t *testing.T, waf coraza.WAF, target, contentType, cookie, body string) {
	t.Helper()
	var fields []event.Field
	if contentType != "" {
		fields = append(fields, event.Field{Name: "Content-Type", Value: contentType})
	}
	if cookie != "" {
		fields = append(fields, event.Field{Name: "Cookie", Value: cookie})
	}
	r, err := reader.Head("POST", target, "HTTP/1.1", fields, reader.Limits{Args: 5000})
	if err == nil {
		err = r.ParseBody([]byte(body))
	}
	if err != nil {
		t.Fatal(err)
	}
	v := stock(t, waf, target, fields, body)
	same := func(what string, theirs, ours []string) {
		t.Helper()
		if !slices.Equal(theirs, ours) {
			t.Errorf("%s: Coraza %v\nreader %v", what, theirs, ours)
		}
	}
	same("ARGS_GET", pairs(v.ArgsGet()), ours(r.Get[:len(r.Get)-r.GetAliases]))
	same("ARGS_POST", pairs(v.ArgsPost()), ours(r.Post[:len(r.Post)-r.PostAliases]))
	same("REQUEST_COOKIES", pairs(v.RequestCookies()), ours(r.Cookies[:len(r.Cookies)-r.CookieAliases]))
	same("REQUEST_URI", []string{v.RequestURI().Get()}, []string{r.URI})
	same("REQUEST_FILENAME", []string{v.RequestFilename().Get()}, []string{r.Filename})
	same("QUERY_STRING", []string{v.QueryString().Get()}, []string{r.Query})
	texts := slices.DeleteFunc(slices.Clone(r.Text), func(s string) bool { return slices.Contains(r.Attrs, s) })
	same("XML:/*", v.RequestXML().Get("/*"), texts)
	same("XML://@*", v.RequestXML().Get("//@*"), r.Attrs)
	var names, fieldNames, headers []reader.Arg
	for _, f := range r.Files {
		names = append(names, reader.Arg{Value: f.Name})
		fieldNames = append(fieldNames, reader.Arg{Value: f.Field})
	}
	for _, p := range r.Parts {
		for _, line := range p.Lines {
			headers = append(headers, reader.Arg{Name: p.Name, Value: line})
		}
	}
	same("FILES", pairs(v.Files()), ours(names))
	same("FILES_NAMES", pairs(v.FilesNames()), ours(fieldNames))
	same("MULTIPART_PART_HEADERS", pairs(v.MultipartPartHeaders()), ours(headers))
}

// TestAsCorazaGenerated does the same for generated forms and JSON texts. Names
// that differ in case alone are left out: Coraza keeps one of two in a form.
func TestAsCorazaGenerated(t *testing.T) {
	waf := newStock(t)
	g := rand.New(rand.NewPCG(1, 2))
	word := func() string {
		return []string{"a", "b", "комментарий", "x y", "", "%", "+", "<b>", "user_id", "k", "0", "é\n", "\"q\"", `\`, "-"}[g.IntN(15)]
	}
	var value func(depth int) string
	value = func(depth int) string {
		switch n := g.IntN(7 - depth); {
		case n == 0:
			return []string{"0", "-1.5", "1e9", "true", "false", "null"}[g.IntN(6)]
		case n < 3:
			return fmt.Sprintf("%+q", word())
		case n < 5:
			var items []string
			for range g.IntN(4) {
				items = append(items, value(min(depth+1, 5)))
			}
			return "[" + strings.Join(items, ",") + "]"
		default:
			var members []string
			for i := range g.IntN(4) {
				members = append(members, fmt.Sprintf("%+q:%s", word()+fmt.Sprint(i), value(min(depth+1, 5))))
			}
			return "{" + strings.Join(members, ",") + "}"
		}
	}
	for range 300 {
		form := ""
		for range g.IntN(6) {
			form += "&" + url.QueryEscape(word()) + "=" + url.QueryEscape(word())
		}
		compareStock(t, waf, "/?"+form, "application/x-www-form-urlencoded", "", form)
		compareStock(t, waf, "/", "application/json", "", value(0))
		if t.Failed() {
			return
		}
	}
}
