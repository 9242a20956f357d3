package bans

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/exchange"
)

// door is a gate with a site behind it.
type door struct {
	gate   *Gate
	clock  time.Time
	events []event.Event
	site   config.Site
	passed []bool // the requests that came through, and whether they are to be judged strictly
}

func newDoor(t testing.TB) *door {
	t.Helper()
	d := &door{clock: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC), site: config.Site{Name: "shop", Mode: config.Block}}
	var err error
	d.gate, err = New(Options{Key: []byte("a key of the edge's own"), Record: func(e event.Event) { d.events = append(d.events, e) }, Now: func() time.Time { return d.clock }})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func (d *door) rule(id string, kind Kind, network string) Rule {
	return Rule{ID: id, Network: netip.MustParsePrefix(network), Kind: kind, Until: d.clock.Add(time.Hour)}
}

// ask sends a request from an address.
func (d *door) ask(from string, rank exchange.Rank, r *http.Request) *http.Response {
	x := &exchange.Exchange{Site: &d.site, Start: d.clock, Client: netip.MustParseAddr(from), Rank: rank, Target: r.URL.RequestURI(),
		Refuse: func(w http.ResponseWriter, _ *http.Request, f exchange.Refusal) { http.Error(w, "", f.Status) }}
	w := httptest.NewRecorder()
	d.gate.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { d.passed = append(d.passed, x.Strict) })).
		ServeHTTP(w, r.WithContext(exchange.With(r.Context(), x)))
	return w.Result()
}

func get(target string) *http.Request { return httptest.NewRequest("GET", target, nil) }

func TestBan(t *testing.T) {
	d := newDoor(t)
	there := d.rule("HERE", Ban, "198.51.100.9/32")
	there.Site = "another"
	short := d.rule("SHORT", Ban, "192.0.2.7/32")
	short.Until = d.clock.Add(time.Minute)
	d.gate.Change([]Rule{d.rule("FOUR", Ban, "203.0.113.0/24"), d.rule("SIX", Ban, "2001:db8:1:2::/64"), there, short,
		d.rule("SOFT", Strict, "203.0.113.77/32")}, nil)
	for _, c := range []struct {
		from   string
		rank   exchange.Rank
		status int
	}{
		{"203.0.113.5", exchange.Visitor, 403},
		{"::ffff:203.0.113.5", exchange.Visitor, 403},
		{"203.0.113.5", exchange.Member, 200},
		{"203.0.113.77", exchange.Visitor, 200}, // the narrower network decides
		{"203.0.114.5", exchange.Visitor, 200},
		{"2001:db8:1:2:3:4:5:6", exchange.Visitor, 403},
		{"2001:db8:1:3::1", exchange.Visitor, 200},
		{"198.51.100.9", exchange.Visitor, 200},
		{"192.0.2.7", exchange.Visitor, 403},
	} {
		if got := d.ask(c.from, c.rank, get("/page?q=1")).StatusCode; got != c.status {
			t.Errorf("%s: %d, want %d", c.from, got, c.status)
		}
	}
	if len(d.events) != 4 || d.events[0].Class() != event.ClassBan || d.events[0].Action != event.Blocked || d.events[0].Reason != ReasonBan {
		t.Errorf("%d events: %+v", len(d.events), d.events)
	}
	hits := d.gate.Hits()
	if want := []Hit{{ID: "FOUR", Refused: 2, Witnessed: 1}, {ID: "SHORT", Refused: 1}, {ID: "SIX", Refused: 1}}; fmt.Sprint(hits) != fmt.Sprint(want) {
		t.Errorf("%+v", hits)
	}
	if hits := d.gate.Hits(); len(hits) != 0 {
		t.Errorf("told again: %+v", hits)
	}
	d.clock = d.clock.Add(2 * time.Minute)
	if got := d.ask("192.0.2.7", exchange.Visitor, get("/")).StatusCode; got != 200 {
		t.Errorf("a ban that is over: %d", got)
	}
	d.gate.Change(nil, []Rule{d.rule("FOUR", Ban, "203.0.113.0/24")})
	if got := d.ask("203.0.113.5", exchange.Visitor, get("/")).StatusCode; got != 200 {
		t.Errorf("a ban that was taken back: %d", got)
	}
	d.site.Mode = config.Detect
	if got := d.ask("2001:db8:1:2::1", exchange.Visitor, get("/")).StatusCode; got != 200 || d.events[len(d.events)-1].Action != event.Detected {
		t.Errorf("a site that only watches: %d", got)
	}
}

