package main

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// hostile2 is one request over HTTP/2, field by field and frame by frame as no
// client sends it.
type hostile2 struct {
	name   string
	fields []string // name, value, …; nothing is added
	data   []string // DATA frames
	more   []string // a block of fields behind the data
	status string   // "reset" when the stream or the connection is ended; "400|reset" for either
	seen   string   // what the upstream must have got; empty for nothing at all
	unseen string   // what must not be in it
}

// usual are the fields of a browser's request for path; a value given for one
// of them replaces it, "" leaves it out.
func usual(method, path string, more ...string) []string {
	fields := []string{":method", method, ":scheme", "https", ":authority", "shop.example.kz", ":path", path, "user-agent", "Mozilla/5.0", "accept", "*/*"}
	for i := 0; i+1 < len(more); i += 2 {
		at := -1
		for j := 0; j < len(fields); j += 2 {
			if fields[j] == more[i] {
				at = j
			}
		}
		switch {
		case at < 0:
			fields = append(fields, more[i], more[i+1])
		case more[i+1] == "":
			fields = slices.Delete(fields, at, at+2)
		default:
			fields[at+1] = more[i+1]
		}
	}
	return fields
}

// TestHostileHTTP2: what HTTP/2 can say and HTTP/1 can not must not change
// meaning on its way to an upstream that speaks HTTP/1.
func TestHostileHTTP2(t *testing.T) {
	f := newFortress(t, twoSites)
	form := []string{"content-type", formType}
	posted := func(more ...string) []string { return usual("POST", "/", append(form, more...)...) }
	for _, tc := range []hostile2{
		{name: "harmless", fields: usual("GET", "/a?b=1"), status: "200", seen: "GET /a?b=1 HTTP/1.1\r\n"},
		{name: "a line end in a value", fields: usual("GET", "/", "x-a", "1\r\nX-B: 2"), status: "400|reset"},
		{name: "a bare LF in a value", fields: usual("GET", "/", "x-a", "1\nX-B: 2"), status: "400|reset"},
		{name: "a NUL in a value", fields: usual("GET", "/", "x-a", "1\x002"), status: "400|reset"},
		{name: "a line end in a name", fields: usual("GET", "/", "x-a: 1\r\nx-b", "2"), status: "400|reset"},
		{name: "a colon in a name", fields: usual("GET", "/", "x-a:b", "2"), status: "400|reset"},
		{name: "a name in capitals", fields: usual("GET", "/", "X-A", "2"), status: "400|reset"},
		{name: "an empty name", fields: append(usual("GET", "/"), "", "2"), status: "400|reset"},
		{name: "a name with an underscore", fields: usual("GET", "/", "x_forwarded_for", "6.6.6.6"), status: "200", seen: "X-Forwarded-For: 127.0.0.1\r\n", unseen: "6.6.6.6"},
		{name: "an alias of a length", fields: append(posted(), "content_length", "100"), data: []string{"a=1"}, status: "200|400|reset", seen: "", unseen: "content_length"},
		{name: "a request line in the method", fields: usual("GET / HTTP/1.1\r\nHost: x\r\n\r\nGET", "/"), status: "400|reset"},
		{name: "a space in the method", fields: usual("GET /x", "/"), status: "400|reset"},
		{name: "a method in small letters", fields: usual("get", "/"), status: "403"},
		{name: "a request line in the path", fields: usual("GET", "/ HTTP/1.1\r\nX: y"), status: "400|reset"},
		{name: "a space in the path", fields: usual("GET", "/a b"), status: "400|reset"},
		{name: "a tab in the path", fields: usual("GET", "/a\tb"), status: "400|reset"},
		{name: "a C1 byte in the path", fields: usual("GET", "/a\x85b"), status: "400|reset"},
		{name: "a fragment in the path", fields: usual("GET", "/a#b"), status: "400|reset"},
		{name: "a backslash in the path", fields: usual("GET", `/a\b`), status: "400|reset"},
		{name: "a path without a slash", fields: usual("GET", "a"), status: "400|reset"},
		{name: "no path", fields: usual("GET", "/", ":path", ""), status: "400|reset"},
		{name: "a whole URL for a path", fields: usual("GET", "http://evil.example/"), status: "400|reset"},
		{name: "an asterisk", fields: usual("GET", "*"), status: "400|reset"},
		{name: "two paths", fields: append([]string{":path", "/x"}, usual("GET", "/")...), status: "400|reset"},
		{name: "two methods", fields: append([]string{":method", "POST"}, usual("GET", "/")...), status: "400|reset"},
		{name: "a pseudo-header behind the others", fields: append(usual("GET", "/"), ":path", "/x"), status: "400|reset"},
		{name: "a pseudo-header nobody knows", fields: append([]string{":x", "y"}, usual("GET", "/")...), status: "400|reset"},
		{name: "an answer's pseudo-header", fields: append([]string{":status", "200"}, usual("GET", "/")...), status: "400|reset"},
		{name: "an extended CONNECT", fields: append([]string{":protocol", "websocket"}, usual("CONNECT", "/")...), status: "400|405|reset"},
		{name: "CONNECT", fields: []string{":method", "CONNECT", ":authority", "shop.example.kz:80"}, status: "400|405|reset"},
		{name: "a scheme that is none", fields: usual("GET", "/", ":scheme", "https://evil.example/?"), status: "200|400|reset", seen: "", unseen: "evil"},
		{name: "a host beside another authority", fields: usual("GET", "/", "host", "other.example.kz"), status: "400|421|reset"},
		{name: "a host beside the same authority", fields: usual("GET", "/", "host", "shop.example.kz"), status: "200|400|reset"},
		{name: "two hosts and no authority", fields: append(usual("GET", "/", ":authority", ""), "host", "shop.example.kz", "host", "other.example.kz"), status: "400|421|reset"},
		{name: "an authority with a user", fields: usual("GET", "/", ":authority", "shop.example.kz@evil"), status: "400|421|reset"},
		{name: "an authority of another site", fields: usual("GET", "/", ":authority", "other.example.kz"), status: "421"},
		{name: "an authority of no site", fields: usual("GET", "/", ":authority", "evil.example"), status: "421"},
		{name: "an authority with a line end", fields: usual("GET", "/", ":authority", "shop.example.kz\r\nX: y"), status: "400|421|reset"},
		{name: "a coding", fields: posted("transfer-encoding", "chunked"), data: []string{"0\r\n\r\n" + smuggled}, status: "400|reset"},
		{name: "Connection", fields: usual("GET", "/", "connection", "x-forwarded-for"), status: "400|reset"},
		{name: "an upgrade", fields: usual("GET", "/", "upgrade", "websocket"), status: "400|reset"},
		{name: "TE of another kind", fields: usual("GET", "/", "te", "chunked"), status: "400|reset"},
		{name: "less than the length says", fields: posted("content-length", "10"), data: []string{"a=1"}, status: "400|reset"},
		{name: "more than the length says", fields: posted("content-length", "3"), data: []string{"a=1" + smuggled}, status: "400|reset"},
		{name: "two lengths", fields: append(posted("content-length", "3"), "content-length", "4"), data: []string{"a=1"}, status: "400|reset"},
		{name: "a length with a sign", fields: posted("content-length", "+3"), data: []string{"a=1"}, status: "400|reset"},
		{name: "a request in the body", fields: posted(), data: []string{smuggled}, status: "200|403"},
		{name: "an attack in two frames", fields: posted(), data: []string{"q=%3Cscr", "ipt%3Ealert(1)%3C/script%3E"}, status: "403"},
		{name: "an attack in crumbs of cookies", fields: append(usual("GET", "/"), "cookie", "a=1", "cookie", "b="+escaped), status: "403"},
		{name: "crumbs of cookies", fields: append(usual("GET", "/"), "cookie", "a=1", "cookie", "b=2"), status: "200", seen: "Cookie: a=1; b=2\r\n"},
		{name: "a type twice", fields: append(posted(), "content-type", "text/plain"), data: []string{"q=" + escaped}, status: "400"},
		{name: "a trailer that frames", fields: posted(), data: []string{"a=1"}, more: []string{"content-length", "100"}, status: "200|400|reset", seen: "", unseen: "100"},
		{name: "a trailer that routes", fields: posted("trailer", "host"), data: []string{"a=1"}, more: []string{"host", "other.example.kz"}, status: "200|400|reset", seen: "", unseen: "other"},
		{name: "a pseudo-header in the trailer", fields: posted(), data: []string{"a=1"}, more: []string{":path", "/x"}, status: "400|reset"},
	} {
		t.Run(tc.name, func(t *testing.T) { tc.run(t, f) })
	}
}

