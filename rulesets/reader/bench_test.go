package reader_test

import (
	"bytes"
	"io"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/rulesets/reader"
)

func browser(contentType string) []event.Field {
	return []event.Field{
		{Name: "Host", Value: "blog.example.kz"},
		{Name: "User-Agent", Value: "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Safari/537.36"},
		{Name: "Accept", Value: "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"},
		{Name: "Accept-Language", Value: "ru-RU,ru;q=0.9,kk;q=0.8"},
		{Name: "Cookie", Value: "_ga=GA1.1.1382710456.1767225600; _ym_uid=1767225600412345678; wordpress_test_cookie=WP%20Cookie%20check; wp-settings-time-1=1767225600"},
		{Name: "Content-Type", Value: contentType},
	}
}

func BenchmarkHead(b *testing.B) {
	fields := browser("text/html")
	for _, target := range []string{"/", "/wp-json/wp/v2/posts/102?_locale=user&context=edit", "/?s=%D0%B6%D0%B5%D0%BD%D1%89%D0%B8%D0%BD%D0%B0+x"} {
		b.Run(target, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := reader.Head("GET", target, "HTTP/1.1", fields, reader.Limits{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkBody(b *testing.B) {
	text := strings.Repeat("Съешь ещё этих мягких французских булок, да выпей чаю. ", 16)
	field := "--A\r\nContent-Disposition: form-data; name=\"content\"\r\n\r\n" + text + "\r\n"
	for _, tc := range []struct{ name, contentType, body string }{
		{"form", "application/x-www-form-urlencoded", "author=x&email=a%40b.kz&comment=" + url.QueryEscape(text)},
		{"plain-form", "application/x-www-form-urlencoded", strings.Repeat("meta[12][key]=value-of-no-interest&", 60)},
		{"json", "application/json", `{"id":102,"title":"x","content":"` + strings.Repeat(text, 4) + `\n<!-- wp:paragraph {\"a\":1} -->","meta":{"a":[1,2,3]}}`},
		{"multipart", "multipart/form-data; boundary=A", strings.Repeat(field, 4) + "--A--\r\n"},
		{"file", "multipart/form-data; boundary=A", "--A\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a.jpg\"\r\nContent-Type: image/jpeg\r\n\r\n" + strings.Repeat("\x89\xff\n-\x00", 200<<10) + "\r\n--A--\r\n"},
		{"xmlrpc", "text/xml", "<?xml version=\"1.0\"?><methodCall><methodName>wp.newPost</methodName><params><param><value><string>" + text + "</string></value></param></params></methodCall>"},
	} {
		fields, body := browser(tc.contentType), []byte(tc.body)
		run := func(b *testing.B, read func(*reader.Request) error) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				r, err := reader.Head("POST", "/wp-comments-post.php", "HTTP/1.1", fields, reader.Limits{})
				if err == nil {
					err = read(r)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		}
		b.Run(tc.name, func(b *testing.B) {
			run(b, func(r *reader.Request) error { return r.ParseBody(body) })
		})
		b.Run(tc.name+"-stream", func(b *testing.B) {
			run(b, func(r *reader.Request) error { return r.ReadBody(struct{ io.Reader }{bytes.NewReader(body)}) })
		})
	}
}

// BenchmarkTrickle reads a field that arrives byte by byte: the time must grow
// with the body and no faster.
func BenchmarkTrickle(b *testing.B) {
	for _, size := range []int{64 << 10, 256 << 10, 1 << 20} {
		body := "--A\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n" + strings.Repeat("x", size) + "\r\n--A--\r\n"
		b.Run(strconv.Itoa(size), func(b *testing.B) {
			b.SetBytes(int64(size))
			for b.Loop() {
				r, err := reader.Head("POST", "/", "HTTP/1.1", browser("multipart/form-data; boundary=A"), reader.Limits{})
				if err == nil {
					err = r.ReadBody(iotest.OneByteReader(strings.NewReader(body)))
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
