package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/exchange"
)

// next returns the only event there is, or fails.
func (e *edge) next() event.Event {
	e.t.Helper()
	select {
	case ev := <-e.events:
		return ev
	default:
		e.t.Fatal("no event")
		return event.Event{}
	}
}

func TestHeadsWithTwoReadingsAreRefused(t *testing.T) {
	for _, tc := range []struct{ name, request, status, reason string }{
		{"two lengths", "POST /a?b=1 HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", "400", "content-length-repeated"},
		{"length and coding", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400", "content-length-with-transfer-encoding"},
		{"bare LF", "GET / HTTP/1.1\nHost: h\n\n", "400", "bare-lf"},
		{"no host", "GET / HTTP/1.1\r\n\r\n", "400", "host-missing"},
		{"prior knowledge", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505", "http-version"},
		{"a judged header taken away", "GET / HTTP/1.1\r\nHost: h\r\nX-A: 1\r\nConnection: X-A\r\n\r\n", "400", "connection-option"},
		{"our header taken away", "GET / HTTP/1.1\r\nHost: h\r\nConnection: X-Forwarded-For\r\n\r\n", "400", "connection-option"},
		{"two hosts", "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", "400", "target-host"},
		{"connect", "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", "405", "method-connect"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var asked atomic.Int64
			e := newEdge(t, Options{Config: oneSite(upstreamServer(t, func(http.ResponseWriter, *http.Request) { asked.Add(1) }))})
			answer := e.raw(tc.request)
			if !strings.HasPrefix(answer, "HTTP/1.1 "+tc.status+" ") || !strings.Contains(answer, "Connection: close") {
				t.Errorf("answered %q", answer)
			}
			ev := e.next()
			if ev.Reason != tc.reason || ev.Kind != event.KindProtocol || fmt.Sprint(ev.Status) != tc.status || !strings.Contains(answer, ev.Code) {
				t.Errorf("event %+v", ev)
			}
			if asked.Load() > 0 {
				t.Error("the upstream was asked")
			}
		})
	}
}

func TestRefusedHeadIsInItsEvent(t *testing.T) {
	e := newEdge(t, Options{Config: oneSite(upstreamServer(t, nil))})
	e.raw("PUT /a?b=1 HTTP/1.1\r\nHost: h\r\nx-One: 1\r\nContent-Length: +1\r\n\r\n")
	ev := e.next()
	want := "{PUT h /a?b=1 HTTP/1.1 [{Host h} {x-One 1} {Content-Length +1}] 0}"
	if got := fmt.Sprint(ev.Request); got != want || ev.Site != "shop" {
		t.Errorf("got %s of site %q, want %s", got, ev.Site, want)
	}
}

// reads stands for a room that reads the body.
func reads(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(r.Body); err == nil {
			next.ServeHTTP(w, r)
			return
		}
		exchange.From(r.Context()).Refuse(w, r, exchange.Refusal{Status: 400, Close: true})
	})
}

func TestBrokenChunksNeverEndCleanly(t *testing.T) {
	const head = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
	for name, body := range map[string]string{
		"no size":           "5\r\nhello\r\nzz\r\nhello\r\n0\r\n\r\n",
		"size with sign":    "5\r\nhello\r\n+0\r\n\r\n",
		"no end of chunk":   "5\r\nhelloX0\r\n\r\n",
		"forbidden trailer": "5\r\nhello\r\n0\r\nHost: other\r\n\r\n",
	} {
		for _, judged := range []bool{false, true} {
			t.Run(fmt.Sprint(name, " judged ", judged), func(t *testing.T) {
				var whole atomic.Bool
				o := Options{Config: oneSite(rawUpstream(t, func(c net.Conn, r *bufio.Reader) {
					req, err := http.ReadRequest(r)
					if err != nil {
						return
					}
					if _, err := io.ReadAll(req.Body); err == nil {
						whole.Store(true)
						io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
					}
				}))}
				if judged {
					o.Middleware = []func(http.Handler) http.Handler{reads}
				}
				e := newEdge(t, o)
				answer := e.raw(head + body)
				if !strings.HasPrefix(answer, "HTTP/1.1 400 ") || !strings.Contains(answer, "Connection: close") {
					t.Errorf("answered %q", answer)
				}
				if whole.Load() {
					t.Error("the upstream got a whole request")
				}
				if !judged {
					if ev := e.next(); ev.Kind != event.KindProtocol || ev.Status != 400 || ev.Reason == "" {
						t.Errorf("event %+v", ev)
					}
				}
			})
		}
	}
}

func TestFieldsKeepOrderAndSpelling(t *testing.T) {
	var seen []event.Field
	got := make(chan http.Header, 1)
	e := newEdge(t, Options{
		Config: oneSite(upstreamServer(t, func(_ http.ResponseWriter, r *http.Request) { got <- r.Header })),
		Middleware: []func(http.Handler) http.Handler{func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				seen = exchange.From(r.Context()).Fields
				next.ServeHTTP(w, r)
			})
		}},
	})
	e.raw("GET / HTTP/1.1\r\nx-B: 1\r\nHOST: h\r\nX_Real_IP: 6.6.6.6\r\nX-a: 2\r\nx-b: 3\r\nConnection: close\r\n\r\n")
	want := "[{x-B 1} {HOST h} {X_Real_IP 6.6.6.6} {X-a 2} {x-b 3} {Connection close}]"
	if fmt.Sprint(seen) != want {
		t.Errorf("the rooms see %v, want %s", seen, want)
	}
	h := <-got
	if fmt.Sprint(h["X-B"]) != "[1 3]" || h["X_real_ip"] != nil || h.Get("X_Real_IP") != "" {
		t.Errorf("the upstream gets %v", h)
	}
}
