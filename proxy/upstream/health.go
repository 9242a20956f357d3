package upstream

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	probeTimeout  = 3 * time.Second
	probesAtOnce  = 16
	missesToBeOut = 2
)

// Probe asks every server of s that has a health path once, and returns when
// all have answered or timed out. A server is out after two misses in a row
// and back with its first answer below 400.
func (s *Set) Probe(ctx context.Context) {
	var g errgroup.Group
	g.SetLimit(probesAtOnce)
	for _, p := range s.peers {
		if p.health == "" {
			continue
		}
		g.Go(func() error {
			s.probe(ctx, p)
			return nil
		})
	}
	_ = g.Wait()
}

func (s *Set) probe(ctx context.Context, p *Peer) {
	err := p.ask(ctx)
	if ctx.Err() != nil {
		return
	}
	if err == nil {
		p.misses.Store(0)
		if p.down.CompareAndSwap(true, false) {
			s.log.Info().Str("upstream", p.String()).Msg("upstream is back")
		}
		return
	}
	if p.misses.Add(1) >= missesToBeOut && p.down.CompareAndSwap(false, true) {
		s.log.Error().Err(err).Str("upstream", p.String()).
			Str("hint", "its health path answers no 2xx or 3xx: see its error log").Msg("upstream is out")
	}
}

func (p *Peer) ask(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	ctx = p.listening(ctx, &httptrace.ClientTrace{})
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, p.String()+p.health, nil)
	if err != nil {
		return fmt.Errorf("make probe: %w", err)
	}
	r.Header.Set("User-Agent", "Qorgan health probe")
	resp, err := p.transport.RoundTrip(r)
	if err != nil {
		return fmt.Errorf("probe: %w", err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode >= 400 {
		return fmt.Errorf("probe: status %d", resp.StatusCode)
	}
	return nil
}
