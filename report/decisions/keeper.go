package decisions

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/qorgan/qorgan/report/wire"
)

// MaxHeld is how many decisions an edge holds at most.
const MaxHeld = 1_000_000

// How much may change at a time: a fifth of what is held in a minute, but for
// the first few.
const (
	share    = 5
	fewest   = 1000
	inTime   = time.Minute
	longAway = share * inTime // then all of it may be another
)

// Errors of taking a batch, beside those of [wire.Opener.Open].
var (
	ErrReplayed = errors.New("decisions are older than those in force")
	ErrGap      = errors.New("decisions are missing before these")
	ErrOthers   = errors.New("decisions are for another edge")
	ErrTooMany  = errors.New("more than a fifth of all decisions would change at once")
	ErrFull     = fmt.Errorf("more than %d decisions", MaxHeld)
)

// Reason is the stable name of why a batch was not taken.
func Reason(err error) string {
	for _, k := range []struct {
		err  error
		name string
	}{
		{wire.ErrForged, "bad-signature"}, {wire.ErrTooBig, "too-big"}, {wire.ErrDamaged, "damaged"}, {ErrReplayed, "replayed"},
		{ErrGap, "gap"}, {ErrOthers, "for-another"}, {ErrTooMany, "too-many-changes"}, {ErrFull, "full"},
	} {
		if errors.Is(err, k.err) {
			return k.name
		}
	}
	return "failed"
}

// Change is what an edge is to do otherwise from now on. The decisions' ends
// are by this machine's clock.
type Change struct {
	Put  []wire.Decision
	Drop []wire.Decision // with the networks that they had
}

// Taken is what became of a batch.
type Taken struct {
	Objected []wire.Objection // what speaks against single decisions, which are not in force
	Trials   []wire.Decision  // decisions in force that the console asks about
}

// KeeperOptions configures a [Keeper].
type KeeperOptions struct {
	Path      string            // the file; required
	Edge      string            // this edge's id
	Key       ed25519.PublicKey // the console's, pinned. Required.
	Protected func() []netip.Prefix
	Apply     func(Change) // puts a change into force at once; called in order, by one goroutine at a time. Required.
	Logger    zerolog.Logger
	Now       func() time.Time // time.Now when nil
}

// Keeper holds the decisions in force.
type Keeper struct {
	o    KeeperOptions
	open *wire.Opener

	mu      sync.Mutex
	held    map[string]held
	version int64
	partial bool      // the console has more to send before an edge that joined has all
	last    time.Time // when the console was last heard
	recent  []changed // changes of the last minute
	file    journal
}

// held is a decision as it is kept in memory: a million of them are networks.
type held struct {
	network netip.Prefix
	until   int64          // Unix milliseconds
	more    *wire.Decision // of what is not about a network
	kind    wire.DecisionKind
	site    string
}

type changed struct {
	at time.Time
	n  int
}

// NewKeeper reads what is on the disk and has it put into force.
func NewKeeper(o KeeperOptions) (*Keeper, error) {
	if o.Apply == nil || o.Path == "" {
		return nil, errors.New("decisions: a keeper needs a file and somebody to put them into force")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Protected == nil {
		o.Protected = func() []netip.Prefix { return nil }
	}
	open, err := wire.NewOpener(o.Key)
	if err != nil {
		return nil, fmt.Errorf("decisions: %w", err)
	}
	k := &Keeper{o: o, open: open, held: map[string]held{}, file: journal{path: o.Path}}
	if err := k.load(); err != nil {
		open.Close()
		return nil, fmt.Errorf("read decisions: %w", err)
	}
	return k, nil
}

// load replays the file.
func (k *Keeper) load() error {
	damaged, err := k.file.load(func(s step) {
		for _, id := range s.Drop {
			delete(k.held, id)
		}
		for _, d := range s.Put {
			k.held[d.ID] = keep(d)
		}
		k.version, k.partial, k.last = s.Version, s.More, s.Time
	})
	if err != nil {
		return err
	}
	if damaged {
		k.o.Logger.Warn().Str("file", k.o.Path).Int64("version", k.version).Msg("the end of the decisions was damaged; the console sends it again")
		k.file.dirty = true
	}
	var c Change
	now := k.o.Now()
	protected := k.o.Protected()
	for id, h := range k.held {
		d := h.decision(id)
		if why := Check(d, now, protected); why != nil {
			delete(k.held, id)
			continue
		}
		c.Put = append(c.Put, d)
	}
	if len(c.Put) > 0 {
		k.o.Apply(c)
	}
	return nil
}

// Close closes the file.
func (k *Keeper) Close() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.open.Close()
	return k.file.close()
}

// Version returns up to where decisions were taken.
func (k *Keeper) Version() int64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.version
}

// Len returns how many decisions are held.
func (k *Keeper) Len() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.held)
}

