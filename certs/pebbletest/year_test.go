package pebbletest

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/qorgan/qorgan/certs"
)

// TestYear: names whose certificates live for seconds are renewed again and
// again while all goes wrong that can: nonces are refused, challenges fail,
// the authority answers errors and limits, stalls, cuts connections and is away
// for a while. No handshake ever fails or is shown a certificate that has
// ended; orders keep to the pace and to what Retry-After asks for.
// QORGAN_YEAR_LIFE is a certificate's life in seconds, QORGAN_YEAR_RENEWALS how
// many renewals are lived through (make acme-year: 60 and 400), QORGAN_SEED
// repeats a run's faults.
func TestYear(t *testing.T) {
	if os.Getenv("QORGAN_YEAR_RENEWALS") == "" {
		t.Skip("a run of minutes whose weather is chance: make acme-year")
	}
	life, renewals := number(t, "QORGAN_YEAR_LIFE", 60), number(t, "QORGAN_YEAR_RENEWALS", 16)
	seed := number(t, "QORGAN_SEED", int(time.Now().UnixNano()&0xffffff))
	t.Logf("QORGAN_SEED=%d", seed)
	t.Setenv("PEBBLE_WFE_NONCEREJECT", "5")
	t.Run("all", func(t *testing.T) {
		for _, silent := range []bool{false, true} {
			t.Run(fmt.Sprintf("advice %v", !silent), func(t *testing.T) {
				t.Parallel()
				year(t, life, renewals, uint64(seed), silent)
			})
		}
	})
}

func year(t *testing.T, life, renewals int, seed uint64, silent bool) {
	const names = 8
	plain, secure := listeners(t)
	w := &weather{dice: rand.New(rand.NewPCG(seed, 1)), pause: time.Duration(life) * time.Second / 30, count: map[string]int{},
		requests: deck{size: 120, bad: []string{"cut", "stall", "error", "away"}}, newOrders: deck{size: 8, bad: []string{"limit"}}, checks: deck{size: 10, bad: []string{"challenge"}}}
	plain.Listener = &flaky{Listener: plain.Listener, weather: w}
	a := foundQuietly(t, plan{httpPort: port(plain.Listener), tlsPort: closedPort(t), life: uint64(life), silent: silent})
	by := a.known()
	by.Orders, by.OrdersIn = 3*names, time.Duration(life)*time.Second
	address, _ := openWith(t, plain, secure, certs.ACMEOptions{Dir: t.TempDir(), Authorities: []certs.Authority{by}, TLSPort: -1, Serves: everything, Written: everything})
	for i := range names { // before the weather turns
		if err := shake(t.Context(), address, fmt.Sprintf("%d.year.example", i), a.roots); err != nil {
			t.Fatal(err)
		}
	}
	began := time.Now()
	w.mu.Lock()
	w.begun = true
	w.mu.Unlock()
	f := fault(w.strike)
	a.fault.Store(&f)
	var seen sync.Map
	var shown atomic.Int64
	var all sync.WaitGroup
	for i := range names {
		all.Go(func() {
			name := fmt.Sprintf("%d.year.example", i)
			tick := time.NewTicker(100 * time.Millisecond)
			defer tick.Stop()
			for shown.Load() < int64(renewals+names) && !t.Failed() {
				<-tick.C
				got, err := leaf(t.Context(), address, name, a.roots) // checks the time
				if err != nil {
					t.Errorf("after %s: %s: %v", time.Since(began), name, err)
					return
				}
				if _, known := seen.LoadOrStore(got.SerialNumber.String(), true); !known {
					shown.Add(1)
				}
			}
		})
	}
	all.Wait()
	a.fault.Store(nil)
	w.judge(t, by, int(a.nonces.Load()))
	t.Logf("%d certificates of %d names in %s: %d orders, %d nonces refused, %v", shown.Load(), names, time.Since(began).Round(time.Second), a.orders.Load(), a.nonces.Load(), w.count)
}

// weather is what goes wrong, and what the authority saw of orders.
type weather struct {
	pause time.Duration // how long a stall and an absence last

	mu     sync.Mutex
	begun  bool
	dice   *rand.Rand
	away   time.Time // until when the authority answers nobody
	orders []time.Time
	limits []limit
	count  map[string]int

	requests, newOrders, checks deck
}

