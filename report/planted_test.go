package report_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"math/rand/v2"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/qorgan/qorgan/console/store"
	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/report/outbox"
	"github.com/qorgan/qorgan/report/wire"
)

func each(s, format string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		fmt.Fprintf(&b, format, c)
	}
	return b.String()
}

// inner are the ways in which a value is written, outer what it is wrapped in.
var (
	inner = []struct {
		name string
		do   func(string) string
	}{
		{"plain", func(s string) string { return s }},
		{"percent", func(s string) string { return each(s, "%%%02X") }},
		{"percent-lower", func(s string) string { return each(s, "%%%02x") }},
		{"percent-u", func(s string) string { return each(s, "%%u%04x") }},
		{"entities", func(s string) string { return each(s, "&#%d;") }},
		{"entities-padded", func(s string) string { return each(s, "&#%07d;") }},
		{"entities-hex", func(s string) string { return each(s, "&#x%x;") }},
		{"json-u", func(s string) string { return each(s, `\u%04x`) }},
		{"backslash-x", func(s string) string { return each(s, `\x%02x`) }},
		{"base64", func(s string) string { return base64.StdEncoding.EncodeToString([]byte("value " + s)) }},
		{"base64-url", func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte("v=" + s + "?>")) }},
		{"hex", func(s string) string { return hex.EncodeToString([]byte("v:" + s)) }},
	}
	outer = []struct {
		name string
		do   func(string) string
	}{
		{"", func(s string) string { return s }},
		{" in percent", url.QueryEscape},
		{" in percent twice", func(s string) string { return url.QueryEscape(url.QueryEscape(s)) }},
		{" in JSON", func(s string) string { b, _ := json.Marshal(map[string]string{"a": s}); return string(b) }},
		{" in HTML", func(s string) string { return "<p>" + html.EscapeString(s) + "</p>" }},
	}
)

func digits(r *rand.Rand, n int) []byte {
	d := make([]byte, n)
	for i := range d {
		d[i] = byte('0' + r.IntN(10))
	}
	return d
}

// cardNumber ends with the digit of ISO/IEC 7812.
func cardNumber(r *rand.Rand) string {
	d := digits(r, 15)
	d[0] = '4'
	sum := 0
	for i, c := range d {
		v := int(c - '0')
		if i%2 == 0 {
			if v *= 2; v > 9 {
				v -= 9
			}
		}
		sum += v
	}
	return string(d) + strconv.Itoa((10-sum%10)%10)
}

// identityNumber is an IIN: a day of birth, a century, a number, a control
// digit by one of two rows of weights.
func identityNumber(r *rand.Rand) string {
	for {
		s := fmt.Sprintf("%02d%02d%02d%d%s", 50+r.IntN(50), 1+r.IntN(12), 1+r.IntN(28), 3+r.IntN(2), digits(r, 4))
		a, b := 0, 0
		for i, c := range []byte(s) {
			a += (i + 1) * int(c-'0')
			b += ((i+2)%11 + 1) * int(c-'0')
		}
		if a%11 < 10 {
			return s + strconv.Itoa(a%11)
		}
		if b%11 < 10 {
			return s + strconv.Itoa(b%11)
		}
	}
}

func letters(r *rand.Rand, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = "abcdefghijkmnpqrstuvwxyz23456789"[r.IntN(32)]
	}
	return string(b)
}

// planted is a secret, how it is written and what of the request it stands in.
type planted struct {
	kind, encoding, secret, written string
}

// shapes are secrets wherever they stand, named ones by the name before them.
var (
	shapes = []string{"card", "iin", "mail", "phone"}
	named  = map[string]string{"password": "pwd", "token": "api_token", "nonce": "_wpnonce", "session": "PHPSESSID"}
)

func plant(r *rand.Rand, n int) (p planted, q event.Request, m event.Match) {
	in, out := inner[n%len(inner)], outer[n/len(inner)%len(outer)]
	kinds := append(slices.Clone(shapes), "password", "token", "nonce", "session", "authorization")
	p.kind, p.encoding = kinds[n/60%len(kinds)], in.name+out.name
	switch p.kind {
	case "card":
		p.secret = cardNumber(r)
	case "iin":
		p.secret = identityNumber(r)
	case "mail":
		p.secret = letters(r, 10) + "@" + letters(r, 6) + ".kz"
	case "phone":
		p.secret = "+7701" + string(digits(r, 7))
	default:
		p.secret = letters(r, 18)
	}
	p.written = out.do(in.do(p.secret))
	q = event.Request{Method: "POST", Host: "shop.kz", Target: "/", Proto: "HTTP/1.1", Headers: []event.Field{{Name: "User-Agent", Value: "x"}}}
	name := named[p.kind]
	m = event.Match{Rule: 942100, Variable: "ARGS", Key: "q", Value: p.written, Data: "Matched Data: union found within ARGS:q: " + p.written}
	switch {
	case p.kind == "authorization":
		q.Headers = append(q.Headers, event.Field{Name: "Authorization", Value: "Bearer " + p.written}, event.Field{Name: "X-Api-Key", Value: p.written})
		m.Variable, m.Key = "REQUEST_HEADERS", "Authorization"
	case p.kind == "session":
		q.Headers = append(q.Headers, event.Field{Name: "Cookie", Value: "a=1; " + name + "=" + p.written})
		m.Variable, m.Key = "REQUEST_COOKIES", name
	case name != "":
		q.Target = "/?a=1&" + name + "=" + url.QueryEscape(p.written)
		m.Key = name
		m.Data = "Matched Data: union found within ARGS:" + name + ": " + p.written
	default:
		q.Target = "/?q=" + url.QueryEscape(p.written)
		q.Headers = append(q.Headers, event.Field{Name: "X-Note", Value: p.written}, event.Field{Name: "Referer", Value: "https://shop.kz/?x=" + url.QueryEscape(p.written)})
	}
	return p, q, m
}

