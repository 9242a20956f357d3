package alerts

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/qorgan/qorgan/console/store"
	"github.com/qorgan/qorgan/console/store/storetest"
	"github.com/qorgan/qorgan/event"
)

// hook is a webhook that keeps what it was told.
type hook struct {
	mu      sync.Mutex
	letters [][]string // the texts of each
	ids     []string
	broken  bool
}

func (h *hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ids = append(h.ids, r.Header.Get("Webhook-Id"))
	if h.broken {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	b, _ := io.ReadAll(r.Body)
	var got struct{ Data struct{ Items []Item } }
	if err := json.Unmarshal(b, &got); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	var texts []string
	for _, i := range got.Data.Items {
		texts = append(texts, i.Text)
	}
	h.letters = append(h.letters, texts)
}

// scene is a desk with a clock of the test's own and one channel.
type scene struct {
	*testing.T
	desk    *Desk
	db      *store.DB
	hook    *hook
	channel int64
	now     time.Time
}

func newScene(t *testing.T, c store.Channel, rules ...store.AlertRule) *scene {
	t.Helper()
	db, err := store.Open(t.Context(), filepath.Join(t.TempDir(), store.File))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	s := &scene{T: t, db: db, hook: &hook{}, now: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)}
	server := httptest.NewServer(s.hook)
	t.Cleanup(server.Close)
	c.Kind, c.Address, c.Made = store.ByWebhook, server.URL, s.now
	if s.channel, err = db.InsertChannel(t.Context(), store.Whole(), c); err != nil {
		t.Fatal(err)
	}
	for _, r := range rules {
		r.Made = s.now
		if err := db.InsertAlertRule(t.Context(), store.Whole(), r); err != nil {
			t.Fatal(err)
		}
	}
	s.desk, err = New(Options{Store: db, Post: Post{Inside: true}, Location: time.UTC, Logger: zerolog.Nop(),
		Write: func(_ store.Channel, news []store.News, more int) (l Letter) {
			for _, n := range news {
				text := string(n.Kind) + " " + n.Object
				if n.Over {
					text += " over"
				}
				l.Items = append(l.Items, Item{Text: text})
			}
			l.More = more
			return l
		}})
	if err != nil {
		t.Fatal(err)
	}
	s.desk.now = func() time.Time { return s.now }
	return s
}

// turns lets the time go by, turn by turn.
func (s *scene) turns(d time.Duration) {
	s.Helper()
	for end := s.now.Add(d); s.now.Before(end); s.now = s.now.Add(period) {
		if err := s.desk.turn(s.Context()); err != nil {
			s.Fatal(err)
		}
	}
}

func (s *scene) attack(client int, times int) {
	s.Helper()
	var events []event.Event
	for range times {
		e := storetest.Event(1)
		e.ID, e.Code = event.NewID()
		e.Time = s.now.Add(-time.Second)
		a := e.Client.Addr.As4()
		a[3] = byte(client)
		e.Client.Addr = netip.AddrFrom4(a)
		events = append(events, e)
	}
	if err := s.db.Insert(s.Context(), events); err != nil {
		s.Fatal(err)
	}
}

func (s *scene) told(want ...string) {
	s.Helper()
	s.hook.mu.Lock()
	defer s.hook.mu.Unlock()
	var got []string
	for _, l := range s.hook.letters {
		got = append(got, strings.Join(l, ", "))
	}
	if !slices.Equal(got, want) {
		s.Errorf("told %q, want %q", got, want)
	}
	s.hook.letters = nil
}

func TestOneLetterForWhatBelongsTogether(t *testing.T) {
	s := newScene(t, store.Channel{}, Rule(store.OnClient))
	s.attack(1, 51)
	s.attack(2, 50) // not more than fifty
	s.turns(period)
	s.attack(3, 60)
	s.told()
	s.turns(time.Minute)
	s.told("client 203.0.113.1, client 203.0.113.3")
	// It goes on: no news. Another client within ten minutes waits for them.
	s.attack(1, 60)
	s.attack(4, 60)
	s.turns(8 * time.Minute)
	s.told()
	s.turns(3 * time.Minute)
	s.told("client 203.0.113.4")
}

