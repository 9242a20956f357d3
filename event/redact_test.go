package event

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"html"
	"net/url"
	"strconv"
	"strings"
	"testing"
)

var testRedactor = NewRedactor([]byte("0123456789abcdef"))

// The values below are invented; card numbers are the networks' published test
// numbers, the IIN and BIN only satisfy the control digit.
const (
	card  = "4111111111111111"
	iin   = "900101300860"
	mail  = "aigerim@example.kz"
	phone = "+77012345678"
)

func TestSecretName(t *testing.T) {
	for _, name := range []string{
		"pass", "pwd", "Password", "user_password", "userPassword", "pass1", "log[pwd]", "user[password]",
		"password[$ne]", "user.password", " password", "pass%77ord", "pass%2577ord", "%70wd", "_wpnonce",
		"woocommerce-login-nonce", "PHPSESSID", "session_id", "api_key", "apiKey", "API-KEY", "X-Api-Key",
		"X-WP-Nonce", "auth", "auth_token", "cvv", "card_cvc", "billing[pan]", "iin", "IIN", "company_bin",
		"otp", "pin-code", "csrf-token", "key", "stripe_secret", "ИИН", "access_token", "Authorization",
	} {
		if !SecretName(name) {
			t.Errorf("SecretName(%q) = false", name)
		}
	}
	for _, name := range []string{
		"author", "passenger", "company", "keyword", "monkey", "s", "page", "binary", "cabinet", "spanish",
		"pinned", "content", "log", "user_login", "meta_key", "User-Agent", "Host", "Accept", "",
	} {
		if SecretName(name) {
			t.Errorf("SecretName(%q) = true", name)
		}
	}
}

func TestControlDigits(t *testing.T) {
	// Every change of one digit must be noticed by both control digits.
	for _, tc := range []struct {
		name  string
		valid func([]byte) bool
		value string
	}{{"card", isCard, card}, {"IIN", isIIN, iin}} {
		if !tc.valid([]byte(tc.value)) {
			t.Fatalf("%s %s is refused", tc.name, tc.value)
		}
		for i := range tc.value {
			d := []byte(tc.value)
			d[i] = '0' + (d[i]-'0'+1)%10
			if tc.valid(d) {
				t.Errorf("%s %s with digit %d changed is accepted", tc.name, d, i)
			}
		}
	}
}

// encodings are the ways in which a secret may stand in a text.
var encodings = map[string]func(string) string{
	"plain":           func(s string) string { return s },
	"percent":         url.QueryEscape,
	"percent-all":     func(s string) string { return each(s, "%%%02X") },
	"percent-lower":   func(s string) string { return each(s, "%%%02x") },
	"percent-twice":   func(s string) string { return url.QueryEscape(each(s, "%%%02X")) },
	"percent-thrice":  func(s string) string { return url.QueryEscape(url.QueryEscape(each(s, "%%%02X"))) },
	"percent-mixed":   func(s string) string { return s[:2] + each(s[2:5], "%%%02x") + s[5:] },
	"percent-u":       func(s string) string { return each(s, "%%u%04x") },
	"entities":        func(s string) string { return each(s, "&#%d;") },
	"entities-hex":    func(s string) string { return each(s, "&#x%x;") },
	"entities-bare":   func(s string) string { return html.EscapeString(strings.ReplaceAll(s, "@", "&commat;")) },
	"json-u":          func(s string) string { return each(s, `\u%04x`) },
	"backslash-x":     func(s string) string { return each(s, `\x%02x`) },
	"json-u-percent":  func(s string) string { return url.QueryEscape(each(s, `\u%04x`)) },
	"full-width":      func(s string) string { return each(s, "", 0xFEE0) },
	"base64":          func(s string) string { return base64.StdEncoding.EncodeToString([]byte("value " + s)) },
	"base64-url":      func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte("v=" + s)) },
	"base64-percent":  func(s string) string { return url.QueryEscape(base64.StdEncoding.EncodeToString([]byte("the " + s))) },
	"base64-in-path":  func(s string) string { return "/files/" + base64.StdEncoding.EncodeToString([]byte("  "+s+"  ")) },
	"base64-twice":    func(s string) string { return b64(b64("value " + s)) },
	"hex":             func(s string) string { return hex.EncodeToString([]byte(s)) },
	"glued-to-letter": func(s string) string { return "x" + s },
	"quoted":          strconv.Quote,
}

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

