package wire

import (
	"slices"
	"strings"
	"testing"
)

// one is raw bytes in, and what the handler and the client saw of them. The
// names of the rows they belong to are those of the tests that pick them.
type one struct {
	row      string // which test runs it
	raw      string
	want     []string // seen.String of each request
	statuses []int
}

const (
	get  = "GET /a HTTP/1.1\r\nHost: x\r\n"
	post = "POST /p HTTP/1.1\r\nHost: x\r\n"
	next = "GET /next HTTP/1.1\r\nHost: x\r\n\r\n"
	chnk = post + "Transfer-Encoding: chunked\r\n\r\n"
	sawN = `GET /next body=""`
)

func head(line string) string    { return line + "\r\nHost: x\r\n\r\n" }
func refused(name string) string { return "refused 400 " + name + ` host="x"` }

// bad is a request that is refused for name with 400; good is one that passes
// with what the handler saw. Both are followed by another request, which must
// be served after a good one and must not exist after a bad one.
func bad(row, raw, name string) one {
	return one{row, raw + next, []string{refused(name)}, []int{400}}
}

func good(row, raw, saw string) one {
	return one{row, raw + next, []string{saw, sawN}, []int{200, 200}}
}

func badAs(row, raw, saw string, status int) one {
	return one{row, raw + next, []string{saw}, []int{status}}
}

func badBody(row, body, name, read string) one {
	return one{row, chnk + body + next, []string{`POST /p body="` + read + `" refused 400 ` + name}, []int{400}}
}

var cases = slices.Concat(framingCases, chunkCases, fieldCases, hostCases, targetCases, methodCases, sizeCases)

var framingCases = []one{
	bad("both", post+"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", LengthCoding),
	bad("both", post+"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", LengthCoding),
	bad("both", post+"Transfer-Encoding: identity\r\nContent-Length: 3\r\n\r\nabc", LengthCoding),

	bad("length", post+"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc", LengthRepeated),
	bad("length", post+"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", LengthRepeated),
	bad("length", post+"Content-Length: +3\r\n\r\nabc", LengthInvalid),
	bad("length", post+"Content-Length: -3\r\n\r\nabc", LengthInvalid),
	bad("length", post+"Content-Length: 3, 3\r\n\r\nabc", LengthInvalid),
	bad("length", post+"Content-Length: 0x3\r\n\r\nabc", LengthInvalid),
	bad("length", post+"Content-Length: 3 3\r\n\r\nabc", LengthInvalid),
	bad("length", post+"Content-Length: 3.0\r\n\r\nabc", LengthInvalid),
	bad("length", post+"Content-Length:\r\n\r\nabc", LengthInvalid),
	bad("length", post+"Content-Length: 9223372036854775808\r\n\r\nabc", LengthInvalid),
	bad("length", post+"Content-Length: 18446744073709551619\r\n\r\nabc", LengthInvalid),
	bad("length", post+"Content_Length: 3\r\n\r\n", FieldAlias),
	good("length", post+"content-length: \t3 \r\n\r\nabc", `POST /p body="abc"`),
	good("length", post+"Content-Length: 003\r\n\r\nabc", `POST /p body="abc"`),
	good("length", get+"Content-Length: 0\r\n\r\n", `GET /a body=""`),
	good("length", post+"\r\n", `POST /p body=""`),

	bad("coding", post+"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", CodingUnknown),
	bad("coding", post+"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", CodingUnknown),
	bad("coding", post+"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", CodingUnknown),
	bad("coding", post+"Transfer-Encoding: chunked,\r\n\r\n0\r\n\r\n", CodingUnknown),
	bad("coding", post+"Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n", CodingUnknown),
	bad("coding", post+"Transfer-Encoding:\r\n\r\n0\r\n\r\n", CodingUnknown),
	bad("coding", post+"Transfer-Encoding: identity\r\n\r\n", CodingUnknown),
	bad("coding", post+"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", FieldControl),
	bad("coding", post+"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", CodingRepeated),
	bad("coding", post+"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n", CodingRepeated),
	bad("coding", post+"Transfer_Encoding: chunked\r\n\r\n", FieldAlias),
	bad("coding", post+"Transfer.Encoding: chunked\r\n\r\n", FieldAlias),
	bad("coding", "POST /p HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", CodingOld),
	good("coding", post+"transfer-encoding: ChUnKeD\r\n\r\n3\r\nabc\r\n0\r\n\r\n", `POST /p body="abc"`),

	badAs("expect", post+"Expect: 200-ok\r\nContent-Length: 3\r\n\r\nabc", `refused 417 expect-unknown host="x"`, 417),
	badAs("expect", post+"Expect: 100-continue, x\r\nContent-Length: 3\r\n\r\nabc", `refused 417 expect-unknown host="x"`, 417),
	badAs("expect", post+"Expect: 100-continue\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc", `refused 417 expect-unknown host="x"`, 417),
	badAs("expect", post+"Expect:\r\nContent-Length: 3\r\n\r\nabc", `refused 417 expect-unknown host="x"`, 417),

	bad("connection", get+"Cookie: a=b\r\nConnection: Cookie\r\n\r\n", ConnectionOption),
	bad("connection", get+"Connection: close, X-Forwarded-For\r\n\r\n", ConnectionOption),
	bad("connection", get+"Connection: keep-alive\r\nConnection: x-real-ip\r\n\r\n", ConnectionOption),
	bad("connection", get+"Connection: Host\r\n\r\n", ConnectionOption),
	bad("connection", post+"Connection: Content-Length\r\nContent-Length: 3\r\n\r\nabc", ConnectionOption),
	bad("connection", get+"Authorization: Basic eA==\r\nConnection: \tauthorization ,close\r\n\r\n", ConnectionOption),
	bad("connection", get+"X-Nonce: 1\r\nConnection: x-nonce\r\n\r\n", ConnectionOption),
	good("connection", get+"Connection: Keep-Alive, TE, HTTP2-Settings\r\nTE: trailers\r\n\r\n", `GET /a body=""`),
	good("connection", get+"Connection: X-Absent, ,;\r\n\r\n", `GET /a body=""`),
}

