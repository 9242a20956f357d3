package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rs/zerolog"
)

// lifecycle runs the parts of a process: started in the order they were added,
// stopped in reverse, each only after the one before has ended. It is not safe
// for concurrent use.
type lifecycle struct {
	log      zerolog.Logger
	patience func() time.Duration // what a stop may take before parts are cut
	parts    []*part
}

type part struct {
	name   string
	run    func(context.Context) error // serves until its context is done, then drains
	cut    func()                      // ends draining early; may be nil
	cancel context.CancelFunc
	done   chan struct{}
	err    error
}

// cutTime is what a part that was cut may take to end.
const cutTime = 5 * time.Second

// add appends a part. run must return soon after cut was called.
func (l *lifecycle) add(name string, run func(context.Context) error, cut func()) {
	l.parts = append(l.parts, &part{name: name, run: run, cut: cut, done: make(chan struct{})})
}

// run starts all parts and returns when all have ended: after soft is done, or
// after one part ended by itself. When hard is done, or the patience is at its
// end, draining parts are cut. Its error joins those of the parts.
func (l *lifecycle) run(soft, hard context.Context) error {
	ended := make(chan *part, len(l.parts))
	for _, p := range l.parts {
		ctx, cancel := context.WithCancel(context.WithoutCancel(soft))
		p.cancel = cancel
		go func() {
			p.err = p.run(ctx)
			close(p.done)
			ended <- p
		}()
	}
	var errs []error
	select {
	case <-soft.Done():
		l.log.Info().Msg("stopping")
	case p := <-ended:
		if p.err == nil {
			errs = append(errs, fmt.Errorf("%s ended by itself", p.name))
		}
	}
	hard, release := context.WithTimeout(hard, l.patience())
	defer release()
	for _, p := range slices.Backward(l.parts) {
		p.cancel()
		if err := p.wait(hard); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", p.name, err))
		}
	}
	return errors.Join(errs...)
}

// wait returns the part's error once it has ended; it cuts the part when hard
// is done.
func (p *part) wait(hard context.Context) error {
	select {
	case <-p.done:
		return p.err
	case <-hard.Done():
	}
	if p.cut != nil {
		p.cut()
	}
	select {
	case <-p.done:
		return p.err
	case <-time.After(cutTime):
		return errors.New("did not stop")
	}
}
