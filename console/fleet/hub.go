package fleet

import (
	"cmp"
	"context"
	"hash/fnv"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/qorgan/qorgan/console/store"
	"github.com/qorgan/qorgan/report/wire"
)

// tailLength is how many of the latest changes the hub has in memory; who is
// further behind is served from the store.
const tailLength = 20_000

// hub knows the latest changes and who is connected. What many edges miss alike
// is sealed once.
type hub struct {
	db   *store.DB
	seal *wire.Sealer
	now  func() time.Time

	mu      sync.Mutex
	version int64 // of the latest change that is here
	tail    []store.Decision
	from    int64         // changes after it are in tail
	news    chan struct{} // closed when version grows
	sealed  map[sealedKey]string
	streams map[*stream]struct{}
	trials  map[string]*trial
}

// sealedKey names what edges that have no decisions of their own miss alike.
type sealedKey struct{ after, version int64 }

// stream is one connected edge.
type stream struct {
	edge   string
	labels []string        // audiences that it is of
	tries  map[string]bool // decisions that are tried at it; guarded by the hub
	at     int64           // the version that the edge has
	cursor int64           // up to where changes were looked at
}

func newHub(db *store.DB, seal *wire.Sealer, now func() time.Time) *hub {
	return &hub{db: db, seal: seal, now: now, news: make(chan struct{}), sealed: map[sealedKey]string{},
		streams: map[*stream]struct{}{}, trials: map[string]*trial{}}
}

func (h *hub) join(s *stream) (leave func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.streams[s] = struct{}{}
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.streams, s)
	}
}

// connected returns the edges that are connected.
func (h *hub) connected() map[string]bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := make(map[string]bool, len(h.streams))
	for s := range h.streams {
		out[s.edge] = true
	}
	return out
}

// current returns the latest version and what is closed when there is another.
func (h *hub) current() (int64, <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.version, h.news
}

// refresh takes what is new in the store.
func (h *hub) refresh(ctx context.Context) error {
	version, err := h.db.DecisionVersion(ctx)
	if err != nil {
		return err
	}
	if was, _ := h.current(); version == was {
		return nil
	}
	for {
		was, _ := h.current()
		list, err := h.db.DecisionsAfter(ctx, was, h.now(), wire.MaxDecisions)
		if err != nil {
			return err
		}
		whole := len(list) < wire.MaxDecisions
		if !whole {
			version = list[len(list)-1].Version
		} else if len(list) > 0 {
			version = max(version, list[len(list)-1].Version)
		}
		h.add(list, version)
		if whole {
			return nil
		}
	}
}

func (h *hub) add(list []store.Decision, version int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if version <= h.version {
		return
	}
	h.version = version
	for _, d := range list {
		if d.Stage == store.StageTrial {
			h.begin(d)
		}
	}
	h.tail = append(h.tail, list...)
	if over := len(h.tail) - tailLength; over > 0 {
		h.from = h.tail[over-1].Version
		h.tail = slices.Clone(h.tail[over:])
	}
	clear(h.sealed)
	close(h.news)
	h.news = make(chan struct{})
}

// pick chooses the edges at which decisions are tried: one in a hundred of those
// connected that the decision is for, two at least, twenty at most, by a hash
// that is another for each decision.
func (h *hub) pick(d store.Decision) []*stream {
	type ranked struct {
		s    *stream
		rank uint64
	}
	var all []ranked
	for s := range h.streams {
		if d.Audience == "" || slices.Contains(s.labels, d.Audience) {
			f := fnv.New64a()
			f.Write([]byte(d.ID + s.edge))
			all = append(all, ranked{s, f.Sum64()})
		}
	}
	slices.SortFunc(all, func(a, b ranked) int { return cmp.Compare(a.rank, b.rank) })
	n := min(len(all), max(2, min(20, len(all)/100)))
	out := make([]*stream, n)
	for i := range out {
		out[i] = all[i].s
	}
	return out
}

// next returns the sealed batch that brings a stream on; empty when the edge
// misses nothing.
func (h *hub) next(ctx context.Context, s *stream) (sealed string, err error) {
	h.mu.Lock()
	version, from, tries := h.version, h.from, maps.Clone(s.tries)
	var rows []store.Decision
	if s.cursor >= from {
		i, _ := slices.BinarySearchFunc(h.tail, s.cursor+1, func(d store.Decision, v int64) int { return cmp.Compare(d.Version, v) })
		rows = h.tail[i:]
	}
	h.mu.Unlock()
	if s.cursor >= version {
		return "", nil
	}
	if s.cursor < from {
		if rows, err = h.db.DecisionsAfter(ctx, s.cursor, h.now(), wire.MaxDecisions); err != nil {
			return "", err
		}
	}
	more := len(rows) > wire.MaxDecisions/2 // leaves room for what is large
	if more {
		rows = rows[:wire.MaxDecisions/2]
		version = rows[len(rows)-1].Version
	}
	b, own := batchOf(rows, s.labels, tries, h.now())
	s.cursor = version
	if len(b.Put)+len(b.Drop) == 0 && !more {
		return "", nil
	}
	b.After, b.Version, b.Time, b.More = s.at, version, h.now().UTC(), more
	s.at = version
	if own {
		b.For = s.edge
		return h.seal.Seal(b)
	}
	return h.sealOnce(b)
}

// sealOnce seals a batch that is the same for every edge: of many that want it
// at a time one does the work.
func (h *hub) sealOnce(b wire.Batch) (string, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	key := sealedKey{b.After, b.Version}
	if text, ok := h.sealed[key]; ok {
		return text, nil
	}
	text, err := h.seal.Seal(b)
	if err == nil {
		h.sealed[key] = text
	}
	return text, err
}

// batchOf is what of changes an edge gets, and whether any of it is not for
// every edge. Of several changes of one decision the last counts.
func batchOf(rows []store.Decision, labels []string, tries map[string]bool, now time.Time) (b wire.Batch, own bool) {
	seen := make(map[string]bool, len(rows))
	for _, d := range slices.Backward(rows) {
		if seen[d.ID] || !d.Until.After(now) || d.Audience != "" && !slices.Contains(labels, d.Audience) {
			continue
		}
		seen[d.ID] = true
		switch {
		case d.Stage == store.StageTrial && !tries[d.ID]:
			continue
		case d.Stage == store.StageTrial:
			d.Decision.Trial, own = true, true
			b.Put = append(b.Put, d.Decision)
		case d.Stage == store.StageFleet:
			b.Put = append(b.Put, d.Decision)
		default:
			b.Drop = append(b.Drop, d.ID)
		}
		own = own || d.Audience != ""
	}
	slices.Reverse(b.Put)
	return b, own
}