var chunkCases = []one{
	badBody("chunk", "3\r\nabc\r\nxyz\r\n0\r\n\r\n", ChunkSize, "abc"),
	badBody("chunk", "\r\n", ChunkSize, ""),
	badBody("chunk", "+3\r\nabc\r\n0\r\n\r\n", ChunkSize, ""),
	badBody("chunk", "0x3\r\nabc\r\n0\r\n\r\n", ChunkSize, ""),
	badBody("chunk", "3 \r\nabc\r\n0\r\n\r\n", ChunkSize, ""),
	badBody("chunk", " 3\r\nabc\r\n0\r\n\r\n", ChunkSize, ""),
	badBody("chunk", "3 ;a\r\nabc\r\n0\r\n\r\n", ChunkSize, ""),
	badBody("chunk", "-1\r\nabc\r\n0\r\n\r\n", ChunkSize, ""),
	badBody("chunk", "00000000000000003\r\nabc\r\n0\r\n\r\n", ChunkSize, ""),
	badBody("chunk", "10000000000000003\r\nabc\r\n0\r\n\r\n", ChunkSize, ""),
	badBody("chunk", "ffffffffffffffff\r\nabc\r\n0\r\n\r\n", ChunkSize, ""),
	badBody("chunk", strings.Repeat("0", 400)+"\r\n\r\n", ChunkSize, ""),
	badBody("chunk", "3\nabc\r\n0\r\n\r\n", BareLF, ""),
	badBody("chunk", "3\rabc\r\n0\r\n\r\n", BareCR, ""),
	badBody("chunk", "3\r\r\nabc\r\n0\r\n\r\n", BareCR, ""),
	badBody("chunk", "3\r\nabc\n0\r\n\r\n", ChunkEnd, "abc"),
	badBody("chunk", "3\r\nabcd\r\n0\r\n\r\n", ChunkEnd, "abc"),
	badBody("chunk", "3\r\nabc\rx0\r\n\r\n", ChunkEnd, "abc"),
	badBody("chunk", "3;"+strings.Repeat("e", 256)+"\r\nabc\r\n0\r\n\r\n", ChunkExtension, ""),
	badBody("chunk", "3;a="+strings.Repeat("e", 9000)+"\r\nabc\r\n0\r\n\r\n", ChunkExtension, ""),
	badBody("chunk", "3;\r\nabc\r\n0\r\n\r\n", ChunkExtension, ""),
	badBody("chunk", "3;a=\r\nabc\r\n0\r\n\r\n", ChunkExtension, ""),
	badBody("chunk", "3;a = b\r\nabc\r\n0\r\n\r\n", ChunkExtension, ""),
	badBody("chunk", "3;a=\"b\r\nabc\r\n0\r\n\r\n", ChunkExtension, ""),
	badBody("chunk", "3;a=\"\x01\"\r\nabc\r\n0\r\n\r\n", ChunkExtension, ""),
	badBody("chunk", strings.Repeat("1;"+strings.Repeat("e", 250)+"\r\nx\r\n", 60)+"0\r\n\r\n", ChunkExtension, strings.Repeat("x", 34)),
	badBody("trailer", "3\r\nabc\r\n0\r\nContent-Length: 5\r\n\r\n", TrailerForbidden, "abc"),
	badBody("trailer", "3\r\nabc\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n", TrailerForbidden, "abc"),
	badBody("trailer", "3\r\nabc\r\n0\r\nHost: evil\r\n\r\n", TrailerForbidden, "abc"),
	badBody("trailer", "3\r\nabc\r\n0\r\nCookie: a=b\r\n\r\n", TrailerForbidden, "abc"),
	badBody("trailer", "3\r\nabc\r\n0\r\nx-forwarded-FOR: 1.1.1.1\r\n\r\n", TrailerForbidden, "abc"),
	badBody("trailer", "3\r\nabc\r\n0\r\nX_Forwarded_For: 1.1.1.1\r\n\r\n", TrailerForbidden, "abc"),
	badBody("trailer", "3\r\nabc\r\n0\r\nX-A: 1\nX-B: 2\r\n\r\n", BareLF, "abc"),
	badBody("trailer", "3\r\nabc\r\n0\r\n\n", BareLF, "abc"),
	badBody("trailer", "3\r\nabc\r\n0\r\nX-A: 1\r\n folded\r\n\r\n", Folded, "abc"),
	badBody("trailer", "3\r\nabc\r\n0\r\nX-A : 1\r\n\r\n", FieldSpace, "abc"),
	badBody("trailer", "3\r\nabc\r\n0\r\nGET /smuggled HTTP/1.1\r\n\r\n", FieldColon, "abc"),
	badBody("trailer", "3\r\nabc\r\n0\r\nX-A: \x00\r\n\r\n", FieldControl, "abc"),
	badBody("trailer", "3\r\nabc\r\n0\r\n"+strings.Repeat("X-A: 1\r\n", 17)+"\r\n", TrailerTooLarge, "abc"),
	badBody("trailer", "3\r\nabc\r\n0\r\nX-A: "+strings.Repeat("a", 4000)+"\r\n\r\n", TrailerTooLarge, "abc"),
	bad("trailer", post+"Transfer-Encoding: chunked\r\nTrailer: Content-Length\r\n\r\n0\r\n\r\n", TrailerAnnounced),
	good("trailer", post+"Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n", `POST /p body="abc"`),
	good("chunk", chnk+"3\r\nabc\r\n2;a;b=c;d=\"e \\\" f\"\r\nde\r\n000\r\n\r\n", `POST /p body="abcde"`),
	good("chunk", chnk+"A\r\n0123456789\r\na\r\n0123456789\r\n0;end\r\n\r\n", `POST /p body="01234567890123456789"`),
	good("chunk", chnk+strings.Repeat("1\r\nx\r\n", 2000)+"0\r\n\r\n", `POST /p body="`+strings.Repeat("x", 2000)+`"`),
	{"cut", chnk + "5\r\nabc", []string{`POST /p body="abc" cut`}, []int{400}},
	{"cut", chnk + "3\r\nabc\r\n0\r\n", []string{`POST /p body="abc" cut`}, []int{400}},
	{"cut", post + "Content-Length: 5\r\n\r\nabc", []string{`POST /p body="abc" cut`}, []int{400}},
	{"cut", post + "Content-Len", nil, nil},
	{"cut", "", nil, nil},
}

