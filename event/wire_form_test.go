package event

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode"
)

// FuzzWireForm holds that an event is the same on the other side, that its form
// is one line without control characters, and that a byte which is no text
// arrives as one that says so, not as another.
func FuzzWireForm(f *testing.F) {
	f.Add("/?q=<script>", "X-A", "1\r\n2", "942100", int64(1))
	f.Add("/\x1b[2J\u2028\xff", "\x00", "\xed\xa0\x80", "", int64(-1))
	f.Fuzz(func(t *testing.T, target, name, value, message string, n int64) {
		id, code := NewID()
		e := Event{ID: id, Code: code, Time: time.Unix(0, n).UTC(), Site: message, Kind: KindProtocol, Action: Blocked, Status: int(n % 600), Judge: time.Duration(n),
			Request: Request{Method: name, Target: target, Headers: []Field{{name, value}, {value, name}}, Bytes: n},
			Rules:   []int{int(n % 1e6)},
			Matches: []Match{{Rule: int(n % 1e6), Message: message, Variable: "ARGS", Key: name, Value: value, Data: target, Tags: []string{message}}}}
		b, err := json.Marshal(e)
		if err != nil {
			if y := e.Time.Year(); y < 0 || y > 9999 {
				return
			}
			t.Fatal(err)
		}
		for i := range b {
			if b[i] < ' ' {
				t.Fatalf("a control character at %d of %q", i, b)
			}
		}
		for _, r := range string(EscapeControls(b)) {
			if unicode.IsControl(r) {
				t.Fatalf("%U in %q", r, EscapeControls(b))
			}
		}
		var got, shown Event
		if err := json.Unmarshal(b, &got); err != nil {
			t.Fatalf("%v: %s", err, b)
		}
		if err := json.Unmarshal(EscapeControls(b), &shown); err != nil || !reflect.DeepEqual(shown, got) {
			t.Fatalf("%v: escaped %+v, before %+v", err, shown, got)
		}
		// Read as text, once and for all.
		for _, s := range []*string{&e.Site, &e.Request.Method, &e.Request.Target, &e.Matches[0].Message, &e.Matches[0].Key, &e.Matches[0].Value, &e.Matches[0].Data, &e.Matches[0].Tags[0]} {
			*s = strings.Map(func(r rune) rune { return r }, *s)
		}
		for i := range e.Request.Headers {
			h := &e.Request.Headers[i]
			h.Name, h.Value = strings.Map(func(r rune) rune { return r }, h.Name), strings.Map(func(r rune) rune { return r }, h.Value)
		}
		if !reflect.DeepEqual(got, e) {
			t.Fatalf("sent %+v\nread %+v", e, got)
		}
		again, err := json.Marshal(got)
		if err != nil || string(again) != string(b) && !strings.Contains(string(b), `\ufffd`) {
			t.Fatalf("sent again %s, first %s (%v)", again, b, err)
		}
	})
}