func each(s, format string, shift ...rune) string {
	var b strings.Builder
	for _, c := range s {
		if len(shift) > 0 {
			b.WriteRune(c + shift[0])
		} else {
			fmt.Fprintf(&b, format, c)
		}
	}
	return b.String()
}

// leaks looks for secret in text as it stands, decoded and stripped of
// everything but its own kind of character.
func leaks(text, secret string) bool {
	decoded := text
	for range 4 {
		if strings.Contains(decoded, secret) {
			return true
		}
		decoded = html.UnescapeString(decoded)
		if d, err := url.QueryUnescape(decoded); err == nil {
			decoded = d
		}
	}
	return false
}

func TestShapesInEveryEncoding(t *testing.T) {
	secrets := map[string]string{"card": card, "iin": iin, "mail": mail, "phone": phone}
	for name, encode := range encodings {
		for kind, secret := range secrets {
			if name == "glued-to-letter" && (kind == "phone" || kind == "mail") {
				continue // "x+7701…" is found by its plus, an address only grows
			}
			e := encode(secret)
			for where, got := range map[string]string{
				"text":   testRedactor.Text("before " + e + " after"),
				"target": testRedactor.Target("/a?q=" + e + "&b=1"),
				"header": testRedactor.Field(Field{"X-Note", e}).Value,
				"match":  testRedactor.Match(Match{Variable: "ARGS", Key: "q", Value: e, Data: "Matched Data: x found within ARGS:q: " + e}).Value,
			} {
				if !strings.Contains(got, maskOpen) || strings.Contains(got, e) || leaks(got, secret) {
					t.Errorf("%s, %s in a %s: %q became %q", kind, name, where, e, got)
				}
			}
		}
	}
}

func TestNamedSecrets(t *testing.T) {
	const secret = "Kupiya-soz 7"
	e := url.QueryEscape(secret)
	for _, in := range []string{
		"log=admin&pwd=" + e + "&rememberme=1",
		"user%5Bpassword%5D=" + e,
		"user[password][]=" + e,
		"p%61ssword=" + e,
		`{"user":"a","password":"` + secret + `","x":1}`,
		`{"user":"a","password" : "` + secret + `"}`,
		`{\"password\":\"` + secret + `\",\"x\":1}`,
		`{"secret":{"a":["` + secret + `"]},"x":1}`,
		url.QueryEscape(`{"password":"` + secret + `"}`),
		`<password>` + secret + `</password>`,
		`<ns:password xml:lang="x"><![CDATA[` + secret + `]]></ns:password>`,
		`<name>password</name><value><string>` + secret + `</string></value>`,
		"--b\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\n" + secret + "\r\n--b--",
		"--b\r\nContent-Disposition: form-data; name=\"pwd\"\r\nContent-Type: text/plain\r\n\r\n" + secret + "\r\n--b--",
		`a:1:{s:8:"password";s:12:"` + secret + `";}`,
		"password: " + secret,
		"Password = '" + secret + "'",
		"array('password' => '" + secret + "')",
		`["password","` + secret + `"]`,
		"https://admin:" + e + "@example.kz/",
		b64(`{"password":"` + secret + `"}`),
	} {
		for where, got := range map[string]string{
			"text":  testRedactor.Text(in),
			"match": testRedactor.Match(Match{Variable: "REQUEST_BODY", Value: in}).Value,
		} {
			if leaks(got, secret) || strings.Contains(got, "soz") {
				t.Errorf("%s: %q became %q", where, in, got)
			}
			if !strings.Contains(got, maskOpen) {
				t.Errorf("%s: %q became %q, without a mask", where, in, got)
			}
		}
	}
}