var fieldCases = []one{
	bad("field", get+"X-A: 1\r\n folded\r\n\r\n", Folded),
	bad("field", "GET /a HTTP/1.1\r\n Host: y\r\nHost: x\r\n\r\n", Folded),
	bad("field", get+"X-A: 1\r\n\tfolded: 2\r\n\r\n", Folded),
	bad("field", get+"X-A : 1\r\n\r\n", FieldSpace),
	bad("field", get+"Content-Length\t: 3\r\n\r\n", FieldSpace),
	bad("field", get+": 1\r\n\r\n", FieldEmpty),
	bad("field", get+"X A: 1\r\n\r\n", FieldName),
	bad("field", get+"X(A): 1\r\n\r\n", FieldName),
	bad("field", get+"X\xc3\xa9: 1\r\n\r\n", FieldName),
	bad("field", get+"X\x00A: 1\r\n\r\n", FieldName),
	bad("field", get+"no colon\r\n\r\n", FieldColon),
	bad("field", get+"X-A: a\x00b\r\n\r\n", FieldControl),
	bad("field", get+"X-A: a\x7fb\r\n\r\n", FieldControl),
	bad("field", get+"X-A: \x1b[31m\r\n\r\n", FieldControl),
	bad("field", get+"X-A: a\rb\r\n\r\n", BareCR),
	bad("field", get+"X-A: a\r\r\n\r\n", BareCR),
	bad("field", get+"X-A\rContent-Length: 3\r\n\r\n", BareCR),
	badAs("field", get+"X-A: 1\nX-B: 2\r\n\r\n", `refused 400 bare-lf host="x"`, 400),
	badAs("field", get+"\n", `refused 400 bare-lf host="x"`, 400),
	badAs("field", "GET /a HTTP/1.1\nHost: x\n\n", `refused 400 bare-lf host=""`, 400),
	badAs("field", "\nGET /a HTTP/1.1\r\nHost: x\r\n\r\n", `refused 400 bare-lf host=""`, 400),
	badAs("field", "\r\n\r\nGET /a HTTP/1.1\r\nHost: x\r\n\r\n", `refused 400 blank-lines host=""`, 400),
	badAs("field", " GET /a HTTP/1.1\r\nHost: x\r\n\r\n", `refused 400 request-line host=""`, 400),
	badAs("field", "\x16\x03\x01\x02\x00\x01", `refused 400 request-line host=""`, 400),
	good("field", "\r\n"+get+"\r\n", `GET /a body=""`),
	good("field", get+"X-A: \xd0\xb6 \xff\t\"quoted\"\r\nX-B:\r\n\r\n", `GET /a body=""`),
	good("field", post+"Content-Length: 3\r\n\r\nabc\r\n", `POST /p body="abc"`),

	good("odd", get+"X_Forwarded_For: 6.6.6.6\r\n\r\n", `GET /a body="" odd`),
	good("odd", get+"X.Forwarded-For: 6.6.6.6\r\n\r\n", `GET /a body="" odd`),
	good("odd", get+"X-~!#$%&'*+^`|: 1\r\n\r\n", `GET /a body="" odd`),
	bad("odd", get+"Host_: evil\r\n\r\n", FieldAlias),
}

