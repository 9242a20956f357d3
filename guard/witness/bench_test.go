package witness

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/exchange"
)

type discard struct{ h http.Header }

func (d discard) Header() http.Header         { return d.h }
func (d discard) Write(p []byte) (int, error) { return len(p), nil }
func (d discard) WriteHeader(int)             {}

func BenchmarkHandler(b *testing.B) {
	const value = "editor%7C1996718943%7CjQJsARhL1s13HLzHr7e78ypv4Nnzlfmh7GCeXcXOWlE%7Cf1e153b3c028e65032c7b880567129d99948efc4be145c82ffc0acaf10885dc6"
	const name = "wordpress_logged_in_a144a5e685b1d36adb947c93fb4fa826"
	for _, tc := range []struct{ name, cookie string }{
		{"no cookie", ""},
		{"other cookies", "_ga=GA1.1.1; PHPSESSID=abcdefabcdefabcdefabcdefabcdef; wp_lang=ru_RU"},
		{"unknown session", name + "=" + value},
		{"known session", name + "=" + value},
	} {
		b.Run(tc.name, func(b *testing.B) {
			w := newWitness(b, "", nil)
			defer w.Close()
			h := w.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
			x := &exchange.Exchange{Site: &config.Site{Name: "a"}, Profile: "wordpress", Target: "/2026/11/hello/"}
			r := httptest.NewRequest("GET", x.Target, nil)
			if tc.cookie != "" {
				r.Header.Set("Cookie", tc.cookie)
			}
			r = r.WithContext(exchange.With(r.Context(), x))
			if tc.name == "known session" {
				s, _ := wordpressSession(w.hash, "a", name, unescape(value), w.now())
				s.Expires, s.Rank, s.Path = w.now().Unix()+1e6, exchange.Author, "/"
				s.Key = w.hash.key("wordpress", "a", name, unescape(value))
				w.book.put(s)
			}
			rw := discard{http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				h.ServeHTTP(rw, r)
			}
			if (x.Rank == exchange.Author) != (tc.name == "known session") {
				b.Fatal("rank", x.Rank)
			}
		})
	}
}

func BenchmarkBookFull(b *testing.B) {
	w, err := New(Options{Key: make([]byte, 32)})
	if err != nil {
		b.Fatal(err)
	}
	defer w.Close()
	for n := 0; b.Loop(); n++ {
		w.book.put(session(n, uint64(n/3+1)))
	}
}
