package reader_test

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"os"
	"testing"

	"github.com/qorgan/qorgan/differential/seen"
	"github.com/qorgan/qorgan/rulesets/reader"
)

// recorded reads what a real PHP answered; the differential test records it.
func recorded(t testing.TB) []seen.Recorded {
	t.Helper()
	f, err := os.Open("testdata/php.jsonl.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var out []seen.Recorded
	for d := json.NewDecoder(z); ; {
		var c seen.Recorded
		if err := d.Decode(&c); errors.Is(err, io.EOF) {
			return out
		} else if err != nil {
			t.Fatal(err)
		}
		out = append(out, c)
	}
}

// TestAsPHP compares the reader with what PHP was seen to do with the same
// bytes: fixed cases have the outcome that was laid down for them, and no
// accepted request has another reading.
func TestAsPHP(t *testing.T) {
	accepted, refused := 0, 0
	for _, c := range recorded(t) {
		for _, stream := range []bool{false, true} {
			r, err := c.Request.Read(stream)
			if c.Name != "" && ambiguity(err) != c.Want {
				t.Errorf("%s: got %v, want %q", c.Name, err, c.Want)
			}
			if err != nil {
				refused++
				continue
			}
			accepted++
			if c.View == nil {
				continue
			}
			if err := c.View.Compare(r); err != nil {
				t.Errorf("%s: %v\n%q", c.Name, err, c.Request.Wire("example.kz"))
			}
		}
	}
	if accepted < 500 || refused < 100 {
		t.Errorf("only %d accepted and %d refused", accepted, refused)
	}
}

func ambiguity(err error) string {
	var a *reader.Ambiguity
	if errors.As(err, &a) {
		return a.Name
	}
	if err != nil {
		return err.Error()
	}
	return ""
}