func host(v string) string { return "GET /a HTTP/1.1\r\nHost: " + v + "\r\n\r\n" }

var hostCases = []one{
	bad("host", get+"Host: y\r\n\r\n", HostRepeated),
	bad("host", get+"host: x\r\n\r\n", HostRepeated),
	badAs("host", "GET /a HTTP/1.1\r\n\r\n", `refused 400 host-missing host=""`, 400),
	badAs("host", host(""), `refused 400 host-invalid host=""`, 400),
	badAs("host", host("a@b"), `refused 400 host-invalid host=""`, 400),
	badAs("host", host("x:"), `refused 400 host-invalid host=""`, 400),
	badAs("host", host("x:80x"), `refused 400 host-invalid host=""`, 400),
	badAs("host", host("x:0"), `refused 400 host-invalid host=""`, 400),
	badAs("host", host("x:65536"), `refused 400 host-invalid host=""`, 400),
	badAs("host", host("x:80:80"), `refused 400 host-invalid host=""`, 400),
	badAs("host", host("x/y"), `refused 400 host-invalid host=""`, 400),
	badAs("host", host("x y"), `refused 400 host-invalid host=""`, 400),
	badAs("host", host("x, y"), `refused 400 host-invalid host=""`, 400),
	badAs("host", host("x%2ey"), `refused 400 host-invalid host=""`, 400),
	badAs("host", host("\xd0\xb6.kz"), `refused 400 host-invalid host=""`, 400),
	badAs("host", host(".x"), `refused 400 host-invalid host=""`, 400),
	badAs("host", host("x..y"), `refused 400 host-invalid host=""`, 400),
	badAs("host", host("[::1"), `refused 400 host-invalid host=""`, 400),
	badAs("host", host("[::1%25eth0]"), `refused 400 host-invalid host=""`, 400),
	badAs("host", host("[127.0.0.1]"), `refused 400 host-invalid host=""`, 400),
	badAs("host", host("[::1]80"), `refused 400 host-invalid host=""`, 400),
	badAs("host", host(strings.Repeat("a", 256)), `refused 400 host-invalid host=""`, 400),
	good("host", host("EXAMPLE.kz.:8080"), `GET /a body=""`),
	good("host", host("xn--80ak6aa92e.com"), `GET /a body=""`),
	good("host", host("my_host"), `GET /a body=""`),
	good("host", host("127.0.0.1:65535"), `GET /a body=""`),
	good("host", host("[2001:db8::1]:443"), `GET /a body=""`),
	{"host", "GET /a HTTP/1.0\r\n\r\n", []string{`GET /a body=""`}, []int{200}},

	good("absolute", head("GET http://x/a?b HTTP/1.1"), `GET http://x/a?b body="" authority=x`),
	good("absolute", head("GET HTTPS://X HTTP/1.1"), `GET HTTPS://X body="" authority=X`),
	good("absolute", head("GET http://x?b HTTP/1.1"), `GET http://x?b body="" authority=x`),
	bad("absolute", head("GET http://evil/a HTTP/1.1"), TargetHost),
	bad("absolute", head("GET http://x:80/a HTTP/1.1"), TargetHost),
	bad("absolute", head("GET http://a@x/a HTTP/1.1"), TargetHost),
	bad("absolute", head("GET http:///a HTTP/1.1"), TargetHost),
	bad("absolute", head("GET http://x\\@evil/a HTTP/1.1"), TargetBackslash),
	bad("absolute", head("GET ftp://x/a HTTP/1.1"), TargetForm),
	bad("absolute", head("GET x:80 HTTP/1.1"), TargetForm),
	bad("absolute", head("GET a/b HTTP/1.1"), TargetForm),
	bad("absolute", head("GET ?a HTTP/1.1"), TargetForm),
	bad("absolute", head("GET * HTTP/1.1"), TargetForm),
	bad("absolute", head("OPTIONS *x HTTP/1.1"), TargetForm),
	good("absolute", head("OPTIONS * HTTP/1.1"), `OPTIONS * body=""`),
	badAs("absolute", head("CONNECT x:443 HTTP/1.1"), `refused 405 method-connect host="x"`, 405),
	badAs("absolute", head("CONNECT /a HTTP/1.1"), `refused 405 method-connect host="x"`, 405),
	{"absolute", "GET http://x/a HTTP/1.0\r\n\r\n", []string{`GET http://x/a body="" authority=x`}, []int{200}},
}