func TestTarget(t *testing.T) {
	m := testRedactor.mask
	for _, tc := range []struct{ in, want string }{
		{"/", "/"},
		{"/?s=1'+OR+1=1--", "/?s=1'+OR+1=1--"},
		{"/wp-login.php?log=a&pwd=b+c%21&x=1", "/wp-login.php?log=a&pwd=" + m("b c!") + "&x=1"},
		{"/?pwd=&x=1", "/?pwd=&x=1"},
		{"/?author=1&keyword=a", "/?author=1&keyword=a"},
		{"/?mail=a%40b.kz", "/?mail=" + m("a@b.kz")},
		{"/?meta_key=1'", "/?meta_key=1'"},
		{"/reset/;jsessionid=ABC?x", "/reset/;jsessionid=" + m("ABC?x")},
		{"http://u:p@h.kz/a", "http://" + m("p@h.kz") + "/a"},
		{"/?" + card, "/?" + m(card)},
		{"/?_wpnonce=1f2e3d4c", "/?_wpnonce=" + m("1f2e3d4c")},
	} {
		got := testRedactor.Target(tc.in)
		if got != tc.want {
			t.Errorf("Target(%q) = %q; want %q", tc.in, got, tc.want)
		}
		if again := testRedactor.Target(got); again != got {
			t.Errorf("Target(%q) is not stable: %q", got, again)
		}
	}
	if got := testRedactor.Target("/" + strings.Repeat("x", 1<<20)); len(got) > MaxTarget+len("…") {
		t.Errorf("a long target keeps %d bytes", len(got))
	}
}

func TestField(t *testing.T) {
	m := testRedactor.mask
	for _, tc := range []struct{ name, in, want string }{
		{"Cookie", "a=1; wordpress_logged_in_x=u|2|3", "a=" + m("1") + "; wordpress_logged_in_x=" + m("u|2|3")},
		{"cookie", "bare", m("bare")},
		{"Set-Cookie", "sid=abc; Path=/; HttpOnly", "sid=" + m("abc") + "; Path=/; HttpOnly"},
		{"Authorization", "Basic YTpi", "Basic " + m("YTpi")},
		{"Proxy-Authorization", "secretvalue", m("secretvalue")},
		{"X-WP-Nonce", "abcdef", m("abcdef")},
		{"X-API-Key", "abcdef", m("abcdef")},
		{"Referer", "https://a.kz/?token=x&y=1", "https://a.kz/?token=" + m("x") + "&y=1"},
		{"X-Note", "Bearer abcdefgh1234", "Bearer " + m("abcdefgh1234")},
		{"User-Agent", "Mozilla/5.0 (X11; Linux x86_64) Chrome/140.0.0.0", "Mozilla/5.0 (X11; Linux x86_64) Chrome/140.0.0.0"},
		{"X-Forwarded-For", "192.168.100.200, 10.0.0.1", "192.168.100.200, 10.0.0.1"},
		{"Date", "Tue, 24 Nov 2026 08:22:11 GMT", "Tue, 24 Nov 2026 08:22:11 GMT"},
	} {
		got := testRedactor.Field(Field{tc.name, tc.in})
		if got.Value != tc.want || got.Name != tc.name {
			t.Errorf("Field(%s: %q) = %s: %q; want %q", tc.name, tc.in, got.Name, got.Value, tc.want)
		}
		if again := testRedactor.Field(got); again != got {
			t.Errorf("Field(%s: %q) is not stable: %q", tc.name, got.Value, again.Value)
		}
	}
}

