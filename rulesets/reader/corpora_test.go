package reader_test

import (
	"bufio"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/rulesets/reader"
)

// TestCorpora counts the legitimate requests of a folder of corpora that are
// refused; QORGAN_CORPORA names the folder.
func TestCorpora(t *testing.T) {
	dir := os.Getenv("QORGAN_CORPORA")
	if dir == "" {
		t.Skip("QORGAN_CORPORA is not set")
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*.jsonl.gz"))
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) { corpus(t, path) })
	}
}

func corpus(t *testing.T, path string) {
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(z)
	lines.Buffer(nil, 64<<20)
	n, refused := 0, 0
	for lines.Scan() {
		var c struct {
			ID, Expected, Method, Path, Body string
			Body64                           string `json:"body_b64"`
			Headers                          [][2]string
		}
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		body := []byte(strings.ReplaceAll(c.Body, "{{HOST}}", "blog.example.kz"))
		if c.Body64 != "" {
			if body, err = base64.StdEncoding.DecodeString(c.Body64); err != nil {
				t.Fatal(err)
			}
		}
		fields := make([]event.Field, 0, len(c.Headers))
		for _, h := range c.Headers {
			fields = append(fields, event.Field{Name: h[0], Value: h[1]})
		}
		r, err := reader.Head(c.Method, c.Path, "HTTP/1.1", fields, reader.Limits{})
		if err == nil {
			err = r.ParseBody(body)
		}
		n++
		if err != nil {
			refused++
			if c.Expected == "pass" {
				t.Errorf("%s: %v", c.ID, err)
			} else {
				t.Logf("%s: %v", c.ID, err)
			}
		}
	}
	t.Logf("%d requests, %d refused", n, refused)
}
