package wire

import (
	"bufio"
	"io"
	"net/http"
	"strings"
	"testing"
)

const browser = "GET /wp-content/uploads/2026/03/photo.jpg?ver=6.5 HTTP/1.1\r\n" +
	"Host: www.example.kz\r\n" +
	"Connection: keep-alive\r\n" +
	"sec-ch-ua: \"Chromium\";v=\"142\", \"Not_A Brand\";v=\"24\"\r\n" +
	"sec-ch-ua-mobile: ?0\r\n" +
	"sec-ch-ua-platform: \"Windows\"\r\n" +
	"Upgrade-Insecure-Requests: 1\r\n" +
	"User-Agent: Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36\r\n" +
	"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n" +
	"Sec-Fetch-Site: same-origin\r\n" +
	"Sec-Fetch-Mode: navigate\r\n" +
	"Sec-Fetch-Dest: document\r\n" +
	"Referer: https://www.example.kz/2026/03/page/\r\n" +
	"Accept-Encoding: gzip, deflate, br, zstd\r\n" +
	"Accept-Language: ru-RU,ru;q=0.9,kk;q=0.8,en-US;q=0.7\r\n" +
	"Cookie: _ga=GA1.1.1382710456.1767225600; _ym_uid=1767225600412345678; wp-settings-time-1=1767225600\r\n\r\n"

// again gives the same bytes over and over.
type again struct {
	memory
	text string
	at   int
}

func (a *again) Read(p []byte) (int, error) {
	n := copy(p, a.text[a.at:])
	a.at = (a.at + n) % len(a.text)
	return n, nil
}

// BenchmarkHead is an ordinary browser's head, from the socket to Next.
func BenchmarkHead(b *testing.B) {
	c := NewConn(&again{text: browser}, Limits{})
	p := make([]byte, 4096)
	b.SetBytes(int64(len(browser)))
	b.ReportAllocs()
	for b.Loop() {
		for n := 0; n < len(browser); {
			m, err := c.Read(p)
			if err != nil {
				b.Fatal(err)
			}
			n += m
		}
		if h, r := c.Next(); r != nil || len(h.Fields) != 15 {
			b.Fatal(h, r)
		}
	}
}

// BenchmarkHeadNetHTTP is what net/http takes to read the same head, for
// comparison.
func BenchmarkHeadNetHTTP(b *testing.B) {
	br := bufio.NewReader(&again{text: browser})
	b.SetBytes(int64(len(browser)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := http.ReadRequest(br); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkUpload is a megabyte of chunked body.
func BenchmarkUpload(b *testing.B) {
	const size = 1 << 20
	text := chnk + strings.Repeat("4000\r\n"+strings.Repeat("x", 0x4000)+"\r\n", size/0x4000) + "0\r\n\r\n"
	c := NewConn(&again{text: text}, Limits{})
	br := bufio.NewReader(c)
	b.SetBytes(size)
	for b.Loop() {
		r, err := http.ReadRequest(br)
		if err != nil {
			b.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, r.Body); err != nil || n != size {
			b.Fatal(n, err)
		}
	}
}
