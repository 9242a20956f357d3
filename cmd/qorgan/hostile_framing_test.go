package main

import (
	"fmt"
	"net"
	"strings"
	"testing"
)

// TestHostileFraming is about where a request begins and ends, whom it is for
// and what its head may say.
func TestHostileFraming(t *testing.T) {
	f := newFortress(t, twoSites)
	f.run(t, framingCases())
	f.run(t, headerCases())
	f.run(t, targetCases())
	f.run(t, sizeCases())
	t.Run("a handshake for one site and a Host of another", func(t *testing.T) {
		hostileCase{send: "GET / HTTP/1.1\r\nHost: other.example.kz\r\nConnection: close\r\n\r\n", status: "421"}.run(t, f, f.dialTLS("shop.example.kz"))
	})
	t.Run("a handshake and a Host of one site", func(t *testing.T) {
		hostileCase{send: ask("/"), status: "200", seen: "X-Forwarded-Proto: https\r\n"}.run(t, f, f.dialTLS("shop.example.kz"))
	})
	t.Run("the client's address of a proxy that is trusted", func(t *testing.T) {
		hostileCase{send: ask("/", "X-Forwarded-For: 6.6.6.6"), status: "200", seen: "X-Forwarded-For: 6.6.6.6\r\n"}.run(t, f, f.dialFrom("127.0.0.9"))
	})
	t.Run("an IPv6 address of a banned range", func(t *testing.T) {
		hostileCase{send: ask("/", "X-Forwarded-For: 2001:db8:bad:1::7"), status: "403", event: "rule 9002"}.run(t, f, f.dialFrom("127.0.0.9"))
	})
	t.Run("an IPv4 address of a banned range, written as IPv6", func(t *testing.T) {
		hostileCase{send: ask("/", "X-Forwarded-For: ::ffff:192.0.2.7"), status: "403", event: "rule 9002"}.run(t, f, f.dialFrom("127.0.0.9"))
	})
}

const (
	postHead = "POST / HTTP/1.1\r\n" + hostHead + "Content-Type: application/x-www-form-urlencoded\r\n"
	chunked  = "Transfer-Encoding: chunked\r\n"
	smuggled = "GET /smuggled HTTP/1.1\r\nHost: shop.example.kz\r\n\r\n"
)

