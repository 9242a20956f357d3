package fleet

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/qorgan/qorgan/console/store"
	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/report"
	"github.com/qorgan/qorgan/report/outbox"
	"github.com/qorgan/qorgan/report/wire"
)

// desk is a console with a door, over TLS.
type desk struct {
	db     *store.DB
	door   *Door
	server *httptest.Server
	pin    string
}

// found starts a desk; around may stand before its door.
func found(t *testing.T, around func(http.Handler) http.Handler) *desk {
	t.Helper()
	return foundAt(t, filepath.Join(t.TempDir(), store.File), around)
}

// foundAt starts a desk over the store at a place.
func foundAt(t testing.TB, place string, around func(http.Handler) http.Handler) *desk {
	t.Helper()
	db, err := store.Open(t.Context(), place)
	if err != nil {
		t.Fatal(err)
	}
	door, err := New(t.Context(), Options{Store: db, Logger: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	var h http.Handler = door
	if around != nil {
		h = around(h)
	}
	d := &desk{db: db, door: door, server: httptest.NewUnstartedServer(h)}
	d.server.Config.ErrorLog = log.New(io.Discard, "", 0) // refused handshakes are what tests ask for
	d.server.StartTLS()
	sum := sha256.Sum256(d.server.Certificate().Raw)
	d.pin = hex.EncodeToString(sum[:])
	t.Cleanup(func() {
		d.server.Close()
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func (d *desk) invite(t testing.TB, code string) {
	t.Helper()
	if err := d.db.InsertInvitation(t.Context(), store.Whole(), CodeSum(code), "aigerim", time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
}

func (d *desk) enroll(t testing.TB, code string) report.Enrolment {
	t.Helper()
	d.invite(t, code)
	e, err := report.Enroll(t.Context(), d.address(), strings.ToLower(code), d.pin, "edge "+code, "1.0")
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// address is the desk's by a name, as edges know it.
func (d *desk) address() string { return d.server.URL }

func TestEnrolment(t *testing.T) {
	d := found(t, nil)
	e := d.enroll(t, "7KQ2-M9XD")
	file := filepath.Join(t.TempDir(), "enrolment.json")
	if err := e.Save(file); err != nil {
		t.Fatal(err)
	}
	if again, err := report.LoadEnrolment(file); err != nil || again.Edge != e.Edge || !bytes.Equal(again.Seed, e.Seed) {
		t.Fatalf("%+v, %v", again, err)
	}
	edges, err := d.db.Edges(t.Context(), store.Whole())
	if err != nil || len(edges) != 1 || edges[0].ID != e.Edge || edges[0].Name != "edge 7KQ2-M9XD" || edges[0].Invited != "aigerim" {
		t.Fatalf("%+v, %v", edges, err)
	}
	d.invite(t, "FRESH")
	for _, bad := range []struct{ name, address, code, pin, want string }{
		{"a code twice", d.address(), "7KQ2-M9XD", d.pin, "make a new one"},
		{"a code that never was", d.address(), "AAAA", d.pin, "make a new one"},
		{"another's pin", d.address(), "FRESH", strings.Repeat("0", 64), "another certificate"},
		{"no pin for an unknown authority", d.address(), "FRESH", "", "certificate"},
		{"a pin that is none", d.address(), "FRESH", "zz", "SHA-256"},
		{"plain text over the network", "http://console.example.kz", "FRESH", "", "like https://"},
		{"a page of the console", d.address() + "/incidents", "FRESH", d.pin, "like https://"},
	} {
		if _, err := report.Enroll(t.Context(), bad.address, bad.code, bad.pin, "x", "1"); err == nil || !strings.Contains(err.Error(), bad.want) {
			t.Errorf("%s: %v", bad.name, err)
		}
	}
	if edges, _ := d.db.Edges(t.Context(), store.Whole()); len(edges) != 1 {
		t.Errorf("%d edges", len(edges))
	}
}

func box(t *testing.T) *outbox.Outbox {
	t.Helper()
	b, err := outbox.Open(outbox.Options{Dir: t.TempDir(), Segment: 16 << 10, Fold: report.Fold})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func refusals(t *testing.T, b *outbox.Outbox, n int) (ids []string) {
	t.Helper()
	for i := 0; i < n; i += 25 {
		var records [][]byte
		for range min(25, n-i) {
			id, code := event.NewID()
			ids = append(ids, id)
			r, err := wire.Item{Event: &event.Event{ID: id, Code: code, Time: time.Now().UTC(), Site: "shop", Action: event.Blocked, Rules: []int{942100},
				Edge: "somebody else"}}.Encode()
			if err != nil {
				t.Fatal(err)
			}
			records = append(records, r)
		}
		if err := b.Append(records); err != nil {
			t.Fatal(err)
		}
	}
	return ids
}

// ship runs a shipper until done.
func ship(t *testing.T, b *outbox.Outbox, e report.Enrolment, done func(report.ShipperStats) bool) report.ShipperStats {
	t.Helper()
	s, err := report.NewShipper(report.ShipperOptions{Outbox: b, Enrolment: e, Version: "1.0", Logger: zerolog.Nop(), Shortest: time.Millisecond, Longest: 20 * time.Millisecond, Backlog: 500})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	over := make(chan error)
	go func() { over <- s.Run(ctx) }()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	late := time.After(time.Minute)
	for !done(s.Stats()) {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("waited a minute: %+v, outbox %+v", s.Stats(), b.Stats())
		}
	}
	stop()
	if err := <-over; err != nil {
		t.Fatal(err)
	}
	return s.Stats()
}

func stored(t *testing.T, db *store.DB) map[string]event.Event {
	t.Helper()
	all := map[string]event.Event{}
	rows := 0
	for q := (store.Query{Limit: 1000}); ; {
		page, err := db.Events(t.Context(), store.Whole(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Events {
			all[e.ID] = e
			rows++
		}
		if page.Older == "" {
			break
		}
		q.Before = page.Older
	}
	if len(all) != rows {
		t.Errorf("%d events with %d ids", rows, len(all))
	}
	return all
}

// TestReportsArriveOnce: over a line that loses requests, loses answers and
// repeats requests, every record is stored once, and the outbox is empty.
func TestReportsArriveOnce(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	var requests, lostRequests, lostAnswers, repeated atomic.Int64
	d := found(t, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if req.URL.Path != wire.PathReports {
				next.ServeHTTP(w, req)
				return
			}
			requests.Add(1)
			body, err := io.ReadAll(req.Body)
			if err != nil {
				t.Error(err)
			}
			again := func() *http.Request {
				c := req.Clone(req.Context())
				c.Body = io.NopCloser(bytes.NewReader(body))
				return c
			}
			switch r.IntN(10) { // one edge, one request at a time
			case 0:
				lostRequests.Add(1)
				panic(http.ErrAbortHandler)
			case 1:
				lostAnswers.Add(1)
				next.ServeHTTP(httptest.NewRecorder(), again())
				panic(http.ErrAbortHandler)
			case 2:
				repeated.Add(1)
				next.ServeHTTP(httptest.NewRecorder(), again())
			}
			next.ServeHTTP(w, again())
		})
	})
	e, b := d.enroll(t, "AAAA-BBBB"), box(t)
	ids := refusals(t, b, 3000)
	ship(t, b, e, func(s report.ShipperStats) bool { return s.Sent >= 3000 })
	all := stored(t, d.db)
	if len(all) != len(ids) {
		t.Errorf("%d events stored of %d", len(all), len(ids))
	}
	for _, id := range ids {
		if all[id].Edge != e.Edge {
			t.Fatalf("event %s is of edge %q, not of the one that sent it", id, all[id].Edge)
		}
	}
	if edges, err := d.db.Edges(t.Context(), store.Whole()); err != nil || edges[0].Version != "1.0" || edges[0].Waiting == 0 {
		t.Errorf("%+v, %v", edges, err)
	}
	t.Logf("%d requests: %d lost, %d answers lost, %d repeated", requests.Load(), lostRequests.Load(), lostAnswers.Load(), repeated.Load())
}

// TestNewBeforeOld: after an outage what is new arrives while the backlog is
// still on its way.
func TestNewBeforeOld(t *testing.T) {
	var down atomic.Bool
	down.Store(true)
	var seen atomic.Int64
	var fresh atomic.Value
	fresh.Store("")
	var newAt, oldAfter atomic.Int64
	d := found(t, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			if req.URL.Path == wire.PathReports {
				if down.Load() {
					w.WriteHeader(http.StatusServiceUnavailable)
					return
				}
				n := seen.Add(1)
				body, _ := io.ReadAll(req.Body)
				req.Body = io.NopCloser(bytes.NewReader(body))
				if id := fresh.Load().(string); id != "" && req.URL.Query().Get("lane") != "1" {
					newAt.CompareAndSwap(0, n)
				} else if newAt.Load() > 0 {
					oldAfter.Add(1)
				}
			}
			next.ServeHTTP(w, req)
		})
	})
	e, b := d.enroll(t, "AAAA-BBBB"), box(t)
	ids := refusals(t, b, 6000)
	ship(t, b, e, func(s report.ShipperStats) bool { return s.Failures > 2 })
	down.Store(false)
	once := false
	ship(t, b, e, func(s report.ShipperStats) bool {
		if s.Sent > 1000 && !once {
			once = true
			new := refusals(t, b, 25)
			fresh.Store(new[0])
			ids = append(ids, new...)
		}
		return s.Sent >= int64(len(ids))
	})
	if newAt.Load() == 0 || oldAfter.Load() == 0 {
		t.Errorf("new reports came with request %d, old ones in %d after it", newAt.Load(), oldAfter.Load())
	}
	if len(b.Lanes()) > 2 {
		t.Errorf("lanes %+v", b.Lanes())
	}
	if n := len(stored(t, d.db)); n != len(ids) {
		t.Errorf("%d events stored of %d", n, len(ids))
	}
}

// TestRetired: a retired edge is told so and keeps what it has.
func TestRetired(t *testing.T) {
	d := found(t, nil)
	e, b := d.enroll(t, "AAAA-BBBB"), box(t)
	if err := d.db.Retire(t.Context(), store.Whole(), e.Edge, time.Now()); err != nil {
		t.Fatal(err)
	}
	refusals(t, b, 50)
	s := ship(t, b, e, func(s report.ShipperStats) bool { return s.Failures > 1 })
	if !strings.Contains(s.Failing, "retired") || s.Sent != 0 || b.Stats().Records != 50 {
		t.Errorf("%+v, %d records kept", s, b.Stats().Records)
	}
}

// TestRestoredConsole: a console from an old copy misses what it had committed;
// it writes that down as lost and goes on.
func TestRestoredConsole(t *testing.T) {
	d := found(t, nil)
	e, b := d.enroll(t, "AAAA-BBBB"), box(t)
	refusals(t, b, 100)
	ship(t, b, e, func(s report.ShipperStats) bool { return s.Sent == 100 })

	old := found(t, nil)
	key := ed25519.NewKeyFromSeed(e.Seed).Public().(ed25519.PublicKey)
	old.invite(t, "COPY")
	if err := old.db.Enroll(t.Context(), CodeSum("COPY"), store.Edge{ID: e.Edge, Name: "edge", Key: key, Enrolled: time.Now()}); err != nil {
		t.Fatal(err)
	}
	e.Console = old.server.URL
	refusals(t, b, 25)
	ship(t, b, e, func(s report.ShipperStats) bool { return s.Sent == 25 })
	lost, err := old.db.Losses(t.Context(), store.Whole(), time.Time{})
	if err != nil || len(lost) != 1 || lost[0].Count != 100 || lost[0].Reason != "gone" {
		t.Errorf("%+v, %v", lost, err)
	}
	if n := len(stored(t, old.db)); n != 25 {
		t.Errorf("%d events", n)
	}
}

// TestBadReports: what is no report of that edge is refused with the reason,
// stores nothing, and does not stop the next good one.
func TestBadReports(t *testing.T) {
	d := found(t, nil)
	e, other := d.enroll(t, "AAAA-BBBB"), d.enroll(t, "CCCC-DDDD")
	encoder, err := wire.NewEncoder()
	if err != nil {
		t.Fatal(err)
	}
	frame := func(first, last uint64, records ...[]byte) []byte {
		b, err := encoder.Append(nil, first, last, records)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	record := func(change func(*event.Event)) []byte {
		id, code := event.NewID()
		ev := event.Event{ID: id, Code: code, Time: time.Now().UTC(), Site: "shop", Action: event.Blocked}
		if change != nil {
			change(&ev)
		}
		b, err := wire.Item{Event: &ev}.Encode()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	const head = wire.PathReports + "?after=0&epoch=ab&lane=1"
	type attempt struct {
		name   string
		target string
		body   []byte
		claim  func(*wire.Claim)
		key    []byte
		want   int
		says   string
	}
	good := frame(1, 1, record(nil))
	send := func(a attempt) (int, string) {
		if a.target == "" {
			a.target = head
		}
		if a.key == nil {
			a.key = e.Seed
		}
		c := wire.Claim{Edge: e.Edge, Boot: "b", Version: "1", Time: time.Now(), Method: http.MethodPost, Target: a.target, Body: wire.Sum(a.body)}
		if a.claim != nil {
			a.claim(&c)
		}
		signed, err := c.Sign(ed25519.NewKeyFromSeed(a.key))
		if err != nil {
			t.Fatal(err)
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, d.server.URL+a.target, bytes.NewReader(a.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", signed)
		resp, err := d.server.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(text)
	}
	var bomb []byte // five frames that are small and inflate to fifteen megabytes each
	for n := range uint64(5) {
		bomb = append(bomb, frame(n+1, n+1, make([]byte, 15<<20))...)
	}
	if len(bomb) > 1<<20 {
		t.Fatalf("the bomb has %d bytes", len(bomb))
	}
	for _, a := range []attempt{
		{name: "signed by another edge", body: good, key: other.Seed, want: 401},
		{name: "in the name of another edge", body: good, claim: func(c *wire.Claim) { c.Edge = other.Edge }, want: 401},
		{name: "of an edge that is not there", body: good, claim: func(c *wire.Claim) { c.Edge = "nobody" }, want: 401},
		{name: "signed for another body", body: good, claim: func(c *wire.Claim) { c.Body = wire.Sum(nil) }, want: 401},
		{name: "signed for another lane", body: good, claim: func(c *wire.Claim) { c.Target += "0" }, want: 401},
		{name: "of more than may come", body: make([]byte, maxBatch+1), want: 413},
		{name: "of frames that inflate to more than may come", body: bomb, want: 400, says: "limits"},
		{name: "of no frames", body: []byte("hello"), want: 400, says: "frame"},
		{name: "of a damaged frame", body: append(append([]byte{}, good[:len(good)-1]...), ^good[len(good)-1]), want: 400, says: "damaged"},
		{name: "of a frame cut off", body: good[:len(good)-2], want: 400, says: "cut off"},
		{name: "of frames backwards", body: append(frame(5, 5, record(nil)), good...), want: 400, says: "damaged"},
		{name: "without a lane", target: wire.PathReports + "?after=0&epoch=ab", body: good, want: 400},
		{name: "of a lane before its first", target: wire.PathReports + "?after=0&epoch=ab&lane=9", body: good, want: 400},
		{name: "with a hostile epoch", target: wire.PathReports + "?after=0&epoch=..%2F&lane=1", body: good, want: 400},
		{name: "after records that never came", target: wire.PathReports + "?after=7&epoch=ab&lane=1", body: frame(8, 8, record(nil)), want: 409, says: `"committed":0`},
		{name: "of an unknown version", target: "/fleet/v9/reports", body: good, want: 404, says: "version"},
	} {
		status, text := send(a)
		if status != a.want || !strings.Contains(text, a.says) {
			t.Errorf("%s: %d %s", a.name, status, text)
		}
	}
	if n := len(stored(t, d.db)); n != 0 {
		t.Fatalf("%d events of bad reports", n)
	}
	future := frame(1, 4, record(func(e *event.Event) { e.Time = time.Now().AddDate(3, 0, 0) }), []byte("no record"),
		record(func(e *event.Event) { e.ID = "no id" }), []byte(`{"what":"newer"}`))
	if status, text := send(attempt{body: future}); status != 200 || !strings.Contains(text, `"committed":4`) {
		t.Fatalf("%d %s", status, text)
	}
	for _, e := range stored(t, d.db) {
		if time.Until(e.Time) > time.Minute {
			t.Errorf("an event of %s", e.Time)
		}
	}
	lost, err := d.db.Losses(t.Context(), store.Whole(), time.Time{})
	var unreadable int64
	for _, l := range lost {
		unreadable += l.Count
	}
	if err != nil || unreadable != 3 {
		t.Errorf("losses %+v, %v", lost, err)
	}
}

// TestHugeReport: of a body of a gigabyte little more is read than may come.
func TestHugeReport(t *testing.T) {
	d := found(t, nil)
	e := d.enroll(t, "AAAA-BBBB")
	c := wire.Claim{Edge: e.Edge, Time: time.Now(), Method: http.MethodPost, Target: wire.PathReports}
	signed, err := c.Sign(ed25519.NewKeyFromSeed(e.Seed))
	if err != nil {
		t.Fatal(err)
	}
	body := &zeros{}
	body.left.Store(1 << 30)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, d.server.URL+wire.PathReports, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", signed)
	resp, err := d.server.Client().Do(req)
	if err == nil { // the line may be cut before the answer is read
		resp.Body.Close()
		if resp.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("answered %s", resp.Status)
		}
	}
	if sent := 1<<30 - body.left.Load(); sent > 64<<20 {
		t.Errorf("%d bytes were taken", sent)
	}
}

// zeros is a long text of nothing.
type zeros struct{ left atomic.Int64 }

func (z *zeros) Read(p []byte) (int, error) {
	if z.left.Load() <= 0 {
		return 0, io.EOF
	}
	clear(p)
	z.left.Add(-int64(len(p)))
	return len(p), nil
}

// TestStoreThatTakesNothing: the edge is told to come again.
func TestStoreThatTakesNothing(t *testing.T) {
	d := found(t, nil)
	e, b := d.enroll(t, "AAAA-BBBB"), box(t)
	refusals(t, b, 10)
	if err := d.db.Close(); err != nil {
		t.Fatal(err)
	}
	s := ship(t, b, e, func(s report.ShipperStats) bool { return s.Failures > 0 })
	if !strings.Contains(s.Failing, "503") || b.Stats().Records != 10 {
		t.Errorf("%+v", s)
	}
	reopened, err := store.Open(t.Context(), filepath.Join(t.TempDir(), store.File))
	if err != nil {
		t.Fatal(err)
	}
	*d.db = *reopened // the cleanup closes it
}

// FuzzReports: whatever body comes, the door does not fall and stores nothing
// that it cannot give back.
func FuzzReports(f *testing.F) {
	encoder, err := wire.NewEncoder()
	if err != nil {
		f.Fatal(err)
	}
	seed, err := encoder.Append(nil, 1, 2, [][]byte{[]byte(`{"loss":{"id":"x","count":1}}`), []byte(`{"event":{"id":"01930000-0000-7000-8000-000000000000"}}`)})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Fuzz(func(t *testing.T, b []byte) {
		now := time.Now()
		all, err := frames(b, "edge", now)
		if err != nil {
			if all != nil {
				t.Fatal("frames and an error")
			}
			return
		}
		for _, fr := range all {
			for _, item := range fr.Items {
				if item.Weight() < 1 {
					t.Fatalf("an item of weight %d", item.Weight())
				}
				if _, err := json.Marshal(item); err != nil {
					t.Fatal(err)
				}
				if item.Event != nil && item.Event.Edge != "edge" {
					t.Fatal(errors.New(fmt.Sprint("an event of edge ", item.Event.Edge)))
				}
			}
		}
	})
}