// TestPlantedSecrets plants secrets in requests, in sixty encodings, has them
// masked as an edge does, and looks for them in the bytes of the store and of
// the outbox: as they are, as they were written, and decoded.
// QORGAN_SECRETS is how many; 1,080 by default, which is every kind in every
// encoding twice.
func TestPlantedSecrets(t *testing.T) {
	count, err := strconv.Atoi(os.Getenv("QORGAN_SECRETS"))
	if err != nil {
		count = 2 * 60 * 9
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	mask := event.NewRedactor([]byte("a key of this test's own"))
	dir := t.TempDir()
	db, err := store.Open(t.Context(), filepath.Join(dir, store.File))
	if err != nil {
		t.Fatal(err)
	}
	box, err := outbox.Open(outbox.Options{Dir: filepath.Join(dir, "outbox")})
	if err != nil {
		t.Fatal(err)
	}
	var logged bytes.Buffer
	log := zerolog.New(&logged)
	var all []planted
	var kept bytes.Buffer // what the outbox holds, inflated
	for n := 0; n < count; n += 60 {
		var batch []event.Event
		var records [][]byte
		for i := n; i < min(n+60, count); i++ {
			p, q, m := plant(r, i)
			id, code := event.NewID()
			e := event.Event{ID: id, Code: code, Time: time.Now(), Site: "shop.kz", Kind: event.KindRule, Action: event.Blocked,
				Client: event.Client{Addr: netip.MustParseAddr("203.0.113.7")}, Request: mask.Request(q), Matches: []event.Match{mask.Match(m)}, Rules: []int{m.Rule}}
			record, err := wire.Item{Event: &e}.Encode()
			if err != nil {
				t.Fatal(err)
			}
			log.Info().Str("target", e.Request.Target).Interface("event", e).Msg("refused")
			all, batch, records = append(all, p), append(batch, e), append(records, record)
			kept.Write(record)
		}
		if err := db.Insert(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
		if err := box.Append(records); err != nil {
			t.Fatal(err)
		}
	}
	for _, err := range []error{db.Close(), box.Close()} {
		if err != nil {
			t.Fatal(err)
		}
	}
	file, err := os.ReadFile(filepath.Join(dir, store.File))
	if err != nil {
		t.Fatal(err)
	}
	leaks := map[string]int{}
	for where, text := range map[string][]byte{"store": file, "outbox": kept.Bytes(), "log": logged.Bytes()} {
		for i, found := range appearing(text, all) {
			if found {
				leaks[where+": "+all[i].kind+", "+all[i].encoding]++
			}
		}
	}
	sum := 0
	for what, n := range leaks {
		t.Errorf("%d times in %s", n, what)
		sum += n
	}
	t.Logf("%d secrets in %d encodings, %d found", count, len(inner)*len(outer), sum)
}

// appearing says which secrets stand in a text, as they are or as they were
// written, the text as it is, with the escapes of JSON, of addresses and of
// HTML undone.
func appearing(text []byte, all []planted) []bool {
	const head = 8
	index := map[string][]int{}
	needles := make([][2]string, len(all))
	for i, p := range all {
		needles[i] = [2]string{p.secret, p.written}
		for _, n := range needles[i] {
			// The middle of what was written is the secret's own: its ends
			// are the wrapping's.
			at := max(0, len(n)/2-head/2)
			index[n[at:at+head]] = append(index[n[at:at+head]], i)
		}
	}
	found := make([]bool, len(all))
	for range 4 {
		for at := 0; at+head <= len(text); at++ {
			for _, i := range index[string(text[at:at+head])] {
				for _, n := range needles[i] {
					from := at - max(0, len(n)/2-head/2)
					if from >= 0 && bytes.HasPrefix(text[from:], []byte(n)) {
						found[i] = true
					}
				}
			}
		}
		s := strings.NewReplacer(`\u0026`, "&", `\u003c`, "<", `\u003e`, ">", `\"`, `"`, `\\`, `\`).Replace(string(text))
		text = []byte(unescape(html.UnescapeString(s)))
	}
	return found
}

// unescape undoes what percent signs say, wherever they say it.
func unescape(s string) string {
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if v, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
				b = append(b, byte(v))
				i += 2
				continue
			}
		}
		b = append(b, s[i])
	}
	return string(b)
}
