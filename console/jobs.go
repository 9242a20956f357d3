package console

import (
	"context"
	"errors"
	"io"
	"log"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"
)

// job is something that happens by itself.
type job struct {
	name   string
	period time.Duration
	run    func(context.Context) error
}

// jobs is everything that happens by itself.
func (s *Server) jobs() []job {
	return []job{
		{"end old sessions", time.Hour, s.endOldSessions},
		{"delete old events", 10 * time.Minute, s.deleteOldEvents},
	}
}

func (s *Server) endOldSessions(ctx context.Context) error {
	now := s.now()
	return errors.Join(s.db.EndOldSessions(ctx, now.Add(-sessionLife), now.Add(-sessionIdle)), s.db.ForgetInvitations(ctx, now))
}

func (s *Server) deleteOldEvents(ctx context.Context) error {
	n, err := s.db.Trim(ctx, s.now().Add(-s.options.Keep), s.options.MaxBytes)
	own, ownErr := s.db.TrimTenants(ctx, s.now())
	n, err = n+own, errors.Join(err, ownErr)
	if n > 0 {
		s.log.Info().Int64("events", n).Msg("old events were deleted")
	}
	return err
}

// startJobs runs every job at once and then every period, until ctx ends. A
// failure is logged; the next run tries again.
func (s *Server) startJobs(ctx context.Context, group *errgroup.Group) {
	for _, j := range s.jobs() {
		group.Go(func() error {
			tick := time.NewTicker(j.period)
			defer tick.Stop()
			for {
				if err := j.run(ctx); err != nil && ctx.Err() == nil {
					s.log.Error().Err(err).Str("job", j.name).Msg("a background job failed")
				}
				select {
				case <-tick.C:
				case <-ctx.Done():
					return nil
				}
			}
		})
	}
}

// quiet returns a logger for net/http's own complaints: broken handshakes and
// the like, worth a debug line.
func quiet(l zerolog.Logger) *log.Logger {
	return log.New(debugWriter{l}, "", 0)
}

type debugWriter struct{ log zerolog.Logger }

var _ io.Writer = debugWriter{}

func (w debugWriter) Write(p []byte) (int, error) {
	w.log.Debug().Msg(string(p))
	return len(p), nil
}
