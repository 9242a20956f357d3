package report

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"github.com/qorgan/qorgan/report/outbox"
	"github.com/qorgan/qorgan/report/wire"
)

// ShipperOptions configures a [Shipper].
type ShipperOptions struct {
	Outbox    *outbox.Outbox // stays the caller's. Required.
	Enrolment Enrolment      // Required.
	Version   string         // of this program
	Logger    zerolog.Logger

	// Backlog is how many records may wait before those that come later get a
	// lane of their own, so that what is new is not behind what is old; 20,000
	// by default.
	Backlog int64

	Beat              time.Duration // how often the console hears of an edge that has nothing to report; 1 min by default
	Shortest, Longest time.Duration // pauses after a failure; 1 s and 5 min by default
}

// ShipperStats is what a shipper has done since it was made.
type ShipperStats struct {
	Sent     int64     // records that the console has committed
	Failures int64     // requests that brought nothing further
	Failing  string    // the last failure; empty when the last request was good
	Last     time.Time // of the last good request
}

// Shipper sends an outbox to the console, oldest first within a lane and the
// newest lane first. It deletes nothing that the console has not committed,
// whatever it is answered.
type Shipper struct {
	options ShipperOptions
	client  *http.Client
	key     ed25519.PrivateKey
	boot    string

	mu    sync.Mutex
	stats ShipperStats
}

// NewShipper returns a shipper that does not send yet.
func NewShipper(o ShipperOptions) (*Shipper, error) {
	if o.Outbox == nil {
		return nil, errors.New("report: a shipper needs an outbox")
	}
	if o.Backlog <= 0 {
		o.Backlog = 20_000
	}
	if o.Beat <= 0 {
		o.Beat = time.Minute
	}
	if o.Shortest <= 0 {
		o.Shortest = time.Second
	}
	if o.Longest <= 0 {
		o.Longest = 5 * time.Minute
	}
	key, err := o.Enrolment.key()
	if err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	c, err := client(o.Enrolment.Roots)
	if err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	return &Shipper{options: o, client: c, key: key, boot: uuid.NewString()}, nil
}

// Stats returns the shipper's figures.
func (s *Shipper) Stats() ShipperStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats
}

// Run sends until ctx ends, then returns nil.
func (s *Shipper) Run(ctx context.Context) error {
	defer s.client.CloseIdleConnections()
	pause := s.options.Shortest
	for ctx.Err() == nil {
		news := s.options.Outbox.News()
		sent, err := s.round(ctx)
		if err != nil && ctx.Err() != nil {
			return nil
		}
		s.note(err)
		switch {
		case err != nil:
			wait := rand.N(pause) + pause/10
			var asked *retryError
			if errors.As(err, &asked) {
				wait = max(wait, asked.after)
			}
			sleep(ctx, wait)
			pause = min(pause*2, s.options.Longest)
		case sent:
			pause = s.options.Shortest
		default:
			if err := s.idle(ctx, news); err != nil && ctx.Err() == nil {
				s.note(err)
			}
		}
	}
	return nil
}

// idle waits for news, and lets the console hear of the edge meanwhile.
func (s *Shipper) idle(ctx context.Context, news <-chan struct{}) error {
	beat := time.NewTimer(s.options.Beat)
	defer beat.Stop()
	select {
	case <-news:
	case <-ctx.Done():
	case <-beat.C:
		lanes := s.options.Outbox.Lanes()
		last := lanes[len(lanes)-1]
		at := max(last.Acked, last.From-1)
		_, err := s.post(ctx, outbox.Batch{Epoch: s.options.Outbox.Epoch(), Lane: last.From, After: at, Last: at}, nil)
		var gap *gapError
		if !errors.As(err, &gap) { // the next report fills it
			return err
		}
	}
	return nil
}

func (s *Shipper) note(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.stats.Failing
	if err == nil {
		s.stats.Failing = ""
		if before != "" {
			s.options.Logger.Info().Msg("the console takes reports again")
		}
		return
	}
	s.stats.Failures++
	s.stats.Failing = err.Error()
	if before != s.stats.Failing {
		s.options.Logger.Warn().Err(err).Str("console", s.options.Enrolment.Console).Msg("reports wait on the disk")
	}
}

