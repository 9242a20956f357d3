package decisions

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/rs/zerolog"

	"github.com/qorgan/qorgan/report/wire"
)

var start = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// console is what seals batches in a test.
type console struct {
	t    *testing.T
	key  ed25519.PrivateKey
	seal *wire.Sealer
}

func newConsole(t *testing.T, seed byte) *console {
	t.Helper()
	key := ed25519.NewKeyFromSeed(slices.Repeat([]byte{seed}, ed25519.SeedSize))
	s, err := wire.NewSealer(key)
	if err != nil {
		t.Fatal(err)
	}
	return &console{t, key, s}
}

func (c *console) batch(b wire.Batch) string {
	c.t.Helper()
	if b.Time.IsZero() {
		b.Time = start
	}
	text, err := c.seal.Seal(b)
	if err != nil {
		c.t.Fatal(err)
	}
	return text
}

// room is a keeper with what it has put into force.
type room struct {
	*Keeper
	clock time.Time
	force map[string]wire.Decision
}

func open(t *testing.T, c *console, path string, at time.Time) *room {
	t.Helper()
	r := &room{clock: at, force: map[string]wire.Decision{}}
	var err error
	r.Keeper, err = NewKeeper(KeeperOptions{
		Path: path, Edge: "almaty", Key: c.key.Public().(ed25519.PublicKey), Logger: zerolog.Nop(), Now: func() time.Time { return r.clock },
		Protected: func() []netip.Prefix { return []netip.Prefix{netip.MustParsePrefix("198.51.100.200/32")} },
		Apply: func(change Change) {
			for _, d := range change.Drop {
				delete(r.force, d.ID)
			}
			for _, d := range change.Put {
				r.force[d.ID] = d
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

func (r *room) ids() string {
	var list []string
	for id := range r.force {
		list = append(list, id)
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}

func ban(id, network string) wire.Decision {
	return wire.Decision{ID: id, Kind: wire.DecisionBan, Network: netip.MustParsePrefix(network), Made: start, Until: start.Add(time.Hour)}
}

func many(from, n int) (list []wire.Decision) {
	for i := from; i < from+n; i++ {
		list = append(list, ban(fmt.Sprint("N", i), netip.PrefixFrom(netip.AddrFrom4([4]byte{20, byte(i >> 16), byte(i >> 8), byte(i)}), 32).String()))
	}
	return list
}

// TestKept: what was taken is in force again after a start without a console,
// and ends by itself.
func TestKept(t *testing.T) {
	c, path := newConsole(t, 1), filepath.Join(t.TempDir(), "d", "edge.journal")
	r := open(t, c, path, start)
	message := wire.Decision{ID: "M", Kind: wire.DecisionMessage, Text: "Please update.", Until: start.Add(time.Hour)}
	for _, b := range []wire.Batch{
		{After: 0, Version: 3, Put: []wire.Decision{ban("A", "203.0.113.5/32"), ban("B", "2001:db8:1:2::/64")}},
		{After: 3, Version: 4, Put: []wire.Decision{message}, Drop: []string{"A"}},
		{After: 4, Version: 9, Put: []wire.Decision{ban("C", "203.0.113.0/24")}, Drop: []string{"never had"}},
	} {
		if _, err := r.Take(c.batch(b)); err != nil {
			t.Fatal(err)
		}
	}
	if got := r.ids(); got != "B C M" {
		t.Fatalf("in force: %s", got)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	again := open(t, c, path, start.Add(time.Minute))
	if got := again.ids(); got != "B C M" || again.Version() != 9 || again.force["M"].Text != message.Text || again.force["C"].Network.String() != "203.0.113.0/24" {
		t.Fatalf("after a start: %s, version %d", got, again.Version())
	}
	again.clock = start.Add(2 * time.Hour)
	again.Lapse()
	if got := again.ids(); got != "" || again.Len() != 0 {
		t.Errorf("after their time: %s", got)
	}
	if late := open(t, c, path, start.Add(2*time.Hour)); late.ids() != "" {
		t.Errorf("a start after their time: %s", late.ids())
	}
}

// TestClock: decisions end by this machine's clock, however far it is off.
func TestClock(t *testing.T) {
	c := newConsole(t, 1)
	r := open(t, c, filepath.Join(t.TempDir(), "j"), start.Add(-100*24*time.Hour))
	if taken, err := r.Take(c.batch(wire.Batch{Version: 1, Put: []wire.Decision{ban("A", "203.0.113.5/32")}})); err != nil || len(taken.Objected) != 0 {
		t.Fatalf("%+v, %v", taken, err)
	}
	if got := r.force["A"].Until; !got.Equal(r.clock.Add(time.Hour)) {
		t.Errorf("ends %v", got)
	}
}

// TestRefusedBatches: whatever comes that is not the console's next word leaves
// all as it was.
func TestRefusedBatches(t *testing.T) {
	c, other := newConsole(t, 1), newConsole(t, 2)
	first := c.batch(wire.Batch{Version: 5, Put: []wire.Decision{ban("A", "203.0.113.5/32")}})
	second := c.batch(wire.Batch{After: 5, Version: 6, Put: []wire.Decision{ban("B", "203.0.113.6/32")}})
	text, mark, _ := strings.Cut(second, ".")
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	signed := func(packed []byte) string {
		return base64.RawURLEncoding.EncodeToString(packed) + "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(c.key, append([]byte("qorgan decisions v1\n"), packed...)))
	}
	flipped := []byte(text)
	flipped[len(flipped)/2] ^= 1
	firstText, _, _ := strings.Cut(first, ".")
	for name, tc := range map[string]struct {
		sealed string
		want   error
		reason string
	}{
		"a signature that is broken":         {text + "." + mark[:len(mark)-2] + "AA", wire.ErrForged, "bad-signature"},
		"a byte that was changed":            {string(flipped) + "." + mark, wire.ErrForged, "bad-signature"},
		"another batch's signature":          {firstText + "." + mark, wire.ErrForged, "bad-signature"},
		"another console's":                  {other.batch(wire.Batch{After: 5, Version: 6}), wire.ErrForged, "bad-signature"},
		"no signature":                       {text, wire.ErrForged, "bad-signature"},
		"nothing":                            {"", wire.ErrForged, "bad-signature"},
		"the one before":                     {first, ErrReplayed, "replayed"},
		"an older one":                       {c.batch(wire.Batch{After: 1, Version: 2, Drop: []string{"A"}}), ErrReplayed, "replayed"},
		"an older whole":                     {c.batch(wire.Batch{Version: 4, Whole: true}), ErrReplayed, "replayed"},
		"one after the next":                 {c.batch(wire.Batch{After: 6, Version: 7}), ErrGap, "gap"},
		"another edge's":                     {c.batch(wire.Batch{For: "astana", After: 5, Version: 6}), ErrOthers, "for-another"},
		"a compression bomb":                 {signed(z.EncodeAll(make([]byte, 64<<20), nil)), wire.ErrTooBig, "too-big"},
		"what is no batch":                   {signed(z.EncodeAll([]byte("[1,2"), nil)), wire.ErrDamaged, "damaged"},
		"what is not compressed":             {signed([]byte("{}")), wire.ErrDamaged, "damaged"},
		"two megabytes":                      {strings.Repeat("A", 2<<20), wire.ErrTooBig, "too-big"},
		"more than a fifth of what there is": {c.batch(wire.Batch{After: 5, Version: 6, Put: many(0, 1500)}), ErrTooMany, "too-many-changes"},
	} {
		r := open(t, c, filepath.Join(t.TempDir(), "j"), start)
		if _, err := r.Take(first); err != nil {
			t.Fatal(err)
		}
		_, err := r.Take(tc.sealed)
		if !errors.Is(err, tc.want) || Reason(err) != tc.reason {
			t.Errorf("%s: %v (%s)", name, err, Reason(err))
		}
		if r.ids() != "A" || r.Version() != 5 {
			t.Errorf("%s: in force: %s, version %d", name, r.ids(), r.Version())
		}
		if _, err := r.Take(second); err != nil || r.ids() != "A B" {
			t.Errorf("%s: what follows is not taken: %v", name, err)
		}
	}
}

// TestRefusedDecisions: one decision that may not be does not hold up the
// others.
func TestRefusedDecisions(t *testing.T) {
	c := newConsole(t, 1)
	with := func(change func(*wire.Decision)) wire.Decision {
		d := ban("X", "203.0.113.5/32")
		change(&d)
		return d
	}
	network := func(s string) wire.Decision {
		return with(func(d *wire.Decision) { d.Network = netip.MustParsePrefix(s) })
	}
	for reason, list := range map[string][]wire.Decision{
		"private": {network("0.0.0.0/0"), network("::/0"), network("10.1.2.3/32"), network("192.168.1.0/24"), network("127.0.0.1/32"), network("100.64.7.0/24"),
			network("fe80::/64"), network("fd00::/64"), network("224.0.0.1/32"), network("128.0.0.0/1")},
		"too-wide":      {network("203.0.0.0/16"), network("203.0.96.0/19"), network("2001:db8::/47")},
		"crawler":       {network("66.249.66.1/32"), network("77.88.5.0/24"), network("2a02:6b8:b010::/64"), network("17.58.96.0/20")},
		"protected":     {network("198.51.100.200/32"), network("198.51.100.0/24")},
		"not-a-network": {network("203.0.113.5/24"), with(func(d *wire.Decision) { d.Network = netip.Prefix{} }), network("::ffff:203.0.113.5/128")},
		"no-end":        {with(func(d *wire.Decision) { d.Until = time.Time{} })},
		"too-long":      {with(func(d *wire.Decision) { d.Until = start.Add(60 * 24 * time.Hour) })},
		"unknown-kind":  {with(func(d *wire.Decision) { d.Kind = "erase-disk" })},
		"no-name":       {with(func(d *wire.Decision) { d.ID = "" }), with(func(d *wire.Decision) { d.ID = strings.Repeat("x", 41) })},
		"bad-mode":      {with(func(d *wire.Decision) { d.Kind, d.Site, d.Mode = wire.DecisionMode, "shop", "off" })},
		"no-site":       {with(func(d *wire.Decision) { d.Kind, d.Mode = wire.DecisionMode, "detect" }), with(func(d *wire.Decision) { d.Kind = wire.DecisionExclusion })},
		"bad-patch":     {with(func(d *wire.Decision) { d.Kind, d.Name, d.Text = wire.DecisionPatch, "../../etc/cron.d/x", "text" })},
		"bad-message":   {with(func(d *wire.Decision) { d.Kind, d.Text = wire.DecisionMessage, " " })},
		"too-big": {with(func(d *wire.Decision) {
			d.Kind, d.Name, d.Text = wire.DecisionPatch, "x.conf", strings.Repeat("x", wire.MaxDecisionText+1)
		})},
	} {
		for _, d := range list {
			r := open(t, c, filepath.Join(t.TempDir(), "j"), start)
			taken, err := r.Take(c.batch(wire.Batch{Version: 1, Put: []wire.Decision{ban("A", "203.0.113.77/32"), d, ban("B", "203.0.113.78/32")}}))
			if err != nil || len(taken.Objected) != 1 || taken.Objected[0].Reason != reason || taken.Objected[0].Detail == "" {
				t.Errorf("%s: %s %s: %+v, %v", reason, d.Kind, d.Network, taken, err)
			}
			if r.ids() != "A B" {
				t.Errorf("%s: in force: %s", reason, r.ids())
			}
		}
	}
}

// TestAFifth: no more than a fifth of the list changes in a minute, unless a
// person answers for it or the edge has just joined.
func TestAFifth(t *testing.T) {
	c := newConsole(t, 1)
	r := open(t, c, filepath.Join(t.TempDir(), "j"), start)
	version := int64(0)
	take := func(b wire.Batch) error {
		t.Helper()
		b.After, b.Version, b.Time = version, version+1, r.clock
		for i := range b.Put {
			b.Put[i].Until = r.clock.Add(time.Hour)
		}
		_, err := r.Take(c.batch(b))
		if err == nil {
			version++
		}
		return err
	}
	for from := 0; from < 20_000; from += 5000 { // an edge that joins
		if err := take(wire.Batch{Put: many(from, 5000), More: from < 15_000}); err != nil {
			t.Fatal(err)
		}
	}
	r.clock = r.clock.Add(61 * time.Second)
	r.Heard()
	var drop []string
	for i := range 5000 {
		drop = append(drop, fmt.Sprint("N", i))
	}
	if err := take(wire.Batch{Drop: drop}); !errors.Is(err, ErrTooMany) {
		t.Errorf("a quarter at once: %v", err)
	}
	if err := take(wire.Batch{Drop: drop[:2500]}); err != nil {
		t.Errorf("an eighth: %v", err)
	}
	if err := take(wire.Batch{Drop: drop[2500:]}); !errors.Is(err, ErrTooMany) {
		t.Errorf("an eighth more in the same minute: %v", err)
	}
	if err := take(wire.Batch{Drop: drop[2500:], Approved: true}); err != nil {
		t.Errorf("a person answers for it: %v", err)
	}
	r.clock = r.clock.Add(61 * time.Second)
	r.Heard()
	if err := take(wire.Batch{Put: many(50_000, 2000)}); err != nil {
		t.Errorf("a minute later: %v", err)
	}
	r.clock = r.clock.Add(2 * time.Hour)
	if err := take(wire.Batch{Put: many(60_000, 9000)}); err != nil {
		t.Errorf("an edge that was away for hours: %v", err)
	}
	if err := take(wire.Batch{Whole: true}); !errors.Is(err, ErrTooMany) {
		t.Errorf("an empty list in place of all: %v", err)
	}
}

// TestDamage cuts and changes the file at every tenth place: the keeper opens,
// holds what stands before the damage, and asks for the rest.
func TestDamage(t *testing.T) {
	c := newConsole(t, 1)
	path := filepath.Join(t.TempDir(), "j")
	r := open(t, c, path, start)
	for v := range int64(20) {
		if _, err := r.Take(c.batch(wire.Batch{After: v, Version: v + 1, Put: many(int(v), 1)})); err != nil {
			t.Fatal(err)
		}
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for at := 0; at < len(whole); at += 10 {
		for _, damaged := range [][]byte{whole[:at], append(append(slices.Clone(whole[:at]), whole[at]^0x20), whole[at+1:]...)} {
			path := filepath.Join(t.TempDir(), "j")
			if err := os.WriteFile(path, damaged, 0o600); err != nil {
				t.Fatal(err)
			}
			r := open(t, c, path, start)
			if int64(len(r.force)) != r.Version() {
				t.Fatalf("at %d: version %d with %d decisions", at, r.Version(), len(r.force))
			}
			v := r.Version()
			if _, err := r.Take(c.batch(wire.Batch{After: v, Version: v + 100, Put: many(500, 1)})); err != nil {
				t.Fatal(err)
			}
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			if again := open(t, c, path, start); again.Version() != v+100 || len(again.force) != int(v)+1 {
				t.Fatalf("at %d: version %d with %d decisions after what followed", at, again.Version(), len(again.force))
			}
		}
	}
}

// TestNoRoom: what cannot be written is in force, and is written when it can be.
func TestNoRoom(t *testing.T) {
	c := newConsole(t, 1)
	dir := filepath.Join(t.TempDir(), "d")
	if err := os.WriteFile(dir, nil, 0o600); err != nil { // no folder can be made there
		t.Fatal(err)
	}
	r := &room{clock: start, force: map[string]wire.Decision{}}
	path := filepath.Join(dir, "j")
	if _, err := NewKeeper(KeeperOptions{Path: path, Edge: "almaty", Key: c.key.Public().(ed25519.PublicKey), Apply: func(Change) {}}); err == nil {
		t.Fatal("a file in the way of the folder is not noticed at the start")
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	r = open(t, c, path, start)
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Take(c.batch(wire.Batch{Version: 1, Put: many(0, 1)})); err != nil || r.ids() != "N0" {
		t.Fatalf("%v, in force: %s", err, r.ids())
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	r.Heard()
	if again := open(t, c, path, start); again.ids() != "N0" || again.Version() != 1 {
		t.Errorf("not written when there was room: %s", again.ids())
	}
}

// FuzzOpen: whatever comes, an opener keeps its limits and opens nothing that
// the console did not sign.
func FuzzOpen(f *testing.F) {
	key := ed25519.NewKeyFromSeed(slices.Repeat([]byte{1}, ed25519.SeedSize))
	seal, err := wire.NewSealer(key)
	if err != nil {
		f.Fatal(err)
	}
	good, err := seal.Seal(wire.Batch{Version: 1, Time: start, Put: []wire.Decision{ban("A", "203.0.113.5/32")}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add("AAAA.BBBB")
	open, err := wire.NewOpener(key.Public().(ed25519.PublicKey))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if b, err := open.Open(text); err == nil && text != good {
			t.Fatalf("%q was opened: %+v", text, b)
		}
	})
}
