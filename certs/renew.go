package certs

import (
	"context"
	"crypto/x509"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"time"
)

const (
	// look is how long the keeper sleeps at most: a clock that was set is
	// noticed that soon.
	look = time.Minute
	// soonest is how short it sleeps at least.
	soonestLook = 50 * time.Millisecond
	// surveyEvery is how often storage is gone through for what other edges
	// put there.
	surveyEvery = 6 * time.Hour
	// adviceEvery is how often an authority is asked when to renew, unless it
	// says when to ask again.
	adviceEvery = 6 * time.Hour
	adviceTime  = 20 * time.Second
	// triesAlone is how often a name without a certificate is tried without a
	// visitor asking for it.
	triesAlone = 6
)

// held is what is kept in memory of every certificate in storage.
type held struct {
	notBefore, notAfter time.Time
	renewAt             time.Time // by age, by advice, or after a failure
	adviceAt            time.Time // when the authority is asked again
	obtained            time.Time // zero: by an earlier run
	authority           string
	told                bool  // that it is overdue
	unsaved             error // why it is not in storage, nil when it is
}

// overdue reports whether it nears its end without a renewal having succeeded or
// failed.
func (h *held) overdue(now time.Time) bool { return h.notAfter.Sub(now) < h.life()/10 }

func (h *held) life() time.Duration { return h.notAfter.Sub(h.notBefore) }

// byAge returns when a certificate is renewed without anybody's advice: after
// two thirds of its life, half of a short one. Names are spread over a
// twentieth, so that those issued together are not renewed together.
func byAge(name string, notBefore, notAfter time.Time) time.Time {
	life := notAfter.Sub(notBefore)
	at := notBefore.Add(life / 3 * 2)
	if life < 10*24*time.Hour {
		at = notBefore.Add(life / 2)
	}
	h := fnv.New32a()
	h.Write([]byte(name))
	return at.Add(-time.Duration(float64(life) / 20 * float64(h.Sum32()) / (1 << 32)))
}

// hold takes note of a certificate in storage. obtained says that it is new.
func (a *ACME) hold(name string, cert *stored) {
	a.note(name, cert.authority, cert.leaf())
	a.mu.Lock()
	if h := a.held[name]; h != nil {
		h.unsaved = cert.unsaved
	}
	a.mu.Unlock()
	a.poke()
}

func (a *ACME) note(name, authority string, leaf *x509.Certificate) {
	now := a.now()
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.later, name)
	was := a.held[name]
	if was != nil && !leaf.NotBefore.After(was.notBefore) {
		return
	}
	h := &held{notBefore: leaf.NotBefore, notAfter: leaf.NotAfter, authority: authority,
		renewAt: byAge(name, leaf.NotBefore, leaf.NotAfter), obtained: now}
	if was == nil && now.Sub(leaf.NotBefore) > 2*time.Hour {
		// Read at a start, together with many others.
		h.adviceAt = now.Add(time.Duration(rand.Int64N(int64(max(min(adviceEvery, h.notAfter.Sub(now)/4), 1)))))
		h.obtained = time.Time{}
	} else {
		h.adviceAt = now
	}
	a.held[name] = h
}

func (a *ACME) poke() {
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// left returns the end of name's certificate; zero without one.
func (a *ACME) left(name string) time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	if h := a.held[name]; h != nil {
		return h.notAfter
	}
	return time.Time{}
}

// putOff has the keeper try name again after a failure.
func (a *ACME) putOff(name string, f failure) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if h := a.held[name]; h != nil {
		h.renewAt = f.Next
	} else if f.Count < triesAlone && len(a.later) < maxKnown {
		a.later[name] = f.Next
	}
	a.poke()
}

// survey goes through storage at the start and now and then.
func (a *ACME) survey() {
	for {
		for i, key := range a.keys {
			err := a.shelf.subjects(a.ctx, a.keys[i:i+1], func(name string, leaf *x509.Certificate) { a.note(name, key, leaf) })
			if err != nil && a.ctx.Err() == nil {
				a.log.Error().Err(err).Msg("stored certificates can not be listed: those that nobody asks for are not renewed")
			}
		}
		a.poke()
		if sleep(a.ctx, surveyEvery) != nil {
			return
		}
	}
}