var targetCases = []one{
	bad("target", head("GET /a b HTTP/1.1"), TargetSpace),
	bad("target", head("GET  /a HTTP/1.1"), TargetSpace),
	bad("target", head("GET /a  HTTP/1.1"), TargetSpace),
	bad("target", head("GET /a#b HTTP/1.1"), TargetFragment),
	bad("target", head("GET /?a#b HTTP/1.1"), TargetFragment),
	bad("target", head("GET /a\\b HTTP/1.1"), TargetBackslash),
	bad("target", head("GET /a\x00b HTTP/1.1"), TargetControl),
	bad("target", head("GET /a\tb HTTP/1.1"), TargetControl),
	bad("target", head("GET /?a=\x7f HTTP/1.1"), TargetControl),
	bad("target", head("GET /?a=\x1b[0m HTTP/1.1"), TargetControl),
	bad("target", head("GET /a\x80b HTTP/1.1"), TargetControl),
	bad("target", head("GET /?a=\x9b2J HTTP/1.1"), TargetControl),
	bad("target", head("GET /?a=\xc2\x85 HTTP/1.1"), TargetControl),
	bad("target", head("GET /?a=\xe2\x80 HTTP/1.1"), TargetControl),
	bad("target", head("GET /?\xd0\xb6=\xc0\x80 HTTP/1.1"), TargetControl),
	bad("target", head("GET /\xd0\xb6 \xd0\xb6 HTTP/1.1"), TargetSpace),
	bad("target", head("GET /\xd1\x80#\xd1\x80 HTTP/1.1"), TargetFragment),
	good("target", head("GET /\xd1\x80?\xf0\x9f\x98\x80=\xf0\xe8 HTTP/1.1"), "GET /\xd1\x80?\xf0\x9f\x98\x80=\xf0\xe8 body=\"\""),
	badAs("target", head("GET /a\rb HTTP/1.1"), `refused 400 bare-cr host=""`, 400),
	bad("target", head("GET /100% HTTP/1.1"), TargetPercent),
	bad("target", head("GET /%zz HTTP/1.1"), TargetPercent),
	bad("target", head("GET /%41%4 HTTP/1.1"), TargetPercent),
	good("target", head("GET /%41/%2e%2E/%00%5c//./a..;/ HTTP/1.1"), `GET /%41/%2e%2E/%00%5c//./a..;/ body=""`),
	good("target", head("GET /?a=100%&b=%zz\\|{}[]^`\"<>' HTTP/1.1"), "GET /?a=100%&b=%zz\\|{}[]^`\"<>' body=\"\""),
	good("target", head("GET /\xd0\xb6|{}[]^`\"<>?\xd0\xff HTTP/1.1"), "GET /\xd0\xb6|{}[]^`\"<>?\xd0\xff body=\"\""),
	good("target", head("GET //admin//?? HTTP/1.1"), `GET //admin//?? body=""`),
}