// limit is a refusal of an order with the word when to come again.
type limit struct{ at, until time.Time }

// retryAfter is what a limit asks for, in seconds.
const retryAfter = 6

const newOrderPath = "/order-plz"

// deck is a run of events of which some go wrong, in an order that chance
// decides, again and again.
type deck struct {
	size  int
	bad   []string
	cards []string
}

func (d *deck) draw(dice *rand.Rand) (card string) {
	if len(d.cards) == 0 {
		d.cards = append(make([]string, d.size-len(d.bad)), d.bad...)
		dice.Shuffle(d.size, func(i, j int) { d.cards[i], d.cards[j] = d.cards[j], d.cards[i] })
	}
	card, d.cards = d.cards[0], d.cards[1:]
	return card
}

// draw decides what happens to a request.
func (w *weather) draw(path string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	now, what := time.Now(), w.requests.draw(w.dice)
	if path == newOrderPath && what == "" {
		what = w.newOrders.draw(w.dice)
	}
	switch {
	case now.Before(w.away):
		what = "away"
	case what == "away":
		w.away = now.Add(w.pause)
	case what == "limit":
		w.limits = append(w.limits, limit{now, now.Add(retryAfter * time.Second)})
	case what == "" && path == newOrderPath:
		w.orders = append(w.orders, now)
	}
	w.count[what]++
	return what
}

// strike is a fault.
func (w *weather) strike(rw http.ResponseWriter, r *http.Request) bool {
	what := w.draw(r.URL.Path)
	switch what {
	case "":
		return false
	case "cut":
		panic(http.ErrAbortHandler)
	case "stall":
		_, _ = io.Copy(io.Discard, r.Body)
		select {
		case <-r.Context().Done():
		case <-time.After(w.pause):
		}
		panic(http.ErrAbortHandler)
	case "limit":
		rw.Header().Set("Retry-After", fmt.Sprint(retryAfter))
		rw.Header().Set("Content-Type", "application/problem+json")
		rw.WriteHeader(http.StatusTooManyRequests)
		fmt.Fprint(rw, `{"type":"urn:ietf:params:acme:error:rateLimited","status":429,"detail":"too many new orders recently"}`)
	case "away":
		rw.WriteHeader(http.StatusServiceUnavailable)
	case "error":
		rw.WriteHeader(http.StatusInternalServerError)
	}
	return true
}

// judge says whether the orders kept to the limits. Orders that were on their
// way when a limit was answered are given two thirds of its time.
func (w *weather) judge(t *testing.T, by certs.Authority, repeated int) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, what := range []string{"limit", "cut", "stall", "error", "away", "challenge"} {
		if w.count[what] == 0 {
			t.Errorf("%s never happened: %v", what, w.count)
		}
	}
	for _, l := range w.limits {
		for _, o := range w.orders {
			if o.After(l.at.Add(retryAfter*time.Second*2/3)) && o.Before(l.until) {
				t.Errorf("an order came %s after one that was to wait %d s", o.Sub(l.at), retryAfter)
			}
		}
	}
	every := by.OrdersIn / time.Duration(by.Orders)
	for i, from := range w.orders {
		for j, to := range w.orders[i:] {
			if allowed := by.Orders + int(to.Sub(from)/every) + 1 + repeated; j+1 > allowed {
				t.Fatalf("%d orders in %s: %d are allowed", j+1, to.Sub(from), allowed)
			}
		}
	}
}

// flaky closes some of the connections it accepts: the authority's challenges.
type flaky struct {
	net.Listener
	weather *weather
}

func (f *flaky) Accept() (net.Conn, error) {
	for {
		c, err := f.Listener.Accept()
		if err != nil {
			return nil, err
		}
		f.weather.mu.Lock()
		bad := f.weather.begun && f.weather.checks.draw(f.weather.dice) != ""
		if bad {
			f.weather.count["challenge"]++
		}
		f.weather.mu.Unlock()
		if !bad {
			return c, nil
		}
		c.Close() // the authority sees no answer
	}
}
