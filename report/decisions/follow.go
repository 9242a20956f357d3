package decisions

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/qorgan/qorgan/report"
	"github.com/qorgan/qorgan/report/wire"
)

// FollowerOptions configures a [Follower].
type FollowerOptions struct {
	Keeper  *Keeper         // stays the caller's. Required.
	Session *report.Session // stays the caller's. Required.
	Logger  zerolog.Logger

	// Look returns what was seen of a network lately.
	Look func(netip.Prefix) wire.Behind
	// News returns what is new, since it was asked last, about requests that
	// met decisions and about who is behind addresses that attack.
	News func() ([]wire.Hit, []wire.Behind)

	Silence           time.Duration // after which a stream is taken for dead; 1 min by default. The console beats three times in it.
	Shortest, Longest time.Duration // pauses after a failure; 1 s and 1 min by default
	Every             time.Duration // how often is looked for news; 1 s by default
}

// FollowerStats is what a follower has done.
type FollowerStats struct {
	Connected bool
	Batches   int64  // that were taken
	Refused   int64  // batches and decisions that were not
	Failing   string // why there is no stream; empty while there is one
}

// Follower holds the stream of decisions and answers it.
type Follower struct {
	o     FollowerOptions
	nudge chan struct{} // something is to be said now

	mu     sync.Mutex
	stats  FollowerStats
	unsaid unsaid
}

// unsaid is what the console has not confirmed to have heard.
type unsaid struct {
	objected []wire.Objection
	asked    []wire.Answer
	hits     map[string]wire.Hit
	behind   map[netip.Prefix]wire.Behind
}

// NewFollower returns a follower that is not connected yet.
func NewFollower(o FollowerOptions) (*Follower, error) {
	if o.Keeper == nil || o.Session == nil {
		return nil, errors.New("decisions: a follower needs a keeper and a session")
	}
	if o.Look == nil {
		o.Look = func(p netip.Prefix) wire.Behind { return wire.Behind{Network: p} }
	}
	if o.News == nil {
		o.News = func() ([]wire.Hit, []wire.Behind) { return nil, nil }
	}
	for _, d := range []struct {
		v *time.Duration
		d time.Duration
	}{{&o.Silence, time.Minute}, {&o.Shortest, time.Second}, {&o.Longest, time.Minute}, {&o.Every, time.Second}} {
		if *d.v <= 0 {
			*d.v = d.d
		}
	}
	return &Follower{o: o, nudge: make(chan struct{}, 1), unsaid: unsaid{hits: map[string]wire.Hit{}, behind: map[netip.Prefix]wire.Behind{}}}, nil
}

// Stats returns the follower's figures.
func (f *Follower) Stats() FollowerStats {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.stats
}

// Object tells the console that a decision which was taken does not hold here
// after all.
func (f *Follower) Object(o wire.Objection) {
	f.mu.Lock()
	f.unsaid.objected = append(f.unsaid.objected, o)
	f.stats.Refused++
	f.mu.Unlock()
	f.o.Logger.Warn().Str("decision", o.ID).Str("reason", o.Reason).Str("detail", o.Detail).Msg("a decision of the console is not in force here")
	f.speak()
}

func (f *Follower) speak() {
	select {
	case f.nudge <- struct{}{}:
	default:
	}
}

// Run follows until ctx ends, then returns nil.
func (f *Follower) Run(ctx context.Context) error {
	var done sync.WaitGroup
	done.Go(func() { f.say(ctx) })
	defer done.Wait()
	done.Go(func() { f.lapse(ctx) })
	pause := f.o.Shortest
	for ctx.Err() == nil {
		took, err := f.stream(ctx)
		if ctx.Err() != nil {
			return nil
		}
		f.note(err)
		if took {
			pause = f.o.Shortest
		}
		// Full jitter: a console that was away is not stormed by all at once.
		wait(ctx, rand.N(pause)+pause/10, nil)
		pause = min(2*pause, f.o.Longest)
	}
	return nil
}

func (f *Follower) note(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stats.Connected = err == nil
	was := f.stats.Failing
	if f.stats.Failing = ""; err != nil {
		f.stats.Failing = err.Error()
	}
	switch {
	case err != nil && was == "":
		f.o.Logger.Warn().Err(err).Msg("no decisions from the console; those in force go on")
	case err == nil:
		f.o.Logger.Info().Int64("version", f.o.Keeper.Version()).Msg("decisions are followed")
	}
}

// lapse takes out of force what ends.
func (f *Follower) lapse(ctx context.Context) {
	for wait(ctx, f.o.Every, nil) {
		f.o.Keeper.Lapse()
	}
}

// wait waits for d, or less when it is nudged. It reports false when ctx ended.
func wait(ctx context.Context, d time.Duration, nudge <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
	case <-nudge:
	}
	return true
}