// TestOneNetworkTwoRules: what is taken back leaves the other in force.
func TestOneNetworkTwoRules(t *testing.T) {
	d := newDoor(t)
	ban, strict := d.rule("BAN", Ban, "203.0.113.5/32"), d.rule("STRICT", Strict, "203.0.113.5/32")
	d.gate.Change([]Rule{ban, strict}, nil)
	if k, id := d.gate.Find(netip.MustParseAddr("203.0.113.5"), "shop"); k != Ban || id != "BAN" {
		t.Errorf("%v %s", k, id)
	}
	d.gate.Change(nil, []Rule{ban})
	if k, id := d.gate.Find(netip.MustParseAddr("203.0.113.5"), "shop"); k != Strict || id != "STRICT" {
		t.Errorf("%v %s", k, id)
	}
	d.gate.Change([]Rule{strict}, []Rule{ban}) // again
	d.gate.Change(nil, []Rule{strict})
	if d.gate.Len() != 0 {
		t.Errorf("%d networks are left", d.gate.Len())
	}
}

func TestChallenge(t *testing.T) {
	d := newDoor(t)
	d.gate.Change([]Rule{d.rule("ASK", Challenge, "203.0.113.5/32")}, nil)
	const from = "203.0.113.5"
	if a := d.ask(from, exchange.Visitor, get("/news/")); a.StatusCode != 200 || !d.passed[0] {
		t.Errorf("who only reads is asked: %s", a.Status)
	}
	question := d.ask(from, exchange.Visitor, get("/search?q=%22%3E%3Cscript%3E"))
	page, _ := io.ReadAll(question.Body)
	stamp := regexp.MustCompile(`name="stamp" value="([\w-]+)"`).FindSubmatch(page)
	if question.StatusCode != 403 || stamp == nil || strings.Contains(string(page), "<script>") || !strings.Contains(string(page), `value="/search?q=%22%3E%3Cscript%3E"`) {
		t.Fatalf("%s\n%s", question.Status, page)
	}
	click := func(from, stamp, to string) *http.Response {
		r := httptest.NewRequest("POST", passPath, strings.NewReader(url.Values{"stamp": {stamp}, "to": {to}}.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		return d.ask(from, exchange.Visitor, r)
	}
	d.clock = d.clock.Add(3 * time.Second)
	a := click(from, string(stamp[1]), "/search?q=1")
	if a.StatusCode != 303 || a.Header.Get("Location") != "/search?q=1" || len(a.Cookies()) != 1 || !a.Cookies()[0].HttpOnly {
		t.Fatalf("%s %v", a.Status, a.Header)
	}
	with := func(from string, c *http.Cookie) int {
		r := httptest.NewRequest("POST", "/comment", strings.NewReader("text=hello"))
		r.AddCookie(c)
		return d.ask(from, exchange.Visitor, r).StatusCode
	}
	if got := with(from, a.Cookies()[0]); got != 200 {
		t.Errorf("with a pass: %d", got)
	}
	for _, to := range []string{"//evil.example", "https://evil.example/", "/\\evil.example"} {
		if l := click(from, string(stamp[1]), to).Header.Get("Location"); l != "/" {
			t.Errorf("%s leads to %s", to, l)
		}
	}
	d.gate.Change([]Rule{d.rule("OTHER", Challenge, "203.0.113.6/32")}, nil)
	if got := with("203.0.113.6", a.Cookies()[0]); got != 403 {
		t.Errorf("another's pass: %d", got)
	}
	if got := click("203.0.113.6", string(stamp[1]), "/").StatusCode; got != 403 {
		t.Errorf("another's stamp: %d", got)
	}
	if got := click(from, "AAAA", "/").StatusCode; got != 403 {
		t.Errorf("no stamp: %d", got)
	}
	d.clock = d.clock.Add(20 * time.Minute)
	if got := click(from, string(stamp[1]), "/").StatusCode; got != 403 {
		t.Errorf("an old stamp: %d", got)
	}
	api := get("/wp-json/wp/v2/posts?search=x")
	api.Header.Set("Accept", "application/json")
	answer := d.ask(from, exchange.Visitor, api)
	var problem struct{ Status int }
	if err := json.NewDecoder(answer.Body).Decode(&problem); err != nil || problem.Status != 403 {
		t.Errorf("a program is answered %+v, %v", problem, err)
	}
	for _, lang := range []string{"ru", "kk"} {
		r := get("/?s=1")
		r.Header.Set("Accept-Language", lang)
		if b, _ := io.ReadAll(d.ask(from, exchange.Visitor, r).Body); !strings.Contains(string(b), `<html lang="`+lang+`">`) {
			t.Errorf("%s: %s", lang, b)
		}
	}
}

// TestChangeWhileServed: look-ups see a list or the next, under the race
// detector.
func TestChangeWhileServed(t *testing.T) {
	d := newDoor(t)
	always := d.rule("ALWAYS", Ban, "203.0.113.5/32")
	d.gate.Change([]Rule{always}, nil)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if k, _ := d.gate.Find(netip.MustParseAddr("203.0.113.5"), ""); k != Ban {
					t.Error("the ban was not there")
					return
				}
			}
		})
	}
	for i := range 200 {
		r := d.rule(fmt.Sprint(i), Strict, fmt.Sprintf("198.51.100.%d/32", i))
		d.gate.Change([]Rule{r}, nil)
		d.gate.Change(nil, []Rule{r})
	}
	close(stop)
	wg.Wait()
}