// keep begins renewals and questions for advice when their time has come.
func (a *ACME) keep() {
	for {
		wait := min(max(a.due().Sub(a.now()), soonestLook), look)
		timer := time.NewTimer(wait)
		select {
		case <-a.ctx.Done():
			timer.Stop()
			return
		case <-a.wake:
			timer.Stop()
		case <-timer.C:
		}
	}
}

// due begins what is due and returns when to look again.
func (a *ACME) due() (next time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now()
	next = now.Add(look)
	for name, h := range a.held {
		if !h.adviceAt.IsZero() && !h.adviceAt.After(now) {
			h.adviceAt = time.Time{} // set again with the answer
			a.advise.push(name)
		}
		if h.overdue(now) && !h.told && a.o.Serves(name) {
			h.told = true
			a.log.Warn().Str("name", name).Time("expires", h.notAfter).Msg("a certificate nears its end and is not renewed yet")
		}
		if !h.renewAt.After(now) && a.jobs[name] == nil {
			if !a.o.Serves(name) {
				h.renewAt = now.Add(time.Hour) // it may come back
			} else {
				h.renewAt = now.Add(orderTime) // set again with the outcome
				j := &job{name: name, replaces: h.notBefore, done: make(chan struct{})}
				a.jobs[name] = j
				a.enqueue(j)
			}
		}
		next = earlier(next, h.renewAt)
		if !h.adviceAt.IsZero() {
			next = earlier(next, h.adviceAt)
		}
	}
	for name, at := range a.later {
		if at.After(now) {
			next = earlier(next, at)
			continue
		}
		delete(a.later, name)
		if a.jobs[name] == nil && a.o.Serves(name) {
			j := &job{name: name, done: make(chan struct{})}
			a.jobs[name] = j
			a.wg.Go(func() { a.find(j) })
		}
	}
	return next
}

// takeAdvice asks authorities when certificates should be renewed (RFC 9773).
// An authority that gives no answer, or takes its time, changes nothing about
// the renewal by age.
func (a *ACME) takeAdvice() {
	for name, ok := a.advise.pop(); ok; name, ok = a.advise.pop() {
		if a.ctx.Err() != nil {
			continue // empties the queue
		}
		at, again := a.advice(name)
		a.mu.Lock()
		if h := a.held[name]; h != nil {
			now := a.now()
			h.adviceAt = now.Add(min(again, max(h.life()/10, time.Second)))
			if !at.IsZero() && a.jobs[name] == nil {
				h.renewAt = sensible(h, at)
			}
		}
		a.mu.Unlock()
		a.poke()
	}
}

// sensible bounds advice: not in the last tenth of a certificate's life, and
// not at once for one that was just obtained, which would go on for ever.
func sensible(h *held, at time.Time) time.Time {
	at = earlier(at, h.notAfter.Add(-h.life()/10))
	if least := h.obtained.Add(min(h.life()/20, adviceEvery)); !h.obtained.IsZero() && at.Before(least) {
		return least
	}
	return at
}

// advice returns when name's certificate should be renewed, zero without
// advice, and when to ask again.
func (a *ACME) advice(name string) (at time.Time, again time.Duration) {
	ctx, cancel := context.WithTimeout(a.ctx, adviceTime)
	defer cancel()
	cert, err := a.shelf.load(ctx, a.keys, name)
	if err != nil {
		return time.Time{}, adviceEvery
	}
	i := slices.Index(a.keys, cert.authority)
	got, err := a.authorities[i].advise(ctx, cert.leaf())
	if err != nil {
		a.log.Debug().Err(err).Str("name", name).Msg("the renewal goes by age")
	}
	if got.why != "" {
		a.log.Warn().Str("name", name).Str("explanation", got.why).Time("renewal", got.at).
			Msg("the authority explains when it wants this certificate renewed")
	}
	if again = got.again; again == 0 {
		again = adviceEvery
	}
	return got.at, min(max(again, time.Minute), 24*time.Hour)
}
