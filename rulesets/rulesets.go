package rulesets

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"time"

	coreruleset "github.com/corazawaf/coraza-coreruleset/v4"
	"github.com/rs/zerolog"
	"golang.org/x/sync/singleflight"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/exchange"
	"github.com/qorgan/qorgan/rulesets/exclude"
	"github.com/qorgan/qorgan/rulesets/language"
	"github.com/qorgan/qorgan/rulesets/reader"
)

// Profile is what a CMS profile brings: rules of its own and the exclusions
// under which the CMS works.
type Profile struct {
	Rules      []Source
	Exclusions []config.Exclusion
}

// Options configure a Judge.
type Options struct {
	// Record takes every refusal and, in detect mode, every match. It must not
	// block: the hot path calls it.
	Record func(event.Event)

	// Redact masks secrets in events before Record sees them. Without one,
	// equal secrets show equal marks until the process ends.
	Redact *event.Redactor

	// Profiles by the name that Exchange.Profile carries. A name without an
	// entry is judged by the rule set alone.
	Profiles map[string]Profile

	// Extra are rules for all sites: the owner's files and virtual patches.
	Extra []Source

	// RulesDir holds another release of the Core Rule Set: a folder with
	// @owasp_crs (or rules) inside. It is used only when it passes the
	// self-test. Empty is the release built in.
	RulesDir string

	// Budget bounds the time spent judging one request; 5 seconds by default.
	Budget time.Duration

	// Spool is the folder for multipart bodies too large for memory; the
	// system's temporary folder by default.
	Spool string

	Log zerolog.Logger
}

// Judge judges the requests of all sites. It is safe for concurrent use.
type Judge struct {
	opts    Options
	crs     fs.FS
	watch   *watch
	built   singleflight.Group
	engines sync.Map // [32]byte → *engine
	current atomic.Pointer[Build]
	pool    bufferPool
	observe func(*event.Event) // sees events before secrets are masked; for tests
}

// New returns a judge with no sites prepared. The rule set is compiled when it
// is first needed, or by Prepare.
func New(o Options) (*Judge, error) {
	if o.Record == nil {
		o.Record = func(event.Event) {}
	}
	if o.Budget <= 0 {
		o.Budget = 5 * time.Second
	}
	if o.Spool == "" {
		o.Spool = os.TempDir()
	}
	language.Register()
	if o.Redact == nil {
		key := make([]byte, 32)
		_, _ = rand.Read(key) // never fails
		o.Redact = event.NewRedactor(key)
	}
	j := &Judge{opts: o, crs: coreruleset.FS, watch: &watch{budget: o.Budget}}
	j.current.Store(&Build{})
	return j, nil
}

// Close stops what the judge started. Requests under way finish.
func (j *Judge) Close() error { return nil }

// Build is a set of sites whose rules compiled. It is made by Prepare and put
// to use by Use, so that a change that does not compile leaves the old one
// judging.
type Build struct {
	sites    map[*config.Site]*exclude.Set
	profiles map[string]*exclude.Set
}

// Prepare compiles whatever the sites need: engines not yet built and their
// exclusions. Its error joins all mistakes, each with the site's name or the
// rule file's name and line.
func (j *Judge) Prepare(ctx context.Context, sites []*config.Site) (*Build, error) {
	b := &Build{sites: make(map[*config.Site]*exclude.Set, len(sites)), profiles: map[string]*exclude.Set{}}
	var errs []error
	for name, p := range j.opts.Profiles {
		set, err := exclude.Compile(p.Exclusions)
		if err != nil {
			errs = append(errs, fmt.Errorf("profile %s: %w", name, err))
		}
		b.profiles[name] = set
	}
	profiles := map[string]bool{}
	responses := false
	for _, s := range sites {
		set, err := exclude.Compile(s.Exclusions)
		if err != nil {
			errs = append(errs, fmt.Errorf("site %s: %w", s.Name, err))
		}
		b.sites[s] = set
		if s.Mode != config.Off {
			profiles[s.Profile] = true
			responses = responses || s.Responses
		}
	}
	for name := range profiles {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if _, err := j.engine(inbound, name); err != nil {
			errs = append(errs, err)
		}
		if responses {
			if _, err := j.engine(outbound, name); err != nil {
				errs = append(errs, err)
			}
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return b, nil
}

// Use puts a build into force. Requests under way finish under the old one.
func (j *Judge) Use(b *Build) { j.current.Store(b) }

// mask returns the exclusions that hold for a request of a site. A site that
// the current build does not know belongs to a request that began before a
// reload: its exclusions are compiled for it alone.
func (j *Judge) mask(site *config.Site, profile string, r *reader.Request, rank exchange.Rank, now time.Time) exclude.Mask {
	b := j.current.Load()
	own, known := b.sites[site]
	if !known && len(site.Exclusions) > 0 {
		own, _ = exclude.Compile(site.Exclusions)
	}
	shared, known := b.profiles[profile]
	if !known {
		if p, ok := j.opts.Profiles[profile]; ok && len(p.Exclusions) > 0 {
			shared, _ = exclude.Compile(p.Exclusions)
		}
	}
	m := own.Match(exclude.Mask{}, r, rank, now)
	return shared.Match(m, r, rank, now)
}

// sources are the rules beside the rule set for a profile.
func (j *Judge) sources(profile string) []Source {
	own := j.opts.Profiles[profile].Rules
	return append(append([]Source(nil), own...), j.opts.Extra...)
}

// engine returns the engine for a profile, compiling it on first use. Profiles
// without rules of their own share one.
func (j *Judge) engine(h half, profile string) (*engine, error) {
	sources := j.sources(profile)
	key := engineKey(h, j.opts.RulesDir, sources)
	if e, ok := j.engines.Load(key); ok {
		return e.(*engine), nil
	}
	e, err, _ := j.built.Do(string(key[:]), func() (any, error) {
		if e, ok := j.engines.Load(key); ok {
			return e, nil
		}
		e, err := newEngine(h, j.crs, sources, j.watch)
		if err != nil {
			return nil, err
		}
		j.engines.Store(key, e)
		return e, nil
	})
	if err != nil {
		return nil, err
	}
	return e.(*engine), nil
}

// engineKey identifies an engine by what it is compiled from.
func engineKey(h half, dir string, sources []Source) [32]byte {
	sum := sha256.New()
	fmt.Fprintf(sum, "%d\x00%s\x00", h, dir)
	for _, s := range sources {
		fmt.Fprintf(sum, "%q %t %d\x00%s\x00", s.Name, s.Setup, len(s.Text), s.Text)
	}
	return [32]byte(sum.Sum(nil))
}