// million is a list of a million entries: addresses, /24s and /64s.
func million(d *door, n int) []Rule {
	r := rand.New(rand.NewPCG(1, 2))
	rules := make([]Rule, n)
	for i := range rules {
		var p netip.Prefix
		switch {
		case i%10 == 0:
			p = netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(1 + r.IntN(222)), byte(r.IntN(256)), byte(r.IntN(256)), 0}), 24)
		case i%3 == 0:
			p = netip.PrefixFrom(netip.AddrFrom16([16]byte{0x2a, byte(r.IntN(256)), byte(r.IntN(256)), byte(r.IntN(256)), byte(r.IntN(256)), byte(r.IntN(256)), byte(r.IntN(256)), byte(r.IntN(256))}), 64)
		default:
			p = netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(1 + r.IntN(222)), byte(r.IntN(256)), byte(r.IntN(256)), byte(r.IntN(256))}), 32)
		}
		rules[i] = Rule{ID: fmt.Sprintf("%04X-%04X", i>>16, i&0xffff), Network: p, Kind: Ban, Until: d.clock.Add(time.Hour)}
	}
	return rules
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// cpu is what this process has used, nanoseconds.
func cpu() int64 {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return u.Utime.Nano() + u.Stime.Nano()
}

func BenchmarkMillion(b *testing.B) {
	d := newDoor(b)
	rules := million(d, 1_000_000)
	before := heap()
	began := time.Now()
	d.gate.Change(rules, nil)
	took := time.Since(began)
	bytes := heap() - before
	r := rand.New(rand.NewPCG(3, 4))
	for _, kind := range []string{"v4 listed", "v4 not listed", "v6 listed", "v6 not listed"} {
		addrs := make([]netip.Addr, 1<<16)
		for i := range addrs {
			for {
				p := rules[r.IntN(len(rules))].Network
				if p.Addr().Is4() == (kind[:2] == "v4") {
					addrs[i] = p.Addr()
					break
				}
			}
			if strings.Contains(kind, "not") {
				if addrs[i].Is4() {
					addrs[i] = netip.AddrFrom4([4]byte{byte(1 + r.IntN(222)), byte(r.IntN(256)), byte(r.IntN(256)), byte(r.IntN(256))})
				} else {
					a := addrs[i].As16()
					a[6], a[7] = byte(r.IntN(256)), byte(r.IntN(256))
					addrs[i] = netip.AddrFrom16(a)
				}
			}
		}
		b.Run(kind, func(b *testing.B) {
			spent := cpu()
			for i := 0; b.Loop(); i++ {
				d.gate.Find(addrs[i&(1<<16-1)], "shop")
			}
			b.ReportMetric(float64(cpu()-spent)/float64(b.N), "cpu-ns/op") // what counts where others work too
		})
	}
	b.Run("one change", func(b *testing.B) {
		one := d.rule("ONE", Ban, "203.0.113.5/32")
		for b.Loop() {
			d.gate.Change([]Rule{one}, nil)
			d.gate.Change(nil, []Rule{one})
		}
		b.ReportMetric(float64(bytes)/1e6, "MB-in-all")
		b.ReportMetric(took.Seconds(), "s-to-load")
	})
	runtime.KeepAlive(rules)
}
