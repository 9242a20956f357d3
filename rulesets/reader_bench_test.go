package rulesets

import (
	"context"
	"slices"
	"testing"
	"time"

	coreruleset "github.com/corazawaf/coraza-coreruleset/v4"
	"github.com/corazawaf/coraza/v3"

	"github.com/qorgan/qorgan/rulesets/exclude"
	"github.com/qorgan/qorgan/rulesets/reader"
)

// BenchmarkStrictReaders measures what reading a benign request strictly adds
// to judging it: Coraza as its own users call it, the strict readers in front
// of the same, and the judgement of this package, reading included. The three
// take turns within one process, so that whatever else the machine does meets
// all of them alike.
func BenchmarkStrictReaders(b *testing.B) {
	with, err := New(Options{FastPath: true, AuditEvery: -1})
	if err != nil {
		b.Fatal(err)
	}
	waf, err := coraza.NewWAF(coraza.NewWAFConfig().WithRootFS(coreruleset.FS).WithDirectives(
		"Include @coraza.conf-recommended\nInclude @crs-setup.conf.example\nInclude @owasp_crs/*.conf\n"))
	if err != nil {
		b.Fatal(err)
	}
	fast, err := with.current.Load().engine(inbound, "")
	if err != nil {
		b.Fatal(err)
	}
	if _, err := fast.fast.program(1); err != nil {
		b.Fatal(err)
	}
	f := testFacts(1, exclude.Mask{})
	loads := workloads(b)
	for _, name := range []string{"GET", "form"} {
		load := loads[name]
		read := func() *reader.Request {
			r, err := reader.Head(load.r.Method, load.r.Target, load.r.Proto, load.r.Fields, reader.Limits{})
			if err == nil {
				err = r.ParseBody([]byte(load.body))
			}
			if err != nil {
				b.Fatal(err)
			}
			return r
		}
		ways := []struct {
			name string
			run  func()
		}{
			{"without", func() { bare(b, waf, load.r, load.body) }},
			{"strict", func() { bare(b, waf, read(), load.body) }},
			{"qorgan", func() {
				if _, _, err := fast.decide(context.Background(), "", read(), f, false); err != nil {
					b.Fatal(err)
				}
			}},
			{"reading", func() { read() }},
		}
		b.Run(name, func(b *testing.B) {
			took := make([][]time.Duration, len(ways))
			for turn := 0; b.Loop(); turn++ {
				for i := range ways {
					i = (i + turn) % len(ways) // nobody always follows the same one
					start := time.Now()
					ways[i].run()
					took[i] = append(took[i], time.Since(start))
				}
			}
			for i, way := range ways {
				slices.Sort(took[i])
				at := func(share int) float64 { return float64(took[i][len(took[i])*share/100].Nanoseconds()) / 1e3 }
				b.ReportMetric(at(50), way.name+"-p50-µs")
				b.ReportMetric(at(99), way.name+"-p99-µs")
			}
		})
	}
}