func framingCases() []hostileCase {
	return []hostileCase{
		{name: "length and coding together", send: postHead + "Content-Length: 5\r\n" + chunked + "\r\n0\r\n\r\n" + smuggled, status: "400", event: "content-length-with-transfer-encoding"},
		{name: "two differing lengths", send: postHead + "Content-Length: 3\r\nContent-Length: 4\r\n\r\na=1b", status: "400", event: "content-length-repeated"},
		{name: "a length twice", send: postHead + "Content-Length: 3\r\nContent-Length: 3\r\n\r\na=1", status: "400", event: "content-length-repeated"},
		{name: "a length with a sign", send: postHead + "Content-Length: +3\r\n\r\na=1", status: "400", event: "content-length-invalid"},
		{name: "a list of lengths", send: postHead + "Content-Length: 3, 3\r\n\r\na=1", status: "400", event: "content-length-invalid"},
		{name: "a coding that only looks like chunked", send: postHead + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", status: "400", event: "transfer-encoding-unknown"},
		{name: "a coding behind a tab and a vertical tab", send: postHead + "Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", status: "400", event: "field-value-control"},
		{name: "a coding twice", send: postHead + chunked + chunked + "\r\n0\r\n\r\n", status: "400", event: "transfer-encoding-repeated"},
		{name: "a coding before chunked", send: postHead + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", status: "400", event: "transfer-encoding-unknown"},
		{name: "a coding in HTTP/1.0", send: strings.Replace(postHead, "1.1", "1.0", 1) + chunked + "\r\n0\r\n\r\n", status: "400", event: "transfer-encoding-in-http10"},
		{name: "a chunk size that is none", send: postHead + chunked + "\r\nzz\r\na=1\r\n0\r\n\r\n", status: "400", event: "chunk-size"},
		{name: "a negative chunk size", send: postHead + chunked + "\r\n-3\r\na=1\r\n0\r\n\r\n", status: "400", event: "chunk-size"},
		{name: "a chunk size beyond 64 bits", send: postHead + chunked + "\r\n10000000000000003\r\na=1\r\n0\r\n\r\n", status: "400", event: "chunk-size"},
		{name: "a bare LF in a chunk line", send: postHead + chunked + "\r\n3\na=1\r\n0\r\n\r\n", status: "400", event: "bare-lf"},
		{name: "a huge chunk extension", send: postHead + chunked + "\r\n3;" + strings.Repeat("a", 10000) + "\r\na=1\r\n0\r\n\r\n", status: "400", event: "chunk-extension"},
		{name: "a chunk longer than said", send: postHead + chunked + "\r\n3\r\na=123\r\n0\r\n\r\n", status: "400", event: "chunk-end"},
		{name: "a trailer that frames", send: postHead + chunked + "\r\n3\r\na=1\r\n0\r\nContent-Length: 9\r\n\r\n" + smuggled, status: "400", event: "trailer-forbidden"},
		{name: "a trailer that routes", send: postHead + chunked + "\r\n3\r\na=1\r\n0\r\nHost: other.example.kz\r\n\r\n", status: "400", event: "trailer-forbidden"},
		{name: "chunks that are well", send: postHead + chunked + "Connection: close\r\n\r\n3\r\na=1\r\n0\r\n\r\n", status: "200", seen: "a=1", unseen: "transfer-encoding", event: "-"},
		{name: "a folded header line", send: ask("/", "X-A: 1\r\n 2"), status: "400", event: "obs-fold"},
		{name: "a space before the colon", send: ask("/", "X-A : 1"), status: "400", event: "field-space-before-colon"},
		{name: "a NUL in a value", send: ask("/", "X-A: 1\x002"), status: "400", event: "field-value-control"},
		{name: "a CR in a value", send: ask("/", "X-A: 1\r2"), status: "400", event: "bare-cr"},
		{name: "a header without a name", send: ask("/", ": 1"), status: "400", event: "field-name-empty"},
		{name: "a header without a colon", send: ask("/", "X-A"), status: "400", event: "field-no-colon"},
		{name: "bare LF at the end of lines", send: "GET / HTTP/1.1\nHost: shop.example.kz\n\n", status: "400", event: "bare-lf"},
		{name: "an upgrade nobody tunnels, and a request behind it",
			send:   "GET /a HTTP/1.1\r\n" + hostHead + "Connection: Upgrade\r\nUpgrade: foo\r\n\r\n" + ask("/b?q="+escaped),
			status: "200 403", event: "rule 949110", seen: "GET /a HTTP/1.1\r\n", unseen: "upgrade:"},
		{name: "WebSocket that is refused, and a request behind it",
			send: "GET /a HTTP/1.1\r\n" + hostHead + "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n" +
				ask("/b?q="+escaped), status: "200 403", event: "rule 949110", seen: "GET /a HTTP/1.1\r\n", unseen: "/b"},
		{name: "HTTP/2 with prior knowledge", send: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", status: "505", event: "http-version"},
		{name: "h2c by upgrade", send: ask("/", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"), status: "200", seen: "GET / HTTP/1.1\r\n", unseen: "h2c"},
	}
}

func headerCases() []hostileCase {
	return []hostileCase{
		{name: "Connection names a header of ours", send: ask("/", "Connection: X-Forwarded-For"), status: "400", event: "connection-option"},
		{name: "Connection names a header that was judged", send: ask("/", "X-A: 1", "Connection: X-A"), status: "400", event: "connection-option"},
		{name: "an alias of our header with underscores", send: ask("/", "X_Forwarded_For: 6.6.6.6"), status: "200", seen: "X-Forwarded-For: 127.0.0.1\r\n", unseen: "6.6.6.6"},
		{name: "an alias of our header with both", send: ask("/", "X-Forwarded_For: 6.6.6.6"), status: "200", seen: "X-Forwarded-For: 127.0.0.1\r\n", unseen: "6.6.6.6"},
		{name: "an alias of our header with dots", send: ask("/", "X.Forwarded.For: 6.6.6.6"), status: "200", seen: "X-Forwarded-For: 127.0.0.1\r\n", unseen: "6.6.6.6"},
		{name: "our own header", send: ask("/", "X-Forwarded-For: 6.6.6.6", "X-Real-IP: 6.6.6.6", "Forwarded: for=6.6.6.6", "CF-Connecting-IP: 6.6.6.6", "X-Forwarded-Host: 6.6.6.6"),
			status: "200", seen: "X-Forwarded-For: 127.0.0.1\r\n", unseen: "6.6.6.6"},
		{name: "headers by which caches are poisoned", send: ask("/", "X-Forwarded-Host: evil.example", "X-Original-URL: /evil", "X-Rewrite-URL: /evil", "X-Forwarded-Scheme: evil", "X-Host: evil", "X-Forwarded-Prefix: /evil"),
			status: "200", seen: "X-Forwarded-Host: shop.example.kz\r\n", unseen: "evil"},
		{name: "httpoxy", send: ask("/", "Proxy: http://6.6.6.6/"), status: "403", event: "rule 920450"},
		{name: "an alias of a header that frames", send: postHead + "Content_Length: 100\r\nContent-Length: 3\r\nConnection: close\r\n\r\na=1", status: "400", event: "field-alias"},
		{name: "a name that is no token", send: ask("/", "X(A): 1"), status: "400", event: "field-name"},
		{name: "two hosts", send: ask("/", "Host: other.example.kz"), status: "400", event: "host-repeated"},
		{name: "no host", send: "GET / HTTP/1.1\r\nUser-Agent: Mozilla/5.0\r\n\r\n", status: "400", event: "host-missing"},
		{name: "a host with a user", send: "GET / HTTP/1.1\r\nHost: shop.example.kz@evil\r\n\r\n", status: "400", event: "host-invalid"},
		{name: "a host with junk for a port", send: "GET / HTTP/1.1\r\nHost: shop.example.kz:80a\r\n\r\n", status: "400", event: "host-invalid"},
		{name: "a host with a path", send: "GET / HTTP/1.1\r\nHost: shop.example.kz/a\r\n\r\n", status: "400", event: "host-invalid"},
		{name: "a host in capitals", send: "GET / HTTP/1.1\r\nHost: SHOP.Example.KZ\r\nUser-Agent: Mozilla/5.0\r\nConnection: close\r\n\r\n", status: "200", seen: "Host: shop.example.kz\r\n"},
		{name: "a host with a dot at its end", send: "GET / HTTP/1.1\r\nHost: shop.example.kz.\r\nUser-Agent: Mozilla/5.0\r\nConnection: close\r\n\r\n", status: "200", seen: "Host: shop.example.kz\r\n"},
		{name: "a host with a port", send: "GET / HTTP/1.1\r\nHost: Shop.example.kz.:8080\r\nUser-Agent: Mozilla/5.0\r\nConnection: close\r\n\r\n", status: "200", seen: "Host: shop.example.kz:8080\r\n"},
		{name: "an international form of an ASCII host", send: "GET / HTTP/1.1\r\nHost: xn--shop-.example.kz\r\nConnection: close\r\n\r\n", status: "421"},
		{name: "a host of no site", send: "GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n", status: "421"},
		{name: "an unknown expectation", send: ask("/", "Expect: a-bribe"), status: "417", event: "expect-unknown"},
		{name: "100-continue with a head that is refused", send: "POST /?q=" + escaped + " HTTP/1.1\r\n" + hostHead + "Expect: 100-continue\r\nContent-Length: 10\r\nContent-Type: text/plain; charset=utf-7\r\n\r\n", status: "415", event: "charset"},
		{name: "a method in small letters", send: strings.Replace(ask("/"), "GET", "get", 1), status: "403", event: "rule 911100"},
		{name: "a method of 300 bytes", send: strings.Replace(ask("/"), "GET", strings.Repeat("A", 300), 1), status: "400", event: "method-too-long"},
		{name: "a method that is no token", send: strings.Replace(ask("/"), "GET", "G(T", 1), status: "400", event: "method-invalid"},
		{name: "TRACE", send: strings.Replace(ask("/"), "GET", "TRACE", 1), status: "403", event: "rule 911100"},
		{name: "TRACK", send: strings.Replace(ask("/"), "GET", "TRACK", 1), status: "403", event: "rule 911100"},
		{name: "GET with a body that attacks", send: strings.Replace(post(formType, "q="+escaped), "POST", "GET", 1), status: "403", event: "rule 941100"},
		{name: "a method hidden in a header", send: post(formType, "a=1", "X-HTTP-Method-Override: DELETE"), status: "403", event: "+"},
		{name: "a hundred ranges", send: ask("/", "Range: bytes="+strings.TrimSuffix(strings.Repeat("0-1,", 100), ",")), status: "416", event: "range-count"},
		{name: "a range of small parts in two lines", send: ask("/", "Range: bytes=0-1", "Range: bytes=2-3"), status: "416", event: "range-count"},
		{name: "a browser's name with an escape sequence", send: ask("/", "User-Agent: \x1b[2J"), status: "400", event: "field-value-control"},
	}
}

func targetCases() []hostileCase {
	cases := []hostileCase{
		{name: "an absolute target for another host", send: strings.Replace(ask("/"), "GET /", "GET http://evil.example/", 1), status: "400", event: "target-host"},
		{name: "an absolute target for a host of no site", send: "GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n", status: "421"},
		{name: "an absolute target for the host", send: strings.Replace(ask("/"), "GET /", "GET http://shop.example.kz/a?b=1", 1), status: "200", seen: "GET /a?b=1 HTTP/1.1\r\n"},
		{name: "an asterisk", send: strings.Replace(ask("/"), "GET /", "GET *", 1), status: "400", event: "target-form"},
		{name: "an authority", send: strings.Replace(ask("/"), "GET /", "GET shop.example.kz:80", 1), status: "400", event: "target-form"},
		{name: "CONNECT", send: strings.Replace(ask("/"), "GET /", "CONNECT shop.example.kz:80", 1), status: "405", event: "method-connect"},
		{name: "a fragment", send: ask("/a#b"), status: "400", event: "target-fragment"},
		{name: "a space", send: ask("/a b"), status: "400", event: "target-space"},
		{name: "a backslash", send: ask(`/a\b`), status: "400", event: "target-backslash"},
		{name: "a tab", send: ask("/a\tb"), status: "400", event: "target-control"},
		{name: "a NUL", send: ask("/a\x00b"), status: "400", event: "target-control"},
		{name: "DEL", send: ask("/a\x7fb"), status: "400", event: "target-control"},
		{name: "a C1 control byte in the path", send: ask("/a\x85b"), status: "400", event: "target-control"},
		{name: "a C1 control byte in the query", send: ask("/?a=\x9b2J"), status: "400", event: "target-control"},
		{name: "a C1 control character in UTF-8", send: ask("/?a=\u0085b"), status: "400", event: "target-control"},
		{name: "a letter in UTF-8 that is cut", send: ask("/?a=\xd1\x80\xe2\x80"), status: "400", event: "target-control"},
		{name: "an encoded NUL", send: ask("/a%00b"), status: "400", event: "target-nul"},
		{name: "half an escape", send: ask("/a%4"), status: "400", event: "target-percent"},
		{name: "an attack behind a script's name", send: ask("/index.php/" + escaped), status: "403", event: "rule 941110"},
		{name: "an attack between two scripts", send: ask("/x.jpg/" + escaped + "/y.php"), status: "403", event: "rule 941110"},
		{name: "a letter that folds to another before .php", send: ask("/\u212a%C8%BA/index.php/" + escaped), status: "403", event: "rule 941110"},
		{name: "the files of the system above the root", send: ask("/%2e%2e/%2e%2e/etc/passwd"), status: "403", event: "+"},
		{name: "the files of the system behind encoded slashes", send: ask("/..%2f..%2fetc%2fpasswd"), status: "403", event: "+"},
		{name: "the files of the system behind encoded backslashes", send: ask("/..%5c..%5cetc%5cpasswd"), status: "403", event: "+"},
		{name: "a step up behind a parameter that Java drops", send: ask("/a/..;/b"), status: "403", event: "+"},
		{name: "line ends in the target, encoded", send: ask("/a%0d%0aSet-Cookie:%20a=1?q=%0d%0aX-A:%201"), status: "403|400", event: "+"},
	}
	for _, same := range []string{"//admin", "/a/./b", "/a/%2e/b", "/a/%2E/b", "/a/%2fb", "/a?b=c%2fd&e=%5B%5D", "/a/?", "/caf%C3%A9", "/a|b", "/?a={b}&c[]=d", "/раз/р?с=р", "/?s=\xef\xf0\xe8\xe2\xe5\xf2"} {
		cases = append(cases, hostileCase{name: "is forwarded as it came: " + same, send: ask(same), status: "200", seen: "GET " + same + " HTTP/1.1\r\n", event: "-"})
	}
	return cases
}

func sizeCases() []hostileCase {
	args := func(n int, last string) string {
		var b strings.Builder
		for i := range n - 1 {
			fmt.Fprintf(&b, "a%d=1&", i)
		}
		return b.String() + last
	}
	return []hostileCase{
		{name: "a header block of 2 MB", send: ask("/", strings.Repeat("X-A: "+strings.Repeat("a", 1000)+"\r\n", 2000)+"X-B: 1"), status: "431", event: "head-too-large"},
		{name: "a cookie of 64 KiB", send: ask("/", "Cookie: a="+strings.Repeat("a", 64<<10)), status: "431", event: "head-too-large"},
		{name: "2,000 header lines", send: ask("/", strings.Repeat("X-A: 1\r\n", 2000)+"X-B: 1"), status: "431", event: "too-many-fields"},
		{name: "5,000 cookies", send: ask("/", "Cookie: "+strings.Repeat("a=1; ", 5000)+"b=1"), status: "400", event: "+"},
		{name: "a target of 40 KiB", send: ask("/" + strings.Repeat("a", 40<<10)), status: "414", event: "request-line-too-long"},
		{name: "1,001 parameters", send: post(formType, args(1001, "z=1")), status: "400", event: "too-many-parameters"},
		{name: "10,001 parameters in the query and the body", send: strings.Replace(post(formType, args(10001, "z=1")), "POST /", "POST /?"+args(500, "z=1"), 1), status: "400", event: "too-many-parameters"},
		{name: "an attack in the 1,001st parameter", send: post(formType, args(1001, "z="+escaped)), status: "400", event: "too-many-parameters"},
		{name: "an attack in the 999th parameter", send: post(formType, args(999, "z="+escaped)), status: "403", event: "rule 941100"},
		{name: "a form beyond the limit", send: post(formType, "a="+strings.Repeat("a", 2<<20)), status: "413", event: "body-too-large"},
		{name: "an attack beyond the limit", send: post(formType, "a="+strings.Repeat("a", 1<<20)+"&b="+escaped), status: "413", event: "body-too-large"},
		{name: "a form of no announced length beyond the limit", send: postHead + chunked + "\r\n200000\r\na=" + strings.Repeat("a", 0x200000-2) + "\r\n0\r\n\r\n", status: "413", event: "body-too-large"},
	}
}

// A client that leaves within its body: nothing reaches the upstream, and there
// is nothing to report.
func TestHostileClientLeaves(t *testing.T) {
	f := newFortress(t, twoSites)
	for name, text := range map[string]string{
		"within the head":   "GET / HTTP/1.1\r\nHost: sh",
		"within the body":   postHead + "Content-Length: 100\r\n\r\na=1",
		"within the chunks": postHead + chunked + "\r\n3\r\na=1\r\n5\r\nb",
	} {
		t.Run(name, func(t *testing.T) {
			c := f.dial(t)
			defer c.Close()
			if _, err := c.Write([]byte(text)); err != nil {
				t.Fatal(err)
			}
			_ = c.(*net.TCPConn).CloseWrite()
			answer := readAll(t, c)
			if answer != "" && !strings.HasPrefix(answer, "HTTP/1.1 400 ") {
				t.Errorf("answered %.80q", answer)
			}
			if seen := f.up.take(); seen != "" {
				t.Errorf("the upstream got %q", seen)
			}
			if e := f.drain(); len(e) > 0 {
				t.Errorf("events %v", e)
			}
		})
	}
}
