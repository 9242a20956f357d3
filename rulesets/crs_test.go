package rulesets_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	crstests "github.com/corazawaf/coraza-coreruleset/v4/tests"
	"github.com/goccy/go-yaml"
	"github.com/rs/zerolog"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/proxy"
	"github.com/qorgan/qorgan/rulesets"
	"github.com/qorgan/qorgan/rulesets/patches"
	"github.com/qorgan/qorgan/rulesets/profiles"
)

// crsFile is a file of the Core Rule Set's regression tests. Its format is
// that of the project's test runner; only what the tests use is read.
type crsFile struct {
	RuleID int       `yaml:"rule_id"`
	Tests  []crsTest `yaml:"tests"`
}

type crsTest struct {
	ID     int        `yaml:"test_id"`
	Stages []crsStage `yaml:"stages"`
}

type crsStage struct {
	Input  crsInput  `yaml:"input"`
	Output crsOutput `yaml:"output"`
}

type crsInput struct {
	Method       string            `yaml:"method"`
	URI          *string           `yaml:"uri"`
	Version      *string           `yaml:"version"`
	Headers      map[string]string `yaml:"headers"`
	Data         *string           `yaml:"data"`
	Encoded      string            `yaml:"encoded_request"`
	Autocomplete *bool             `yaml:"autocomplete_headers"`
}

type crsOutput struct {
	Status      int  `yaml:"status"`
	ExpectError bool `yaml:"expect_error"`
	Log         struct {
		Expect   []int  `yaml:"expect_ids"`
		NoExpect []int  `yaml:"no_expect_ids"`
		Match    string `yaml:"match_regex"`
		NoMatch  string `yaml:"no_match_regex"`
	} `yaml:"log"`
}

// crsSetup is how the rule set's authors configure it for these tests.
const crsSetup = `SecAction "id:1,phase:1,pass,t:none,nolog,\
	setvar:tx.crs_validate_utf8_encoding=1,\
	setvar:tx.arg_name_length=100,setvar:tx.arg_length=400,setvar:tx.total_arg_length=64000,\
	setvar:tx.max_num_args=255,setvar:tx.max_file_size=64100,setvar:tx.combined_file_sizes=65535"`

// repeated is the one template that the tests use.
var repeated = regexp.MustCompile(`\{\{ "(.)" \| repeat (\d+) \}\}`)

// raw builds the bytes of a stage's request, completed as the runner of the
// rule set's authors does.
func (in crsInput) raw() ([]byte, error) {
	if in.Encoded != "" {
		clean := strings.Join(strings.Fields(in.Encoded), "")
		return base64.StdEncoding.DecodeString(clean)
	}
	method, uri, version := in.Method, "/", "HTTP/1.1"
	if method == "" {
		method = "GET"
	}
	if in.URI != nil {
		uri = *in.URI
	}
	if in.Version != nil {
		version = *in.Version
	}
	data := ""
	if in.Data != nil {
		data = repeated.ReplaceAllStringFunc(*in.Data, func(s string) string {
			m := repeated.FindStringSubmatch(s)
			n, _ := strconv.Atoi(m[2])
			return strings.Repeat(m[1], n)
		})
	}
	headers := maps.Clone(in.Headers)
	if headers == nil {
		headers = map[string]string{}
	}
	get := func(name string) (string, bool) {
		for k, v := range headers {
			if strings.EqualFold(k, name) {
				return v, true
			}
		}
		return "", false
	}
	auto := in.Autocomplete == nil || *in.Autocomplete
	if auto && data != "" {
		if _, ok := get("Content-Type"); !ok {
			headers["Content-Type"] = "application/x-www-form-urlencoded"
		}
		if ct, _ := get("Content-Type"); ct == "application/x-www-form-urlencoded" {
			data = formEncoded(data)
		}
	}
	if ct, _ := get("Content-Type"); strings.HasPrefix(ct, "multipart/form-data;") {
		data = strings.ReplaceAll(data, "\n", "\r\n")
	}
	if auto {
		if _, ok := get("Connection"); !ok {
			headers["Connection"] = "close"
		}
		bodied := slices.Contains([]string{"POST", "PUT", "PATCH", "DELETE"}, method)
		if _, ok := get("Content-Length"); !ok && (data != "" || bodied) {
			headers["Content-Length"] = strconv.Itoa(len(data))
		}
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s %s\r\n", method, uri, version)
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		fmt.Fprintf(&b, "%s: %s\r\n", name, headers[name])
	}
	b.WriteString("\r\n" + data)
	return b.Bytes(), nil
}

// formEncoded escapes a form that is written in plain text and leaves one
// alone that has escapes.
func formEncoded(data string) string {
	if plain, err := url.QueryUnescape(data); err != nil || plain != data {
		return data
	}
	pairs := strings.Split(data, "&")
	for i, pair := range pairs {
		name, value, ok := strings.Cut(pair, "=")
		pairs[i] = url.QueryEscape(name)
		if ok {
			pairs[i] += "=" + url.QueryEscape(value)
		}
	}
	return strings.Join(pairs, "&")
}