func TestMatchClipsAroundTheMatch(t *testing.T) {
	attack := "<script>alert(1)</script>"
	value := strings.Repeat("қазақша ", 4000) + attack + strings.Repeat(" мәтін", 4000)
	got := testRedactor.Match(Match{
		Variable: "ARGS", Key: "comment", Value: value,
		Data: "Matched Data: " + attack + " found within ARGS:comment: " + value,
	})
	if !strings.Contains(got.Value, attack) {
		t.Errorf("the match is cut off: %q", got.Value)
	}
	if n := len(got.Value); n > MaxMatch+2*len("…") {
		t.Errorf("%d bytes are kept", n)
	}
	if want := "Matched Data: " + attack + " found within ARGS:comment"; got.Data != want {
		t.Errorf("Data = %q; want %q", got.Data, want)
	}
}

func TestMatchHidesSecretVariables(t *testing.T) {
	const secret = "' OR hunter2"
	for _, m := range []Match{
		{Variable: "ARGS", Key: "pwd"},
		{Variable: "ARGS_POST", Key: "user[password]"},
		{Variable: "REQUEST_COOKIES", Key: "theme"},
		{Variable: "REQUEST_HEADERS", Key: "Authorization"},
		{Variable: "REQUEST_HEADERS", Key: "cookie"},
		{Variable: "ARGS", Key: "json.user.password"},
	} {
		m.Value = secret
		m.Data = "Matched Data: " + secret + " found within " + m.Variable + ":" + m.Key + ": " + secret
		got := testRedactor.Match(m)
		if strings.Contains(got.Value+got.Data, "hunter2") {
			t.Errorf("%s:%s keeps %q, %q", m.Variable, m.Key, got.Value, got.Data)
		}
		m.Data = "free text with " + secret
		if got := testRedactor.Match(m); strings.Contains(got.Data, "hunter2") {
			t.Errorf("%s:%s keeps %q", m.Variable, m.Key, got.Data)
		}
	}
}

func TestXMLRPCPasswords(t *testing.T) {
	call := `<?xml version="1.0"?><methodCall><methodName>wp.getUsersBlogs</methodName><params>` +
		`<param><value><string>admin</string></value></param><param><value>hunter2</value></param></params></methodCall>`
	multi := `<methodCall><methodName>system.multicall</methodName><params><param><value><array><data><value><struct><member>` +
		`<name>methodName</name><value><string>wp.getUsersBlogs</string></value></member><member><name>params</name><value><array><data>` +
		`<value><array><data><value><string>admin</string></value><value><string>hunter2</string></value></data></array></value></data></array></value></member></struct></value>`
	for _, m := range []Match{
		{Variable: "REQUEST_BODY", Value: call},
		{Variable: "REQUEST_BODY", Value: multi},
		{Variable: "ARGS", Key: "xmlrpc.params.1", Value: "hunter2"},
		{Variable: "ARGS", Key: "xmlrpc.params.0.12.params.1", Value: "hunter2"},
		{Variable: "XML", Value: "wp.getUsersBlogs admin hunter2 <script>", Data: "Matched Data: <script> found within XML"},
		{Variable: "XML", Value: "wp.getUsersBlogs admin hunter2 <script>"},
	} {
		if got := testRedactor.Match(m); strings.Contains(got.Value, "hunter2") {
			t.Errorf("%s:%s keeps %q", m.Variable, m.Key, got.Value)
		}
	}
	attack := Match{Variable: "ARGS", Key: "xmlrpc.params.3.description", Value: "<script>alert(1)</script>"}
	if got := testRedactor.Match(attack); got.Value != attack.Value {
		t.Errorf("what is no password became %q", got.Value)
	}
}

