package fastpath

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"testing"

	crstests "github.com/corazawaf/coraza-coreruleset/v4/tests"
	"github.com/goccy/go-yaml"

	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/rulesets/reader"
)

// sample is one request to judge.
type sample struct {
	name string
	r    *reader.Request
	body []byte
}

// regression returns the requests of the Core Rule Set's own tests.
func regression(tb testing.TB) []sample {
	tb.Helper()
	var out []sample
	err := fs.WalkDir(crstests.FS, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(p, ".yaml") {
			return err
		}
		data, err := fs.ReadFile(crstests.FS, p)
		if err != nil {
			return err
		}
		var f struct {
			Tests []struct {
				ID     int `yaml:"test_id"`
				Stages []struct {
					Input struct {
						Method  string            `yaml:"method"`
						URI     string            `yaml:"uri"`
						Version string            `yaml:"version"`
						Data    string            `yaml:"data"`
						Encoded string            `yaml:"encoded_request"`
						Headers map[string]string `yaml:"headers"`
					} `yaml:"input"`
				} `yaml:"stages"`
			} `yaml:"tests"`
		}
		if err := yaml.Unmarshal(data, &f); err != nil {
			return err
		}
		for _, t := range f.Tests {
			for _, s := range t.Stages {
				in := s.Input
				name := filepath.Base(p) + "#" + strconv.Itoa(t.ID)
				if in.Encoded != "" {
					raw, err := base64.StdEncoding.DecodeString(in.Encoded)
					if err != nil {
						return err
					}
					out = append(out, parseRaw(name, raw))
					continue
				}
				r := request(or(in.Method, "GET"), or(in.URI, "/"))
				r.Proto = or(in.Version, "HTTP/1.1")
				keys := make([]string, 0, len(in.Headers))
				for k := range in.Headers {
					keys = append(keys, k)
				}
				sort.Strings(keys)
				for _, k := range keys {
					r.Fields = append(r.Fields, event.Field{Name: k, Value: in.Headers[k]})
				}
				if in.Data != "" && in.Headers["Content-Length"] == "" {
					r.Fields = append(r.Fields, event.Field{Name: "Content-Length", Value: strconv.Itoa(len(in.Data))})
				}
				if in.Data != "" && in.Headers["Content-Type"] == "" {
					r.Fields = append(r.Fields, event.Field{Name: "Content-Type", Value: "application/x-www-form-urlencoded"})
				}
				out = append(out, sample{name, r, []byte(in.Data)})
			}
		}
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	return out
}

func or(s, def string) string {
	if s == "" {
		return def
	}
	return s
}

func parseRaw(name string, raw []byte) sample {
	head, body, _ := bytes.Cut(raw, []byte("\r\n\r\n"))
	lines := strings.Split(string(head), "\r\n")
	parts := strings.SplitN(lines[0], " ", 3)
	for len(parts) < 3 {
		parts = append(parts, "")
	}
	r := request(parts[0], parts[1])
	r.Proto = parts[2]
	for _, l := range lines[1:] {
		k, v, _ := strings.Cut(l, ":")
		if k != "" {
			r.Fields = append(r.Fields, event.Field{Name: k, Value: strings.TrimSpace(v)})
		}
	}
	return sample{name, r, body}
}

// corpora returns the requests of $QORGAN_CORPORA.
func corpora(tb testing.TB) []sample {
	tb.Helper()
	dir := os.Getenv("QORGAN_CORPORA")
	if dir == "" {
		tb.Skip("QORGAN_CORPORA names no folder")
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.jsonl.gz"))
	if err != nil {
		tb.Fatal(err)
	}
	var out []sample
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			tb.Fatal(err)
		}
		z, err := gzip.NewReader(bytes.NewReader(data))
		if err != nil {
			tb.Fatal(err)
		}
		sc := bufio.NewScanner(z)
		sc.Buffer(nil, 64<<20)
		for sc.Scan() {
			var q struct {
				ID      string      `json:"id"`
				Method  string      `json:"method"`
				Path    string      `json:"path"`
				Headers [][2]string `json:"headers"`
				Body    string      `json:"body"`
				Base64  []byte      `json:"body_b64"`
			}
			if err := json.Unmarshal(sc.Bytes(), &q); err != nil {
				tb.Fatal(err)
			}
			host := strings.NewReplacer("{{HOST}}", "example.kz")
			r := request(q.Method, host.Replace(q.Path), "Host", "example.kz")
			for _, h := range q.Headers {
				r.Fields = append(r.Fields, event.Field{Name: h[0], Value: host.Replace(h[1])})
			}
			body := q.Base64
			if q.Body != "" {
				body = []byte(host.Replace(q.Body))
			}
			if len(body) > 0 {
				r.Fields = append(r.Fields, event.Field{Name: "Content-Length", Value: strconv.Itoa(len(body))})
			}
			out = append(out, sample{q.ID, r, body})
		}
		if sc.Err() != nil {
			tb.Fatal(sc.Err())
		}
	}
	return out
}

// tally says how a run went.
type tally struct{ n, logged, clean, asked int }

func (t *tally) add(clean bool, logged []int) {
	t.n++
	switch {
	case len(logged) > 0:
		t.logged++
	case clean:
		t.clean++
	default:
		t.asked++
	}
}

func levels() []int {
	if s := os.Getenv("QORGAN_LEVELS"); s != "" {
		var out []int
		for _, f := range strings.Fields(s) {
			n, _ := strconv.Atoi(f)
			out = append(out, n)
		}
		return out
	}
	return []int{1, 2, 3, 4}
}

// every says which share of the samples a run judges: one in so many. All of
// them take Coraza minutes a level; QORGAN_FULL asks for that.
func every(level int) int {
	switch {
	case os.Getenv("QORGAN_FULL") != "":
		return 1
	case testing.Short():
		return 60
	case level == 1:
		return 4
	}
	return 16
}

func TestRegressionRequestsMatchNothingUnforeseen(t *testing.T) {
	samples := regression(t)
	for _, level := range levels() {
		o := oracleAt(t, level)
		var sum tally
		for i, s := range samples {
			if i%every(level) != 0 {
				continue
			}
			sum.add(o.check(t, s.name, s.r, s.body))
		}
		t.Logf("level %d: %d requests, %d logged by Coraza, %d clean, %d asked in vain", level, sum.n, sum.logged, sum.clean, sum.asked)
	}
}

func TestCorporaMatchNothingUnforeseen(t *testing.T) {
	samples := corpora(t)
	for _, level := range levels() {
		o := oracleAt(t, level)
		var sum tally
		for _, s := range samples {
			sum.add(o.check(t, s.name, s.r, s.body))
		}
		t.Logf("level %d: %d requests, %d logged by Coraza, %d clean, %d asked in vain", level, sum.n, sum.logged, sum.clean, sum.asked)
	}
}
