package rulesets

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/exchange"
	"github.com/qorgan/qorgan/rulesets/exclude"
	"github.com/qorgan/qorgan/rulesets/reader"
)

// Build is a set of sites whose rules compiled. It is made by [Judge.Prepare]
// and put into force by [Judge.Use], so that a change that does not compile
// leaves the old one judging. It is immutable; a request is judged by one.
type Build struct {
	j        *Judge
	in       inputs
	sites    map[*config.Site]*exclude.Set
	profiles map[string]*exclude.Set
	levels   map[string][levels + 1]bool // by profile, those in use
	standing *standing
	engines  sync.Map // engineOf → *engine
	idle     sync.Map // idleOf → *idle
}

type engineOf struct {
	half    half
	profile string
}

func newBuild(j *Judge, in inputs) *Build {
	return &Build{j: j, in: in, standing: &standing{}, sites: map[*config.Site]*exclude.Set{}, profiles: map[string]*exclude.Set{}}
}

// SiteError is a mistake in what one site says.
type SiteError struct {
	Site *config.Site
	Err  error
}

// Error implements error.
func (e *SiteError) Error() string { return fmt.Sprintf("site %s: %v", e.Site.Name, e.Err) }

// Unwrap returns the cause.
func (e *SiteError) Unwrap() error { return e.Err }

// Prepare compiles whatever the sites need: engines not yet built and their
// exclusions. Its error joins all mistakes: a [SiteError] or a [SourceError] for
// each that somebody wrote; what was wanted is then forgotten, and the next
// Prepare begins with what is in force.
func (j *Judge) Prepare(ctx context.Context, sites []*config.Site) (*Build, error) {
	j.mu.Lock()
	b := newBuild(j, j.wanted)
	b.standing = j.standing
	j.mu.Unlock()
	if err := b.prepare(ctx, sites); err != nil {
		j.mu.Lock()
		defer j.mu.Unlock()
		j.wanted = j.current.Load().in
		return nil, err
	}
	return b, nil
}

func (b *Build) prepare(ctx context.Context, sites []*config.Site) error {
	var errs []error
	for name, p := range b.in.profiles {
		set, err := exclude.Compile(p.Exclusions)
		if err != nil {
			errs = append(errs, fmt.Errorf("profile %s: %w", name, err))
		}
		b.profiles[name] = set
	}
	profiles := map[string][levels + 1]bool{} // by profile, the levels in use
	responses := false
	for _, s := range sites {
		set, err := exclude.Compile(s.Exclusions)
		if err != nil {
			errs = append(errs, &SiteError{s, err})
		}
		b.sites[s] = set
		if s.Mode != config.Off {
			in := profiles[s.Profile]
			in[min(max(s.Level, 1), levels)] = true
			profiles[s.Profile] = in
			responses = responses || s.Responses
		}
	}
	b.inUse(profiles)
	b.levels = profiles
	for name, in := range profiles {
		if err := ctx.Err(); err != nil {
			return err
		}
		e, err := b.engine(inbound, name)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		halves := []*engine{e}
		if responses {
			e, err := b.engine(outbound, name)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			halves = append(halves, e)
		}
		for _, e := range halves {
			for level := 1; level <= levels && e.fast != nil; level++ {
				if !in[level] {
					continue
				}
				// Not an error: without a program Coraza judges alone.
				if _, err := e.fast.program(level); err != nil {
					b.j.opts.Log.Warn().Err(err).Str("profile", name).Int("level", level).Msg("no fast path")
				}
			}
		}
	}
	return errors.Join(errs...)
}

// inUse adds the profiles that sites have become while the edge ran, because
// their own leaves it open: no visitor of theirs waits for a compiler after a
// change.
func (b *Build) inUse(profiles map[string][levels + 1]bool) {
	var all [levels + 1]bool
	for _, in := range profiles {
		for level := range in {
			all[level] = all[level] || in[level]
		}
	}
	was := b.j.current.Load()
	if was == nil {
		return
	}
	was.engines.Range(func(key, _ any) bool {
		name := key.(engineOf).profile
		if _, known := b.in.profiles[name]; known && profiles[name] == [levels + 1]bool{} {
			profiles[name] = all
		}
		return true
	})
}

// engine returns the engine for a profile.
func (b *Build) engine(h half, profile string) (*engine, error) {
	key := engineOf{h, profile}
	if e, ok := b.engines.Load(key); ok {
		return e.(*engine), nil
	}
	e, err := b.j.engine(h, b.in, profile)
	if err == nil {
		b.engines.Store(key, e)
	}
	return e, err
}

// mask returns the exclusions that hold for a request of a site. A site that
// the build does not know belongs to a request that began before a reload: its
// exclusions are compiled for it alone.
func (b *Build) mask(x *exchange.Exchange, r *reader.Request, now time.Time) exclude.Mask {
	own, known := b.sites[x.Site]
	if !known && len(x.Site.Exclusions) > 0 {
		own, _ = exclude.Compile(x.Site.Exclusions)
	}
	m := b.standing.sets[x.Site.Name].Match(exclude.Mask{}, r, x.Rank, now)
	return b.profileMask(own.Match(m, r, x.Rank, now), x, r, now)
}

// profileMask adds to m what holds because of the site's profile.
func (b *Build) profileMask(m exclude.Mask, x *exchange.Exchange, r *reader.Request, now time.Time) exclude.Mask {
	profile := profileOf(x)
	m = b.profiles[profile].Match(m, r, x.Rank, now)
	return b.unarmed(x, profile, r).Match(m, r, x.Rank, now)
}

// holes says of each match of a virtual patch what it closes, and what the site
// was last seen to run of it.
func (b *Build) holes(x *exchange.Exchange, matches []event.Match) {
	known := b.in.profiles[profileOf(x)].Holes
	for i := range matches {
		if hole, ok := known[matches[i].Rule]; ok {
			hole.Seen = x.Runs.Version(hole.Product)
			matches[i].Hole = &hole
		}
	}
}