func TestSameSecretSameDigits(t *testing.T) {
	want := testRedactor.mask("h&llo")
	for where, got := range map[string]string{
		"target": testRedactor.Target("/?pwd=h%26llo"),
		"value":  testRedactor.Value("pwd", "h&llo"),
		"match":  testRedactor.Match(Match{Variable: "ARGS", Key: "pwd", Value: "h&llo"}).Value,
		"json":   testRedactor.Text(`{"pwd":"h&llo"}`),
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%s: %q lacks %q", where, got, want)
		}
	}
	spaced := testRedactor.Text("4111 1111 1111 1111")
	if plain := testRedactor.Text(card); spaced != plain {
		t.Errorf("one card, two masks: %q and %q", spaced, plain)
	}
	if other := NewRedactor([]byte("another key, long")).Value("pwd", "h&llo"); other == want {
		t.Error("two keys give one mask")
	}
}

func TestNumbersThatAreNotSecret(t *testing.T) {
	for _, in := range []string{
		"1 AND 1234=1234", "SLEEP(10)", "2026-11-24 08:22:11", "192.168.100.200", "1764000000",
		"id=12345", "550e8400-e29b-41d4-a716-446655440000", "Chrome/140.0.7339.80", "4111111111111112",
		"0123456789", "e3b0c44298fc1c149afbf4c8996fb924",
	} {
		if got := testRedactor.Text(in); got != in {
			t.Errorf("Text(%q) = %q", in, got)
		}
	}
}

func TestNumbersThatAreSecret(t *testing.T) {
	for _, in := range []string{
		"4111-1111-1111-1111", "4111 1111 1111 1111", "5500005555555559", "12 4111 1111 1111 1111 3",
		"900101300860", "8 701 234 56 78", "8(701)234-56-78", "+7 (701) 234-56-78", "77012345678",
		"+44 20 7946 0958", "701 234 56 78",
	} {
		if got := testRedactor.Text(in); !strings.Contains(got, maskOpen) {
			t.Errorf("Text(%q) = %q", in, got)
		}
	}
}

// FuzzPlantedSecret puts a secret into attacker-made surroundings and looks
// for it in everything that leaves.
func FuzzPlantedSecret(f *testing.F) {
	f.Add("a=1&", "&b=2", byte(0), byte(0))
	f.Add("' OR '1'='1", "--", byte(1), byte(3))
	f.Add("<script>", "</script>", byte(2), byte(7))
	f.Add("%", "%4", byte(3), byte(2))
	f.Add("‹hidden:", "›", byte(0), byte(12))
	names := make([]string, 0, len(encodings))
	for name := range encodings {
		switch name {
		case "base64", "base64-url", "base64-percent", "base64-in-path", "base64-twice", "hex", "percent-thrice":
			// Surroundings may run into the blob, or add a layer.
		default:
			names = append(names, name)
		}
	}
	secrets := []string{card, iin, mail}
	f.Fuzz(func(t *testing.T, before, after string, kind, how byte) {
		if len(before)+len(after) > 2000 {
			return
		}
		secret := secrets[int(kind)%len(secrets)]
		encoded := encodings[names[int(how)%len(names)]](secret)
		in := before + " " + encoded + " " + after
		for where, got := range map[string]string{
			"text":   testRedactor.Text(in),
			"target": testRedactor.Target("/?q=" + in),
			"header": testRedactor.Field(Field{"X-Note", in}).Value,
			"cookie": testRedactor.Field(Field{"Cookie", "a=" + in}).Value,
			"match":  testRedactor.Match(Match{Variable: "ARGS", Key: "q", Value: in, Data: in}).Value,
			"data":   testRedactor.Match(Match{Variable: "ARGS", Key: "q", Value: in, Data: in}).Data,
			"named":  testRedactor.Value("pwd", in),
		} {
			if strings.Contains(got, encoded) && !strings.Contains(before+after, encoded) || leaks(got, secret) && !leaks(before+after, secret) {
				t.Errorf("%s: %q became %q", where, in, got)
			}
		}
	})
}

func BenchmarkTarget(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		testRedactor.Target("/index.php?id=1%27%20UNION%20SELECT%20user_pass%20FROM%20wp_users--&pwd=abc&page=2")
	}
}
