package fleet

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/time/rate"

	"github.com/qorgan/qorgan/console/store"
	"github.com/qorgan/qorgan/report/wire"
)

// Limits of one request.
const (
	maxBatch = wire.MaxPacked + wire.HeadSize // bytes of a body with reports
	maxPlain = 4 * wire.MaxPlain              // bytes of all its frames once inflated
	atOnce   = 8                              // batches that are worked on at a time
)

// Options configures a [Door].
type Options struct {
	Store  *store.DB // open for writing; stays the caller's. Required.
	Logger zerolog.Logger

	now func() time.Time
}

// Door answers edges. The zero value is not usable.
type Door struct {
	db      *store.DB
	log     zerolog.Logger
	now     func() time.Time
	places  chan struct{} // batches under way
	enrols  *rate.Limiter
	mux     *http.ServeMux
	mu      sync.Mutex
	talking map[string]bool // edges with a batch under way

	hub      *hub
	key      ed25519.PublicKey // of decisions
	seen     chan seen         // reports that may tell of attackers
	watch    watch
	branches sync.Map      // of tenants
	stopping chan struct{} // closed when streams are to end
}

// New returns a door.
func New(ctx context.Context, o Options) (*Door, error) {
	if o.Store == nil {
		return nil, errors.New("fleet: no store")
	}
	if o.now == nil {
		o.now = time.Now
	}
	d := &Door{db: o.Store, log: o.Logger, now: o.now, places: make(chan struct{}, atOnce),
		enrols: rate.NewLimiter(2, 20), mux: http.NewServeMux(), talking: map[string]bool{}}
	key, err := Key(ctx, o.Store)
	if err != nil {
		return nil, fmt.Errorf("fleet: %w", err)
	}
	sealer, err := wire.NewSealer(key)
	if err != nil {
		return nil, fmt.Errorf("fleet: %w", err)
	}
	d.hub = newHub(o.Store, sealer, o.now)
	if err := d.hub.refresh(ctx); err != nil {
		return nil, fmt.Errorf("fleet: %w", err)
	}
	d.key, d.watch = key.Public().(ed25519.PublicKey), newWatch()
	d.seen, d.stopping = make(chan seen, 1024), make(chan struct{})
	d.mux.HandleFunc("GET "+wire.PathDecisions, d.decisions)
	d.mux.HandleFunc("POST "+wire.PathSaid, d.said)
	d.mux.HandleFunc("POST "+wire.PathEnroll, d.enroll)
	d.mux.HandleFunc("POST "+wire.PathReports, d.reports)
	d.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		refuse(w, http.StatusNotFound, "this console speaks version 1 of the protocol")
	})
	return d, nil
}

// ServeHTTP answers everything below /fleet/.
func (d *Door) ServeHTTP(w http.ResponseWriter, r *http.Request) { d.mux.ServeHTTP(w, r) }

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the edge comes again when it did not hear
}

func refuse(w http.ResponseWriter, status int, why string) {
	if status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "2")
	}
	answer(w, status, wire.Receipt{Error: why})
}

// body reads at most limit bytes, and answers and reports false when that is
// not all.
func body(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, bool) {
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	var tooBig *http.MaxBytesError
	switch {
	case errors.As(err, &tooBig):
		refuse(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("more than %d bytes at a time", limit))
	case err != nil:
		refuse(w, http.StatusBadRequest, "the body was cut off")
	default:
		return b, true
	}
	return nil, false
}

// edge returns who signed the request, or answers it.
func (d *Door) edge(ctx context.Context, w http.ResponseWriter, r *http.Request, body []byte) (wire.Signed, store.Edge, bool) {
	var e store.Edge
	claim, err := wire.ParseClaim(r.Header.Get("Authorization"))
	if err == nil {
		e, err = d.db.Edge(ctx, claim.Edge)
		switch {
		case errors.Is(err, store.ErrNotFound):
			err = wire.ErrUnsigned // nobody learns which edges there are
		case err != nil:
			d.log.Error().Err(err).Msg("an edge could not be looked up")
			refuse(w, http.StatusServiceUnavailable, "the console's store does not answer")
			return wire.Signed{}, store.Edge{}, false
		default:
			err = claim.Check(e.Key, r.Method, r.URL.RequestURI(), body)
			if err == nil && !e.Retired.IsZero() {
				err = store.ErrRetired
			}
		}
	}
	if err != nil {
		refuse(w, http.StatusUnauthorized, err.Error())
		return wire.Signed{}, store.Edge{}, false
	}
	return claim, e, true
}

// enter takes a place among the batches under way, one for each edge.
func (d *Door) enter(edge string) (leave func(), ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.talking[edge] {
		return nil, false
	}
	select {
	case d.places <- struct{}{}:
	default:
		return nil, false
	}
	d.talking[edge] = true
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.talking, edge)
		<-d.places
	}, true
}