func TestQuietHours(t *testing.T) {
	quietRule, urgentRule := Rule(store.OnClient), Rule(store.OnSite)
	urgentRule.Urgent, urgentRule.Count = true, 100
	s := newScene(t, store.Channel{Quiet: 22 * 60, Loud: 7 * 60}, quietRule, urgentRule)
	s.now = time.Date(2026, 11, 24, 23, 0, 0, 0, time.UTC)
	s.attack(1, 60)
	s.turns(2 * time.Hour)
	s.told()
	s.now = time.Date(2026, 11, 25, 6, 59, 0, 0, time.UTC)
	s.turns(2 * time.Minute)
	s.told("client 203.0.113.1")
	s.now = time.Date(2026, 11, 25, 23, 30, 0, 0, time.UTC)
	s.attack(5, 150)
	s.turns(2 * time.Minute)
	s.told("client 203.0.113.5, site site1.kz")
}

func TestDeliveryIsTriedAgain(t *testing.T) {
	s := newScene(t, store.Channel{}, Rule(store.OnClient))
	s.hook.broken = true
	s.attack(1, 60)
	s.turns(10 * time.Minute)
	s.hook.mu.Lock()
	if n := len(s.hook.ids); n < 3 || n > 6 || len(slices.Compact(slices.Clone(s.hook.ids))) != 1 {
		t.Errorf("it was tried with the ids %q in ten minutes", s.hook.ids)
	}
	s.hook.broken = false
	s.hook.mu.Unlock()
	channels, err := s.db.Channels(t.Context(), store.Whole())
	if err != nil || channels[0].Cause != "refused" || channels[0].Tries < 3 {
		t.Errorf("the channel: %+v, %v", channels, err)
	}
	s.turns(time.Hour)
	s.told("client 203.0.113.1")
}

func TestSilentEdgeAndCertificate(t *testing.T) {
	s := newScene(t, store.Channel{}, Rule(store.OnEdge), Rule(store.OnCertificate), Rule(store.OnLoss))
	code := []byte("code")
	if err := s.db.InsertInvitation(t.Context(), store.Whole(), code, "admin", s.now.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := s.db.Enroll(t.Context(), code, store.Edge{ID: "e1", Name: "almaty", Key: make([]byte, 32), Enrolled: s.now}); err != nil {
		t.Fatal(err)
	}
	certificate := Certificate{Name: "shop.kz", NotAfter: s.now.Add(30 * 24 * time.Hour)}
	s.desk.options.Certificates = func() []Certificate { return []Certificate{certificate} }
	s.turns(10 * time.Minute)
	s.told()
	certificate.NotAfter = s.now.Add(9 * 24 * time.Hour)
	s.turns(10 * time.Minute)
	s.told("certificate shop.kz", "edge almaty (e1)")
	certificate.NotAfter = s.now.Add(45 * 24 * time.Hour)
	if err := s.db.HearEdge(t.Context(), store.Heard{Edge: "e1", At: s.now}); err != nil {
		t.Fatal(err)
	}
	if err := s.db.InsertLoss(t.Context(), event.Loss{ID: "l", First: s.now, Last: s.now, Count: 9, Reason: "full"}); err != nil {
		t.Fatal(err)
	}
	s.turns(11 * time.Minute)
	s.told("edge almaty (e1) over, certificate shop.kz over, loss ")
}

func TestOneConsoleAtATime(t *testing.T) {
	s := newScene(t, store.Channel{}, Rule(store.OnClient))
	other, err := New(s.desk.options)
	if err != nil {
		t.Fatal(err)
	}
	other.now = s.desk.now
	s.attack(1, 60)
	for range 8 {
		if err := other.turn(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.turns(period)
	}
	s.told("client 203.0.113.1")
}

func TestQuiet(t *testing.T) {
	at := func(hour, minute int) time.Time { return time.Date(2026, 11, 24, hour, minute, 0, 0, time.UTC) }
	for _, test := range []struct {
		quiet, loud int
		at          time.Time
		want        bool
	}{
		{0, 0, at(3, 0), false},
		{22 * 60, 7 * 60, at(21, 59), false},
		{22 * 60, 7 * 60, at(22, 0), true},
		{22 * 60, 7 * 60, at(6, 59), true},
		{22 * 60, 7 * 60, at(7, 0), false},
		{60, 120, at(1, 30), true},
		{60, 120, at(2, 0), false},
	} {
		if got := quiet(store.Channel{Quiet: test.quiet, Loud: test.loud}, test.at); got != test.want {
			t.Errorf("quiet from %d to %d at %s = %v", test.quiet, test.loud, test.at.Format("15:04"), got)
		}
	}
}
