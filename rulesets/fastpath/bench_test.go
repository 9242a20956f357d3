package fastpath

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/corazawaf/coraza/v3/types/variables"

	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/rulesets/reader"
)

// save is a block editor's save of about n bytes.
func save(n int) sample {
	var b strings.Builder
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "<!-- wp:paragraph {\"align\":\"left\"} -->\n<p class=\"has-text-align-left\">Paragraph %d: the bakery in Almaty opens at seven, and the <strong>bread</strong> is <em>still warm</em>; see <a href=\"https://example.kz/menu/%d/\">today's menu</a> &amp; prices.</p>\n<!-- /wp:paragraph -->\n\n", i, i)
		if i%5 == 0 {
			fmt.Fprintf(&b, "<!-- wp:image {\"id\":%d,\"sizeSlug\":\"large\"} -->\n<figure class=\"wp-block-image size-large\"><img src=\"https://example.kz/wp-content/uploads/2024/05/photo-%d.jpg\" alt=\"Хлеб и булочки\" class=\"wp-image-%d\"/></figure>\n<!-- /wp:image -->\n\n", i, i, i)
		}
	}
	body, err := json.Marshal(map[string]any{"id": 12, "title": "Bread", "content": b.String(), "status": "publish"})
	if err != nil {
		panic(err)
	}
	r := request("POST", "/wp-json/wp/v2/posts/12?_locale=user", browser...)
	r.Fields = append(r.Fields, event.Field{Name: "Content-Type", Value: "application/json"},
		event.Field{Name: "Content-Length", Value: strconv.Itoa(len(body))})
	return sample{"save", r, body}
}

// plain is a text of the same size without a mark that a rule knows.
func plainSave(n int) sample {
	text := strings.Repeat("The bakery in Almaty opens at seven and the bread is still warm. ", n/65)
	body, _ := json.Marshal(map[string]any{"id": 12, "title": "Bread", "content": text})
	s := save(1)
	s.body = body
	return s
}

type allowAll struct{}

func (allowAll) Excludes(_ int, v variables.RuleVariable, _ string) bool {
	return strings.HasPrefix(v.Name(), "ARGS")
}

func benchmarkJudge(b *testing.B, level int, s []sample, mask Mask) {
	o := oracleAt(b, level)
	var ins []*Input
	for _, x := range s {
		in := x.read(b)
		ins = append(ins, in)
		for range 3 {
			o.prog.Judge(in, mask)
		}
	}
	b.ReportAllocs()
	i, start := 0, cpu()
	for b.Loop() {
		o.prog.Judge(ins[i%len(ins)], mask)
		i++
	}
	b.ReportMetric(float64(cpu()-start)/float64(i), "cpu-ns/op")
}

// read is the request as the strict readers see it.
func (s sample) read(tb testing.TB) *Input {
	r, err := reader.Head(s.r.Method, s.r.Target, s.r.Proto, s.r.Fields, reader.Limits{})
	if err == nil {
		err = r.ParseBody(s.body)
	}
	if err != nil {
		tb.Fatal(err)
	}
	return &Input{Request: r, Remote: "203.0.113.7", Host: "example.kz"}
}

// cpu is the processor time of the process so far.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func benchmarkCoraza(b *testing.B, level int, s []sample) {
	o := oracleAt(b, level)
	b.ReportAllocs()
	i, start := 0, cpu()
	for b.Loop() {
		o.ask(s[i%len(s)].r, s[i%len(s)].body)
		i++
	}
	b.ReportMetric(float64(cpu()-start)/float64(i), "cpu-ns/op")
}

func loadSamples(post bool) (out []sample) {
	rs, bodies := load()
	for i := range rs {
		if post == (bodies[i] != nil) {
			out = append(out, sample{"", rs[i], bodies[i]})
		}
	}
	return out
}

// fresh are requests whose paths and parameters never come again.
func fresh(n int) (out []sample) {
	for i := range n {
		out = append(out, sample{"", request("GET", fmt.Sprintf("/%d/some-other-article-%d/?utm_campaign=c%d&page=%d", 2000+i%30, i*7919, i*31, i), browser...), nil})
	}
	return out
}

func BenchmarkJudge(b *testing.B) {
	attack := []sample{{"", request("GET", "/?id=1'+UNION+SELECT+user_login,user_pass+FROM+wp_users--+-", browser...), nil}}
	for _, level := range []int{1, 2} {
		for _, c := range []struct {
			name string
			s    []sample
			mask Mask
		}{
			{"get", loadSamples(false), nil},
			{"get-fresh", fresh(20000), nil},
			{"post", loadSamples(true), nil},
			{"json-9k-excluded", []sample{save(9 << 10)}, allowAll{}},
			{"json-9k-plain", []sample{plainSave(9 << 10)}, nil},
			{"json-9k", []sample{save(9 << 10)}, nil},
			{"json-290k-excluded", []sample{save(290 << 10)}, allowAll{}},
			{"json-290k-plain", []sample{plainSave(290 << 10)}, nil},
			{"json-290k", []sample{save(290 << 10)}, nil},
			{"attack", attack, nil},
		} {
			b.Run(fmt.Sprintf("level%d/%s", level, c.name), func(b *testing.B) { benchmarkJudge(b, level, c.s, c.mask) })
		}
	}
}

func BenchmarkCoraza(b *testing.B) {
	for _, level := range []int{1, 2} {
		b.Run(fmt.Sprintf("level%d/get", level), func(b *testing.B) { benchmarkCoraza(b, level, loadSamples(false)) })
		b.Run(fmt.Sprintf("level%d/post", level), func(b *testing.B) { benchmarkCoraza(b, level, loadSamples(true)) })
		b.Run(fmt.Sprintf("level%d/json-9k", level), func(b *testing.B) { benchmarkCoraza(b, level, []sample{save(9 << 10)}) })
	}
}