// What has two readings is refused where nothing else is.
func TestHostileHTTP2WhereNothingIsRefused(t *testing.T) {
	f := newFortress(t, watchedSite)
	for _, tc := range []hostile2{
		{name: "harmless", fields: usual("GET", "/a?b="+escaped), status: "200", seen: "GET /a?b=" + escaped + " HTTP/1.1\r\n"},
		{name: "a space in the method", fields: usual("GET /x", "/"), status: "400|reset"},
		{name: "a space in the path", fields: usual("GET", "/a HTTP/1.0"), status: "400|reset"},
		{name: "a space in the query", fields: usual("GET", "/?a=b HTTP/1.0"), status: "400|reset"},
		{name: "a fragment in the path", fields: usual("GET", "/a#b"), status: "400|reset"},
		{name: "a whole URL for a path", fields: usual("GET", "http://evil.example/"), status: "400|reset"},
		{name: "a length", fields: usual("POST", "/", "content-length", "3", "content-type", formType), data: []string{"a=1"}, status: "200", seen: "Content-Length: 3\r\n"},
		{name: "a length twice", fields: append(usual("POST", "/", "content-length", "3"), "content-length", "3"), data: []string{"a=1"}, status: "400|reset"},
		{name: "a length with a sign", fields: usual("POST", "/", "content-length", "+3"), data: []string{"a=1"}, status: "400|reset"},
		{name: "a host of another site", fields: usual("GET", "/", "host", "other.example.kz"), status: "400|421|reset"},
	} {
		t.Run(tc.name, func(t *testing.T) { tc.run(t, f) })
	}
}