// round sends one batch of the newest lane that has any, and one of the
// oldest, so that neither starves. It reports whether anything was sent.
func (s *Shipper) round(ctx context.Context) (sent bool, err error) {
	lanes := s.options.Outbox.Lanes()
	for _, i := range []int{len(lanes) - 1, 0} {
		some, err := s.send(ctx, lanes[i].From)
		if err != nil {
			return sent, err
		}
		sent = sent || some
		if len(lanes) == 1 {
			break
		}
	}
	if sent && len(lanes) == 1 && s.options.Outbox.Stats().Waiting > s.options.Backlog {
		if _, err := s.options.Outbox.Split(); err != nil {
			return sent, err
		}
	}
	return sent, nil
}

// send sends the lane's next batch. It reports false when there is none.
func (s *Shipper) send(ctx context.Context, lane uint64) (bool, error) {
	batch, err := s.options.Outbox.Read(lane, wire.MaxPacked)
	if err != nil || batch.Records == 0 {
		return false, err
	}
	receipt, err := s.post(ctx, batch, nil)
	var gap *gapError
	if errors.As(err, &gap) {
		// The console was restored from an old copy: it misses records that it
		// had committed and that are gone here. It is told to write them down
		// as lost and to go on.
		receipt, err = s.post(ctx, batch, &gap.committed)
	}
	if err != nil {
		return false, err
	}
	if receipt.Committed < batch.Last {
		return false, fmt.Errorf("send reports: the console took records up to %d of %d", receipt.Committed, batch.Last)
	}
	if err := s.options.Outbox.Ack(lane, batch.Last); err != nil {
		return false, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Sent += batch.Records
	s.stats.Last = time.Now()
	return true, nil
}

// retryError says when to come again.
type retryError struct {
	error
	after time.Duration
}

// gapError says that the console misses records before those that were sent.
type gapError struct{ committed uint64 }

func (e *gapError) Error() string {
	return fmt.Sprintf("send reports: the console misses records after %d", e.committed)
}

// post sends a batch. With gone, the console is told that the records between
// that number and the batch exist no more.
func (s *Shipper) post(ctx context.Context, b outbox.Batch, gone *uint64) (wire.Receipt, error) {
	query := url.Values{"epoch": {b.Epoch}, "lane": {strconv.FormatUint(b.Lane, 10)}, "after": {strconv.FormatUint(b.After, 10)}}
	if gone != nil {
		query.Set("gone", strconv.FormatUint(*gone, 10))
	}
	target := wire.PathReports + "?" + query.Encode()
	claim := wire.Claim{
		Edge: s.options.Enrolment.Edge, Boot: s.boot, Version: s.options.Version, Time: time.Now().UTC(),
		Waiting: s.options.Outbox.Stats().Waiting, Method: http.MethodPost, Target: target, Body: wire.Sum(b.Frames),
	}
	signed, err := claim.Sign(s.key)
	if err != nil {
		return wire.Receipt{}, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.options.Enrolment.Console+target, bytes.NewReader(b.Frames))
	if err != nil {
		return wire.Receipt{}, err
	}
	request.Header.Set("Authorization", signed)
	request.Header.Set("Content-Type", "application/octet-stream")
	response, err := s.client.Do(request)
	if err != nil {
		return wire.Receipt{}, fmt.Errorf("send reports: %w", err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, 4<<10))
	if err != nil {
		return wire.Receipt{}, fmt.Errorf("send reports: %w", err)
	}
	var r wire.Receipt
	if response.StatusCode == http.StatusConflict && json.Unmarshal(text, &r) == nil && r.Committed < b.After {
		return wire.Receipt{}, &gapError{r.Committed}
	}
	if response.StatusCode != http.StatusOK {
		err := fmt.Errorf("send reports: %s: %s", response.Status, why(text))
		if seconds, e := strconv.Atoi(response.Header.Get("Retry-After")); e == nil && seconds > 0 {
			return wire.Receipt{}, &retryError{err, min(time.Duration(seconds)*time.Second, s.options.Longest)}
		}
		return wire.Receipt{}, err
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return wire.Receipt{}, fmt.Errorf("send reports: not a console's answer: %w", err)
	}
	return r, nil
}
