package main

import "testing"

const lenientSite = `
data: $DIR/data
http: 127.0.0.1:0
https: "off"
tls: {mode: "off"}
console: {listen: "off"}
rules: {extra: [$DIR/own.conf]}
sites:
  - {name: shop, hosts: [shop.example.kz], upstreams: $UPSTREAM, compat: true}
`

// TestHostileCompat: where an owner looks for an odd client, what has two
// readings is reported and goes on, an attack in it is refused all the same, and
// framing is as strict as ever.
func TestHostileCompat(t *testing.T) {
	f := newFortress(t, lenientSite)
	d := `Content-Disposition: form-data; name="comment"`
	f.run(t, []hostileCase{
		{name: "a byte order mark before JSON", send: post(jsonType, "\xef\xbb\xbf{\"a\":1}"), status: "200", event: "json-bom", seen: "{\"a\":1}"},
		{name: "one name twice", send: post(jsonType, `{"a":1,"a":2}`), status: "200", event: "json-duplicate-key", seen: `{"a":1,"a":2}`},
		{name: "an epilogue", send: post(partType, onePart(d, "hello")+"bye"), status: "200", event: "multipart-epilogue", seen: "hello"},
		{name: "an attack in a body with two readings", send: post(jsonType, "\xef\xbb\xbf{\"a\":\""+script+"\"}"), status: "403", event: "rule 941100"},
		{name: "an attack in a field before an epilogue", send: post(partType, onePart(d, script)+"bye"), status: "403", event: "rule 941100"},
		{name: "two lengths", send: postHead + "Content-Length: 3\r\nContent-Length: 4\r\n\r\na=1b", status: "400", event: "content-length-repeated"},
	})
}