// Take opens a sealed batch, puts what nothing speaks against into force, and
// writes it down. With an error nothing was taken.
func (k *Keeper) Take(sealed string) (Taken, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	b, err := k.open.Open(sealed)
	if err != nil {
		return Taken{}, err
	}
	now := k.o.Now()
	if err := k.follows(b, now); err != nil {
		return Taken{}, fmt.Errorf("take decisions: %w", err)
	}
	c, objections := k.change(b, now)
	n := len(c.Put) + len(c.Drop)
	if err := k.bearable(b, n, now); err != nil {
		return Taken{}, fmt.Errorf("take decisions: %w", err)
	}
	s := step{Version: b.Version, Time: now, More: b.More, Put: c.Put}
	for _, d := range c.Drop {
		delete(k.held, d.ID)
		s.Drop = append(s.Drop, d.ID)
	}
	for _, d := range c.Put {
		k.held[d.ID] = keep(d)
	}
	k.recent = append(k.recent, changed{now, n})
	k.version, k.partial, k.last = b.Version, b.More, now
	k.o.Apply(c)
	k.write(s)
	taken := Taken{Objected: objections}
	for _, d := range b.Put {
		if _, held := k.held[d.ID]; held && d.Trial {
			taken.Trials = append(taken.Trials, d)
		}
	}
	return taken, nil
}

// follows reports why a batch is not the next one of this edge.
func (k *Keeper) follows(b wire.Batch, now time.Time) error {
	switch {
	case b.For != "" && b.For != k.o.Edge:
		return ErrOthers
	case b.Version < k.version, !b.Whole && b.Version == k.version:
		return fmt.Errorf("%w: %d after %d", ErrReplayed, b.Version, k.version)
	case !b.Whole && b.After != k.version:
		return fmt.Errorf("%w: those after %d, and %d is in force", ErrGap, b.After, k.version)
	}
	return nil
}

// change works out what a batch changes here, and what speaks against parts of
// it. Ends are moved to this machine's clock.
func (k *Keeper) change(b wire.Batch, now time.Time) (c Change, objections []wire.Objection) {
	protected := k.o.Protected()
	put := make(map[string]bool, len(b.Put))
	for _, d := range b.Put {
		if !d.Until.IsZero() {
			d.Until = now.Add(d.Until.Sub(b.Time)).Truncate(time.Millisecond)
		}
		if why := Check(d, now, protected); why != nil {
			if why.Reason != "over" {
				objections = append(objections, *why)
			}
			continue
		}
		put[d.ID] = true
		if was, ok := k.held[d.ID]; ok {
			if same(was, d) {
				continue
			}
			c.Drop = append(c.Drop, was.decision(d.ID))
		}
		c.Put = append(c.Put, d)
	}
	drop := b.Drop
	if b.Whole {
		for id := range k.held {
			if !put[id] {
				drop = append(drop, id)
			}
		}
	}
	for _, id := range drop {
		if was, ok := k.held[id]; ok && !put[id] {
			c.Drop = append(c.Drop, was.decision(id))
		}
	}
	return c, objections
}

// bearable reports why a change of n decisions is too much at once.
func (k *Keeper) bearable(b wire.Batch, n int, now time.Time) error {
	if len(k.held)+len(b.Put) > MaxHeld+fewest {
		return ErrFull
	}
	joins := k.version == 0 || k.partial
	if joins || b.Approved || now.Sub(k.last) >= longAway {
		return nil
	}
	sum := n
	for len(k.recent) > 0 && now.Sub(k.recent[0].at) > inTime {
		k.recent = k.recent[1:]
	}
	for _, r := range k.recent {
		sum += r.n
	}
	most := max(fewest, len(k.held)/share) * (1 + int(now.Sub(k.last)/inTime))
	if sum > most {
		return fmt.Errorf("%w: %d of %d, and %d may in a minute", ErrTooMany, sum, len(k.held), most)
	}
	return nil
}

// Heard notes that the console has nothing new.
func (k *Keeper) Heard() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.last = k.o.Now()
	if k.file.dirty {
		k.write(step{Version: k.version, Time: k.last, More: k.partial})
	}
}

// Lapse takes out of force what has ended.
func (k *Keeper) Lapse() {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.o.Now().UnixMilli()
	var c Change
	for id, h := range k.held {
		if h.until <= now {
			c.Drop = append(c.Drop, h.decision(id))
			delete(k.held, id)
		}
	}
	if len(c.Drop) > 0 {
		k.o.Apply(c)
	}
}

// Decisions returns what is in force that is not about networks.
func (k *Keeper) Decisions() []wire.Decision {
	k.mu.Lock()
	defer k.mu.Unlock()
	var list []wire.Decision
	for _, h := range k.held {
		if h.more != nil {
			list = append(list, *h.more)
		}
	}
	return list
}

func keep(d wire.Decision) held {
	h := held{network: d.Network, until: d.Until.UnixMilli(), kind: d.Kind, site: d.Site}
	if !d.OnNetwork() {
		h.more = &d
	}
	return h
}

func (h held) decision(id string) wire.Decision {
	if h.more != nil {
		return *h.more
	}
	return wire.Decision{ID: id, Kind: h.kind, Network: h.network, Site: h.site, Until: time.UnixMilli(h.until)}
}

// same reports whether a decision that is held would change by no more than
// what a clock is off.
func same(h held, d wire.Decision) bool {
	off := h.until - d.Until.UnixMilli()
	return h.more == nil && d.OnNetwork() && h.kind == d.Kind && h.network == d.Network && h.site == d.Site && off > -5000 && off < 5000
}
