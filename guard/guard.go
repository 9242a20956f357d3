package guard

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/exchange"
	"github.com/qorgan/qorgan/guard/bans"
	"github.com/qorgan/qorgan/guard/crowd"
	"github.com/qorgan/qorgan/guard/products"
	"github.com/qorgan/qorgan/guard/recognise"
	"github.com/qorgan/qorgan/guard/surface"
	"github.com/qorgan/qorgan/guard/throttle"
	"github.com/qorgan/qorgan/guard/witness"
)

// Options configure a Guard.
type Options struct {
	Data     string            // folder for what must survive a restart; empty keeps nothing
	Key      []byte            // secret for keyed hashes; made and kept in Data when empty
	Sessions int               // witnessed sessions to keep; witness.DefaultSessions when 0
	Logger   zerolog.Logger    // decisions at info, what was learned at debug
	Record   func(event.Event) // told every refusal and detection; must not block; may be nil
	Now      func() time.Time  // the clock; time.Now when nil

	// Upstream is the way to a site's CMS for the few questions of the witness;
	// nil opens connections of the guard's own.
	Upstream func(*config.Site) http.RoundTripper
}

// Guard is the room. Make one a process, not one a configuration.
type Guard struct {
	recognise *recognise.Recogniser
	products  *products.Book
	witness   *witness.Witness
	surface   *surface.Lock
	throttle  *throttle.Throttle
	bans      *bans.Gate
	crowd     *crowd.Crowd

	log  zerolog.Logger
	stop context.CancelFunc
	done sync.WaitGroup
}

// saveEvery is how often what was learned of sites is written down.
const saveEvery = 2 * time.Second

// New makes a Guard and starts what it needs; Close stops that again.
func New(o Options) (*Guard, error) {
	if o.Data != "" {
		if err := os.MkdirAll(inside(o.Data, ""), 0o700); err != nil {
			return nil, fmt.Errorf("guard: make data folder: %w", err)
		}
	}
	if len(o.Key) == 0 {
		key, err := loadKey(o.Data)
		if err != nil {
			return nil, fmt.Errorf("guard: %w", err)
		}
		o.Key = key
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Record == nil {
		o.Record = func(event.Event) {}
	}
	known, err := recognise.New(recognise.Options{
		Path:   inside(o.Data, "profiles"),
		Logger: o.Logger,
	})
	if err != nil {
		return nil, fmt.Errorf("guard: %w", err)
	}
	book, err := products.New(products.Options{Path: inside(o.Data, "products"), Logger: o.Logger})
	if err != nil {
		return nil, fmt.Errorf("guard: %w", err)
	}
	w, err := witness.New(witness.Options{
		Path:     inside(o.Data, "sessions"),
		Key:      o.Key,
		Sessions: o.Sessions,
		Logger:   o.Logger,
		Now:      o.Now,
		Upstream: o.Upstream,
	})
	if err != nil {
		return nil, fmt.Errorf("guard: %w", err)
	}
	lock, err := surface.New(surface.Options{
		Path:   inside(o.Data, "surface"),
		Logger: o.Logger,
		Record: o.Record,
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("guard: %w", err), w.Close())
	}
	gate, err := bans.New(bans.Options{Key: o.Key, Record: o.Record, Now: o.Now})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("guard: %w", err), w.Close())
	}
	ctx, stop := context.WithCancel(context.Background())
	g := &Guard{
		recognise: known, products: book, witness: w, surface: lock,
		throttle: throttle.New(throttle.Options{Record: o.Record, Now: o.Now}),
		bans:     gate, crowd: crowd.New(o.Now),
		log: o.Logger, stop: stop,
	}
	if o.Data != "" {
		g.done.Go(func() { g.keep(ctx) })
	}
	return g, nil
}

// Handler puts the room in front of next.
func (g *Guard) Handler(next http.Handler) http.Handler {
	return g.recognise.Handler(g.products.Handler(g.witness.Handler(g.bans.Handler(g.counted(g.throttle.Handler(g.surface.Handler(next)))))))
}

// counted counts who is behind the client's address once it was judged what he
// sent.
func (g *Guard) counted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r)
		if x := exchange.From(r.Context()); x != nil && x.Client.IsValid() {
			g.crowd.Saw(x, r)
		}
	})
}

// Bans is the gate of networks that are refused, challenged or judged strictly.
func (g *Guard) Bans() *bans.Gate { return g.bans }

// Crowd is what is known of who is behind client addresses.
func (g *Guard) Crowd() *crowd.Crowd { return g.crowd }

// Recognised returns the CMS profile of a site with `profile: auto` and what
// gave it away; "auto" and nothing before it was recognised.
func (g *Guard) Recognised(site string) (profile, evidence string) {
	return g.recognise.Recognised(site)
}

// Close writes down what must survive, and stops. Requests must have ended.
func (g *Guard) Close() error {
	g.stop()
	g.done.Wait()
	return errors.Join(g.recognise.Save(), g.products.Save(), g.surface.Save(), g.witness.Close())
}

// keep writes down what was learned of sites until ctx ends.
func (g *Guard) keep(ctx context.Context) {
	tick := time.NewTicker(saveEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := errors.Join(g.recognise.Save(), g.products.Save(), g.surface.Save()); err != nil {
				g.log.Error().Err(err).Str("hint", "check the space and the owner of the data folder").Msg("keep what was learned of sites")
			}
		}
	}
}

// inside returns a file of ours in the data folder, and nothing without one.
func inside(data, name string) string {
	if data == "" {
		return ""
	}
	return filepath.Join(data, "guard", name)
}
