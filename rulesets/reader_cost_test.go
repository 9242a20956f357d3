package rulesets

import (
	"bufio"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	coreruleset "github.com/corazawaf/coraza-coreruleset/v4"
	"github.com/corazawaf/coraza/v3"

	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/rulesets/reader"
)

// BenchmarkStrictReadersOverCorpora judges the benign requests of a folder of
// corpora with plain Coraza, and with the strict readers in front of it, in turn.
// Of each request and way the quickest of eight rounds counts, so that what else
// the machine does falls out; the p99 is over the requests. QORGAN_CORPORA names
// the folder. It measures itself: -benchtime 1x.
func BenchmarkStrictReadersOverCorpora(b *testing.B) {
	dir := os.Getenv("QORGAN_CORPORA")
	if dir == "" {
		b.Skip("QORGAN_CORPORA is not set")
	}
	waf, err := coraza.NewWAF(coraza.NewWAFConfig().WithRootFS(coreruleset.FS).WithDirectives(
		"Include @coraza.conf-recommended\nInclude @crs-setup.conf.example\nInclude @owasp_crs/*.conf\n"))
	if err != nil {
		b.Fatal(err)
	}
	const rounds, every = 8, 12
	files, err := filepath.Glob(filepath.Join(dir, "*.jsonl.gz"))
	if err != nil {
		b.Fatal(err)
	}
	var loads []corpusRequest
	for _, path := range files {
		loads = append(loads, benign(b, path, every)...)
	}
	for b.Loop() {
		best := [2][]time.Duration{make([]time.Duration, len(loads)), make([]time.Duration, len(loads))}
		var cpu [2]time.Duration
		for round := range rounds {
			for i, l := range loads {
				for turn := range 2 {
					way := (turn + round + i) % 2 // nobody always follows the other
					before, start := processTime(), time.Now()
					r := &reader.Request{Method: l.method, Target: l.target, Proto: "HTTP/1.1", Fields: l.fields}
					if way == 1 {
						r, err = reader.Head(l.method, l.target, "HTTP/1.1", l.fields, reader.Limits{})
						if err == nil {
							err = r.ParseBody([]byte(l.body))
						}
						if err != nil {
							b.Fatalf("%s %s: %v", l.method, l.target, err)
						}
					}
					bare(b, waf, r, l.body)
					took := time.Since(start)
					cpu[way] += processTime() - before
					if round == 0 || took < best[way][i] {
						best[way][i] = took
					}
				}
			}
		}
		for way, name := range []string{"without", "strict"} {
			slices.Sort(best[way])
			at := func(share int) float64 { return float64(best[way][len(best[way])*share/100].Nanoseconds()) / 1e3 }
			b.ReportMetric(at(50), name+"-p50-µs")
			b.ReportMetric(at(99), name+"-p99-µs")
			b.ReportMetric(float64(cpu[way].Microseconds())/float64(rounds*len(loads)), name+"-cpu-µs")
		}
		p99 := len(loads) * 99 / 100
		b.ReportMetric(math.Round((float64(best[1][p99])/float64(best[0][p99])-1)*1e4)/1e2, "p99-%")
		b.ReportMetric(math.Round((float64(cpu[1])/float64(cpu[0])-1)*1e4)/1e2, "cpu-%")
		b.ReportMetric(float64(len(loads)), "requests")
	}
}

// processTime is the processor time that the process has had.
func processTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

type corpusRequest struct {
	method, target, body string
	fields               []event.Field
}

// benign reads every so manyth of a corpus's requests that are to pass.
func benign(b *testing.B, path string, every int) (list []corpusRequest) {
	f, err := os.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		b.Fatal(err)
	}
	lines := bufio.NewScanner(z)
	lines.Buffer(nil, 64<<20)
	for n := 0; lines.Scan(); {
		var c struct {
			Expected, Method, Path, Body string
			Body64                       string `json:"body_b64"`
			Headers                      [][2]string
		}
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			b.Fatal(err)
		}
		if c.Expected != "pass" {
			continue
		}
		if n++; n%every != 0 {
			continue
		}
		body := strings.ReplaceAll(c.Body, "{{HOST}}", "shop.example.kz")
		if c.Body64 != "" {
			raw, err := base64.StdEncoding.DecodeString(c.Body64)
			if err != nil {
				b.Fatal(err)
			}
			body = string(raw)
		}
		if len(body) > 100<<10 {
			continue // plain Coraza refuses to hold it
		}
		r := corpusRequest{method: c.Method, target: c.Path, body: body}
		for _, h := range c.Headers {
			r.fields = append(r.fields, event.Field{Name: h[0], Value: strings.ReplaceAll(h[1], "{{HOST}}", "shop.example.kz")})
		}
		list = append(list, r)
	}
	if err := lines.Err(); err != nil {
		b.Fatal(err)
	}
	return list
}