const watchedSite = `
data: $DIR/data
http: 127.0.0.1:0
https: 127.0.0.1:0
console: {listen: "off"}
sites:
  - {name: shop, hosts: [shop.example.kz], upstreams: $UPSTREAM, mode: detect}
`

func (tc hostile2) run(t *testing.T, f *fortress) {
	f.up.take()
	c, err := tls.Dial("tcp", f.secure, &tls.Config{ServerName: "shop.example.kz", InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	got := tc.exchange(t, c)
	if !slices.Contains(strings.Split(tc.status, "|"), got) {
		t.Errorf("answered %s, want %s", got, tc.status)
	}
	seen := f.up.take()
	switch {
	case got != "200" && seen != "":
		t.Errorf("the upstream got %.300q", seen)
	case got == "200" && strings.Count(seen, " HTTP/1.1\r\n") != 1 && !strings.Contains(strings.Join(tc.data, ""), smuggled):
		t.Errorf("the upstream got more or less than one request: %.600q", seen)
	case !strings.Contains(seen, tc.seen):
		t.Errorf("the upstream got %.600q, want %q in it", seen, tc.seen)
	case tc.unseen != "" && strings.Contains(strings.ToLower(seen), strings.ToLower(tc.unseen)):
		t.Errorf("the upstream got %.600q, with %q in it", seen, tc.unseen)
	}
}

// exchange sends the request and returns the status, or "reset".
func (tc hostile2) exchange(t *testing.T, c io.ReadWriter) string {
	_, _ = io.WriteString(c, http2.ClientPreface)
	framer := http2.NewFramer(c, c)
	framer.AllowIllegalWrites = true
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	encode := func(fields []string) []byte {
		block.Reset()
		for i := 0; i+1 < len(fields); i += 2 {
			if err := encoder.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]}); err != nil {
				t.Fatal(err)
			}
		}
		return block.Bytes()
	}
	sent := errors.Join(framer.WriteSettings(), framer.WriteHeaders(http2.HeadersFrameParam{
		StreamID: 1, BlockFragment: encode(tc.fields), EndHeaders: true, EndStream: len(tc.data) == 0}))
	for i, d := range tc.data {
		sent = errors.Join(sent, framer.WriteData(1, i == len(tc.data)-1 && tc.more == nil, []byte(d)))
	}
	if tc.more != nil {
		sent = errors.Join(sent, framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: encode(tc.more), EndHeaders: true, EndStream: true}))
	}
	if sent != nil {
		return "reset" // the edge ended the connection before it had all
	}
	status := ""
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			if status == "" {
				return "reset"
			}
			return status
		}
		switch frame := frame.(type) {
		case *http2.MetaHeadersFrame:
			status = frame.PseudoValue("status")
			if frame.StreamEnded() {
				return status
			}
		case *http2.DataFrame:
			if frame.StreamEnded() {
				return status
			}
		case *http2.RSTStreamFrame:
			if status == "" {
				status = "reset"
			}
			return status
		case *http2.GoAwayFrame:
			if frame.ErrCode != http2.ErrCodeNo {
				return "reset"
			}
		}
	}
}