// stream follows one stream to its end. It reports whether anything came.
func (f *Follower) stream(ctx context.Context) (took bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	alive := time.AfterFunc(f.o.Silence, cancel)
	defer alive.Stop()
	target := wire.PathDecisions + "?after=" + strconv.FormatInt(f.o.Keeper.Version(), 10)
	response, err := f.o.Session.Do(ctx, http.MethodGet, target, nil)
	if err != nil {
		return false, fmt.Errorf("follow decisions: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK || !strings.HasPrefix(response.Header.Get("Content-Type"), "text/event-stream") {
		return false, fmt.Errorf("follow decisions: %w", report.Refused(response))
	}
	f.note(nil)
	r := bufio.NewReaderSize(response.Body, 4<<10)
	for {
		line, err := readLine(r)
		if err != nil {
			return took, fmt.Errorf("follow decisions: %w", err)
		}
		alive.Reset(f.o.Silence)
		sealed, ok := strings.CutPrefix(line, "data: ")
		if !ok {
			if strings.HasPrefix(line, ":") {
				f.o.Keeper.Heard()
			}
			continue
		}
		if err := f.take(sealed); err != nil {
			return took, err
		}
		took = true
	}
}

// take takes a batch and notes what there is to say about it.
func (f *Follower) take(sealed string) error {
	taken, err := f.o.Keeper.Take(sealed)
	if err != nil {
		f.Object(wire.Objection{Reason: Reason(err), Detail: err.Error()})
		return err
	}
	answers := make([]wire.Answer, 0, len(taken.Trials))
	for _, d := range taken.Trials {
		a := wire.Answer{ID: d.ID}
		if d.OnNetwork() {
			a.Behind = f.o.Look(d.Network)
		}
		answers = append(answers, a)
	}
	f.mu.Lock()
	f.stats.Batches++
	f.stats.Refused += int64(len(taken.Objected))
	f.unsaid.objected = append(f.unsaid.objected, taken.Objected...)
	f.unsaid.asked = append(f.unsaid.asked, answers...)
	f.mu.Unlock()
	for _, o := range taken.Objected {
		f.o.Logger.Warn().Str("decision", o.ID).Str("reason", o.Reason).Str("detail", o.Detail).Msg("a decision of the console is refused")
	}
	if len(answers)+len(taken.Objected) > 0 {
		f.speak()
	}
	return nil
}

// readLine reads a line of at most what a sealed batch may take.
func readLine(r *bufio.Reader) (string, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		if len(line)+len(part) > wire.MaxSealed+16 {
			return "", fmt.Errorf("%w: a line of more than %d bytes", wire.ErrTooBig, wire.MaxSealed)
		}
		if err == nil && line == nil {
			return strings.TrimRight(string(part), "\r\n"), nil
		}
		line = append(line, part...)
		switch {
		case err == nil:
			return strings.TrimRight(string(line), "\r\n"), nil
		case errors.Is(err, io.EOF):
			return "", errors.New("the console closed the stream")
		case !errors.Is(err, bufio.ErrBufferFull):
			return "", err
		}
	}
}

// most is how many of a kind are said at a time.
const most = 500

// say tells the console what there is to tell, again until it has heard.
func (f *Follower) say(ctx context.Context) {
	pause := f.o.Every
	for wait(ctx, pause, f.nudge) {
		said, ok := f.gather()
		if !ok {
			pause = f.o.Every
			continue
		}
		if err := f.post(ctx, said); err != nil {
			f.keep(said)
			pause = min(2*pause+rand.N(f.o.Every), f.o.Longest)
			continue
		}
		pause = f.o.Every
	}
}

// gather takes what is unsaid, at most so much.
func (f *Follower) gather() (wire.Said, bool) {
	hits, behind := f.o.News()
	version := f.o.Keeper.Version()
	f.mu.Lock()
	defer f.mu.Unlock()
	u := &f.unsaid
	for _, h := range hits {
		u.hits[h.ID] = h
	}
	for _, b := range behind {
		u.behind[b.Network] = b
	}
	s := wire.Said{Version: version, Objected: take(&u.objected), Asked: take(&u.asked)}
	for id, h := range u.hits {
		if len(s.Hits) == most {
			break
		}
		s.Hits = append(s.Hits, h)
		delete(u.hits, id)
	}
	for n, b := range u.behind {
		if len(s.Behind) == most {
			break
		}
		s.Behind = append(s.Behind, b)
		delete(u.behind, n)
	}
	return s, len(s.Objected)+len(s.Asked)+len(s.Hits)+len(s.Behind) > 0
}

func take[T any](list *[]T) []T {
	n := min(len(*list), most)
	head := (*list)[:n:n]
	*list = (*list)[n:]
	return head
}

// keep puts back what was not heard, behind what is newer.
func (f *Follower) keep(s wire.Said) {
	f.mu.Lock()
	defer f.mu.Unlock()
	u := &f.unsaid
	u.objected = clipped(append(s.Objected, u.objected...))
	u.asked = clipped(append(s.Asked, u.asked...))
	for _, h := range s.Hits {
		if _, newer := u.hits[h.ID]; !newer && len(u.hits) < 100*most {
			u.hits[h.ID] = h
		}
	}
	for _, b := range s.Behind {
		if _, newer := u.behind[b.Network]; !newer && len(u.behind) < 100*most {
			u.behind[b.Network] = b
		}
	}
}

// clipped keeps what came last.
func clipped[T any](list []T) []T { return list[max(0, len(list)-100*most):] }

func (f *Follower) post(ctx context.Context, s wire.Said) error {
	body, err := json.Marshal(s)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	response, err := f.o.Session.Do(ctx, http.MethodPost, wire.PathSaid, body)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return report.Refused(response)
	}
	_, err = io.Copy(io.Discard, io.LimitReader(response.Body, 4<<10))
	return err
}