// reflect is the upstream of the tests: on /reflect it answers what the
// request's JSON says.
func reflect(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	w.Header().Set("Content-Type", "text/plain")
	if r.URL.Path != "/reflect" {
		return
	}
	var want struct {
		Status  int               `json:"status"`
		Headers map[string]string `json:"headers"`
		Body    string            `json:"body"`
		Encoded string            `json:"encodedBody"`
	}
	if err := json.Unmarshal(body, &want); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	for name, value := range want.Headers {
		w.Header().Set(name, value)
	}
	if want.Status != 0 {
		w.WriteHeader(want.Status)
	}
	if want.Encoded != "" {
		b, _ := base64.StdEncoding.DecodeString(want.Encoded)
		_, _ = w.Write(b)
		return
	}
	_, _ = io.WriteString(w, want.Body)
}

// crsEdge is an edge whose events belong to the one request under way.
type crsEdge struct {
	addr   string
	mu     sync.Mutex
	events []*event.Event
	log    strings.Builder // what the events say before masking
}

// newCRSEdge starts an edge. profile is empty for the rule set alone.
func newCRSEdge(t *testing.T, mode config.Mode, profile string) *crsEdge {
	t.Helper()
	e := &crsEdge{}
	var known map[string]rulesets.Profile
	if profile != "" {
		var err error
		if known, err = profiles.Load(); err != nil {
			t.Fatal(err)
		}
		holes, err := patches.Builtin()
		if err != nil {
			t.Fatal(err)
		}
		patches.Add(known, holes)
	}
	j, err := rulesets.New(rulesets.Options{
		Profiles: known,
		Log:      zerolog.Nop(),
		FastPath: true,
		Budget:   time.Minute,
		Extra:    []rulesets.Source{{Name: "crs-tests.conf", Text: crsSetup, Setup: true}},
		Record: func(ev event.Event) {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.events = append(e.events, &ev)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	j.Observe(func(ev *event.Event) {
		e.mu.Lock()
		defer e.mu.Unlock()
		for _, m := range ev.Matches {
			fmt.Fprintf(&e.log, "[id \"%d\"] [msg %q] [data %q]\n", m.Rule, m.Message, m.Data)
		}
	})
	site := &config.Site{Name: "crs", Mode: mode, Level: 4, Responses: true, Profile: profile}
	b, err := j.Prepare(context.Background(), []*config.Site{site})
	if err != nil {
		t.Fatal(err)
	}
	j.Use(b)
	upstream := httptest.NewServer(http.HandlerFunc(reflect))
	t.Cleanup(upstream.Close)
	u, err := url.Parse(upstream.URL)
	if err != nil {
		t.Fatal(err)
	}
	site.Hosts, site.Upstreams = []string{"*"}, []config.Upstream{{URL: u}}
	srv, err := proxy.New(proxy.Options{
		Config:     &config.Config{HTTP: []string{"127.0.0.1:0"}, Sites: []*config.Site{site}, Drain: time.Second},
		Logger:     zerolog.Nop(),
		Middleware: []func(http.Handler) http.Handler{j.Handler},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := srv.Listen(); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- srv.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		srv.Close()
		<-ended
		j.Close()
	})
	plain, _ := srv.Addrs()
	e.addr = plain[0].String()
	return e
}

// send writes raw bytes and returns the status of the first answer, 0 without
// one, and the events recorded meanwhile.
func (e *crsEdge) send(raw []byte) (status int, events []*event.Event, log string, err error) {
	conn, err := net.Dial("tcp", e.addr)
	if err != nil {
		return 0, nil, "", err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := conn.Write(raw); err != nil {
		return 0, nil, "", err
	}
	r := bufio.NewReader(conn)
	if resp, err := http.ReadResponse(r, nil); err == nil {
		status = resp.StatusCode
		_, _ = io.Copy(io.Discard, resp.Body)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	events, log = e.events, e.log.String()
	e.events = nil
	e.log.Reset()
	return status, events, log, nil
}

// check compares what happened with what a stage expects.
func (out crsOutput) check(status int, events []*event.Event, log string) error {
	seen := map[int]bool{}
	for _, ev := range events {
		for _, id := range ev.Rules {
			seen[id] = true
		}
	}
	for _, id := range out.Log.Expect {
		if !seen[id] {
			return fmt.Errorf("rule %d did not match (status %d, rules %v)", id, status, slices.Sorted(maps.Keys(seen)))
		}
	}
	for _, id := range out.Log.NoExpect {
		if seen[id] {
			return fmt.Errorf("rule %d matched", id)
		}
	}
	if out.Log.Match != "" && !regexp.MustCompile(out.Log.Match).MatchString(log) {
		return fmt.Errorf("log does not match %q:\n%s", out.Log.Match, log)
	}
	if out.Log.NoMatch != "" && regexp.MustCompile(out.Log.NoMatch).MatchString(log) {
		return fmt.Errorf("log matches %q", out.Log.NoMatch)
	}
	if out.ExpectError && status != 0 && status < 400 {
		return fmt.Errorf("status %d, want none", status)
	}
	// Servers differ in how they word a request that they do not understand:
	// a refused request may be 400 or any other client error.
	if out.Status != 0 && status != out.Status && !(out.Status == 400 && status >= 400 && status < 600) {
		return fmt.Errorf("status %d, want %d", status, out.Status)
	}
	return nil
}

// crsExceptions reads the tests that are known to differ, with the reason.
func crsExceptions(t *testing.T, files ...string) map[string]string {
	var b []byte
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		b = append(b, text...)
	}
	out := map[string]string{}
	for line := range strings.SplitSeq(string(b), "\n") {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		name, reason, _ := strings.Cut(line, " ")
		if strings.TrimSpace(reason) == "" {
			t.Errorf("exception %s has no reason", name)
		}
		out[name] = reason
	}
	return out
}

// TestCoreRuleSet sends every regression test of the Core Rule Set through an
// edge over real sockets and compares the recorded rule ids: of the rule set
// alone, and of a visitor to a site with a profile and the virtual patches.
func TestCoreRuleSet(t *testing.T) {
	if testing.Short() {
		t.Skip("the rule set's regression tests take a minute")
	}
	jobs := crsJobs(t)
	const common = "testdata/crs-exceptions.txt"
	t.Run("alone", func(t *testing.T) { runCRS(t, jobs, "", crsExceptions(t, common)) })
	t.Run("wordpress", func(t *testing.T) {
		runCRS(t, jobs, "wordpress", crsExceptions(t, common, "testdata/crs-exceptions-profiles.txt"))
	})
}

type crsJob struct {
	name string
	test crsTest
}

func crsJobs(t *testing.T) (jobs []crsJob) {
	t.Helper()
	err := fs.WalkDir(crstests.FS, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(crstests.FS, path)
		if err != nil {
			return err
		}
		var f crsFile
		if err := yaml.Unmarshal(text, &f); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		for _, test := range f.Tests {
			jobs = append(jobs, crsJob{fmt.Sprintf("%d-%d", f.RuleID, test.ID), test})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(jobs) < 4000 {
		t.Fatalf("only %d tests found", len(jobs))
	}
	return jobs
}

func runCRS(t *testing.T, jobs []crsJob, profile string, exceptions map[string]string) {
	var mu sync.Mutex
	failed := map[string]error{}
	queue := make(chan crsJob)
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		detecting, blocking := newCRSEdge(t, config.Detect, profile), newCRSEdge(t, config.Block, profile)
		wg.Go(func() {
			for job := range queue {
				e := detecting
				if job.test.onlyRefusal() {
					e = blocking
				}
				err := e.run(job.test)
				if err != nil {
					mu.Lock()
					failed[job.name] = err
					mu.Unlock()
				}
			}
		})
	}
	for _, job := range jobs {
		queue <- job
	}
	close(queue)
	wg.Wait()

	for _, name := range slices.Sorted(maps.Keys(failed)) {
		if reason, ok := exceptions[name]; ok {
			t.Logf("%s: excepted: %s: %v", name, reason, failed[name])
			continue
		}
		t.Errorf("%s: %v", name, failed[name])
	}
	for name := range exceptions {
		if failed[name] == nil {
			t.Errorf("%s passes: remove its exception", name)
		}
	}
	t.Logf("%d tests, %d passed, %d excepted", len(jobs), len(jobs)-len(failed), len(exceptions))
}

// onlyRefusal reports whether a test asks for nothing but an answer of 400. An
// edge that only detects would forward what it could refuse.
func (test crsTest) onlyRefusal() bool {
	for _, s := range test.Stages {
		log := s.Output.Log
		if s.Output.Status != 400 || len(log.Expect)+len(log.NoExpect) > 0 || log.Match+log.NoMatch != "" {
			return false
		}
	}
	return true
}

func (e *crsEdge) run(test crsTest) error {
	for i, stage := range test.Stages {
		raw, err := stage.Input.raw()
		if err != nil {
			return fmt.Errorf("stage %d: %w", i+1, err)
		}
		status, events, log, err := e.send(raw)
		if err != nil {
			return fmt.Errorf("stage %d: %w", i+1, err)
		}
		if err := stage.Output.check(status, events, log); err != nil {
			return fmt.Errorf("stage %d: %w", i+1, err)
		}
	}
	return nil
}

func testSiteAt(level int) *config.Site {
	return &config.Site{Name: "test", Mode: config.Block, Level: level}
}