var methodCases = []one{
	badAs("method", head("GE(T /a HTTP/1.1"), `refused 400 method-invalid host=""`, 400),
	badAs("method", head(strings.Repeat("A", 33)+" /a HTTP/1.1"), `refused 400 method-too-long host=""`, 400),
	badAs("method", head(strings.Repeat("A", 300)+" /a HTTP/1.1"), `refused 400 method-too-long host=""`, 400),
	good("method", head(strings.Repeat("A", 32)+" /a HTTP/1.1"), strings.Repeat("A", 32)+` /a body=""`),
	good("method", head("get /a HTTP/1.1"), `get /a body=""`),
	good("method", head("TRACE /a HTTP/1.1"), `TRACE /a body=""`),
	good("method", get+"Content-Length: 3\r\n\r\nabc", `GET /a body="abc"`),
	good("method", get+"X-HTTP-Method-Override: DELETE\r\n\r\n", `GET /a body=""`),

	badAs("version", head("GET /a"), `refused 400 request-line host=""`, 400),
	badAs("version", head("GET"), `refused 400 request-line host=""`, 400),
	badAs("version", head("GET HTTP/1.1"), `refused 400 request-line host=""`, 400),
	badAs("version", head("GET /a http/1.1"), `refused 400 request-line host=""`, 400),
	bad("version", head("GET /a HTTP/1.10"), RequestLine),
	bad("version", head("GET /a HTTP/1.1\t"), RequestLine),
	badAs("version", head("GET /a HTTP/1.1 "), `refused 400 request-line host=""`, 400),
	badAs("version", head("GET /a HTTP/1.2"), `refused 505 http-version host="x"`, 505),
	badAs("version", head("GET /a HTTP/0.9"), `refused 505 http-version host="x"`, 505),
	badAs("version", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", `refused 505 http-version host=""`, 505),
}

var sizeCases = []one{
	badAs("size", head("GET /"+strings.Repeat("a", 16<<10)+" HTTP/1.1"), `refused 414 request-line-too-long host=""`, 414),
	badAs("size", "GET /"+strings.Repeat("a", 40<<10), `refused 414 request-line-too-long host=""`, 414),
	badAs("size", get+"Cookie: "+strings.Repeat("a", 64<<10)+"\r\n\r\n", `refused 431 head-too-large host="x"`, 431),
	badAs("size", get+strings.Repeat("Cookie: "+strings.Repeat("a", 1000)+"\r\n", 70)+"\r\n", `refused 431 head-too-large host="x"`, 431),
	badAs("size", get+strings.Repeat("A: b\r\n", 2000)+"\r\n", `refused 431 too-many-fields host="x"`, 431),
	badAs("size", get+strings.Repeat("A: b\r\n", 100)+"\r\n", `refused 431 too-many-fields host="x"`, 431),
	badAs("size", get+"Cookie: "+strings.Repeat("a=b; ", 13200)+"\r\n\r\n", `refused 431 head-too-large host="x"`, 431),
	good("size", get+strings.Repeat("A: b\r\n", 99)+"\r\n", `GET /a body=""`),
	good("size", head("GET /"+strings.Repeat("a", 16<<10-14)+" HTTP/1.1"), "GET /"+strings.Repeat("a", 16<<10-14)+` body=""`),
	good("size", get+"Cookie: "+strings.Repeat("a", 60<<10)+"\r\n\r\n", `GET /a body=""`),
}

func run(t *testing.T, row string) {
	e := serve(t, Limits{}, nil)
	n := 0
	for _, c := range cases {
		if c.row != row {
			continue
		}
		n++
		statuses := e.exchange(t, c.raw)
		if got := e.take(); !slices.Equal(got, c.want) {
			t.Errorf("%.200q:\nhandler saw %.300q\nwant        %.300q", c.raw, got, c.want)
		}
		if !slices.Equal(statuses, c.statuses) {
			t.Errorf("%.200q: answers %v, want %v", c.raw, statuses, c.statuses)
		}
	}
	if n == 0 {
		t.Fatal("no cases")
	}
}

// Rows 1 to 14, 20, 36 and 38 of the bad inputs that an edge must survive, as
// far as they concern one connection's bytes.

func TestRow01LengthAndCoding(t *testing.T)       { run(t, "both") }
func TestRow02DifferingLengths(t *testing.T)      { run(t, "length") }
func TestRow03OtherCodings(t *testing.T)          { run(t, "coding") }
func TestRow04BadChunks(t *testing.T)             { run(t, "chunk") }
func TestRow04TrailerSmuggling(t *testing.T)      { run(t, "trailer") }
func TestRow05TruncatedBody(t *testing.T)         { run(t, "cut") }
func TestRow06MalformedFields(t *testing.T)       { run(t, "field") }
func TestRow08ConnectionNamesFields(t *testing.T) { run(t, "connection") }
func TestRow09OddNames(t *testing.T)              { run(t, "odd") }
func TestRow10BadHosts(t *testing.T)              { run(t, "host") }
func TestRow12TargetForms(t *testing.T)           { run(t, "absolute") }
func TestRow14BytesInTarget(t *testing.T)         { run(t, "target") }
func TestRow35UnknownExpectation(t *testing.T)    { run(t, "expect") }
func TestRow36Methods(t *testing.T)               { run(t, "method") }
func TestRow20And38LargeHeads(t *testing.T)       { run(t, "size") }
func TestVersions(t *testing.T)                   { run(t, "version") }

// However the bytes arrive, what they mean is the same.
func TestDeliveryMakesNoDifference(t *testing.T) {
	e := serve(t, Limits{}, nil)
	for i, c := range cases {
		if testing.Short() && i%7 != 0 {
			continue
		}
		for _, step := range []int{1, 2, 7, 997} {
			e.step.Store(int64(step))
			statuses := e.exchange(t, c.raw)
			if got := e.take(); !slices.Equal(got, c.want) || !slices.Equal(statuses, c.statuses) {
				t.Errorf("%.200q, %d bytes at a time:\nhandler saw %.300q %v\nwant        %.300q %v", c.raw, step, got, statuses, c.want, c.statuses)
			}
		}
	}
}

func TestPipelinedRefusalComesLast(t *testing.T) {
	e := serve(t, Limits{}, nil)
	raw := get + "\r\n" + post + "Content-Length: 3\r\n\r\nabc" + get + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n" + next
	if got := e.exchange(t, raw); !slices.Equal(got, []int{200, 200, 400}) {
		t.Errorf("answers %v", got)
	}
	want := []string{`GET /a body=""`, `POST /p body="abc"`, refused(LengthCoding)}
	if got := e.take(); !slices.Equal(got, want) {
		t.Errorf("handler saw %q, want %q", got, want)
	}
}
