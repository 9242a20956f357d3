package dns01

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/mholt/acmez/v3/acme"
	"github.com/miekg/dns"
)

// The record is looked for more and more rarely, between these.
const firstLook, lastLook = 200 * time.Millisecond, 5 * time.Second

// Wait returns when every name server of the record's zone shows it: the
// authority asks any of them, and remembers that it was not there.
func (s *Solver) Wait(ctx context.Context, c acme.Challenge) error {
	s.mu.Lock()
	r, ok := s.open[c.Token]
	s.mu.Unlock()
	if !ok {
		return &RecordError{Name: challengeName(c), Err: errors.New("it was never placed")}
	}
	ctx, cancel := context.WithTimeout(ctx, s.o.Wait+s.o.Settle)
	defer cancel()
	if err := s.shown(ctx, r.Record); err != nil {
		return &RecordError{Name: r.Name, Err: err}
	}
	return sleep(ctx, s.o.Settle)
}

// shown waits until all name servers show r, or says which one did not.
func (s *Solver) shown(ctx context.Context, r Record) error {
	ctx, cancel := context.WithTimeout(ctx, s.o.Wait)
	defer cancel()
	var last error
	for pause := firstLook; ; pause = min(pause*3/2, lastLook) {
		missing, err := s.missing(ctx, r)
		switch {
		case err == nil && missing == "":
			return nil
		case err == nil:
			last = fmt.Errorf("name server %s does not show it", missing)
		case ctx.Err() == nil || last == nil:
			last = err
		}
		if sleep(ctx, pause) != nil {
			return fmt.Errorf("after %s %w", s.o.Wait, last)
		}
	}
}

// missing returns a name server that does not show r; none when all do. A
// server that can not be asked at one of its addresses is asked at another; one
// that can be asked at none is left out, as resolvers leave it out. Where none
// can be asked, as behind some firewalls, the resolver's word is taken.
func (s *Solver) missing(ctx context.Context, r Record) (string, error) {
	servers, err := s.resolve.authoritative(ctx, r.Zone)
	if err != nil {
		return "", err
	}
	var errs []error
	for _, addresses := range servers {
		got, err := s.resolve.ask(ctx, r.Name, dns.TypeTXT, addresses, false)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if !shows(got, r.Value) {
			return addresses[0], nil
		}
	}
	if len(errs) < len(servers) {
		return "", nil
	}
	got, err := s.resolve.ask(ctx, r.Name, dns.TypeTXT, s.resolve.servers, true)
	if err != nil {
		return "", errors.Join(append(errs, err)...)
	}
	if !shows(got, r.Value) {
		return s.resolve.servers[0], nil
	}
	return "", nil
}

func shows(got *dns.Msg, value string) bool {
	for _, rr := range got.Answer {
		if txt, ok := rr.(*dns.TXT); ok && strings.Join(txt.Txt, "") == value {
			return true
		}
	}
	return false
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
