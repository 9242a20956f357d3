package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/rs/zerolog"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/rulesets/mistake"
	"github.com/qorgan/qorgan/rulesets/standing"
)

// stand puts the decisions of the book into force. What may not be among them is
// passed over and returned as an error, with the rest in force.
func (e *edge) stand() error {
	if e.book == nil {
		return nil
	}
	e.stands.Lock() // of two at once the later has read the later list
	defer e.stands.Unlock()
	list, err := e.book.List()
	if err != nil {
		return err
	}
	if ordered := e.ordered.Load(); ordered != nil {
		list = slices.Concat(list, *ordered)
	}
	bySite, errs := standing.InForce(list, time.Now())
	return errors.Join(append(errs, e.judge.Stand(bySite))...)
}

// site returns the site of that name in force, nil when there is none.
func (e *edge) site(name string) *config.Site {
	for _, s := range e.config.Load().Sites {
		if s.Name == name {
			return s
		}
	}
	return nil
}

// keeper puts changes of the book into force, whoever makes them, and has
// decisions proved again that were proved by other rules than those in force.
type keeper struct {
	e   *edge
	log zerolog.Logger
}

// proofPeriod is how often is looked whether the rules have changed.
const proofPeriod = 10 * time.Second

// run keeps until ctx is done.
func (k keeper) run(ctx context.Context) error {
	book := k.e.book
	if err := book.Prepare(); err != nil {
		return err
	}
	folder, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watch exclusions: %w", err)
	}
	defer folder.Close()
	if err := folder.Add(filepath.Dir(book.Path())); err != nil {
		k.log.Warn().Err(err).Msg("exclusions from the command line are not noticed until a restart")
	}
	if err := k.e.stand(); err != nil { // between the start and now
		k.log.Error().Strs("mistakes", messages(err)).Msg("not every exclusion is in force")
	}
	k.prove(ctx)
	tick := time.NewTicker(proofPeriod)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case change := <-folder.Events:
			if change.Name == book.Path() && change.Op != fsnotify.Chmod {
				k.take()
			}
		case err := <-folder.Errors:
			k.log.Warn().Err(err).Msg("changes of the exclusions may have been missed")
			k.take()
		case <-tick.C:
			k.prove(ctx)
		}
	}
}

func (k keeper) take() {
	list, err := k.e.book.List()
	if err == nil {
		err = k.e.stand()
	}
	if err != nil {
		k.log.Error().Strs("mistakes", messages(err)).Msg("not every exclusion is in force")
		return
	}
	sites, _ := standing.InForce(list, time.Now())
	k.log.Info().Int("sites", len(sites)).Int("decisions", len(list)).Msg("exclusions in force")
}

// prove tries each decision that holds by the rules in force, unless that was
// done already, and writes down what was found.
func (k keeper) prove(ctx context.Context) {
	list, err := k.e.book.List()
	if err != nil {
		k.log.Error().Err(err).Msg("exclusions not proved")
		return
	}
	now := time.Now()
	for _, x := range list {
		site := k.e.site(x.Site)
		if site == nil || !now.Before(x.Expires) || x.Proof.Rules == mistake.Judgement(k.e.judge, site, x.Profile) {
			continue
		}
		proof, err := mistake.Recheck(ctx, k.e.judge, site, x.Config(), slices.Concat(site.Exclusions, standing.Beside(list, x.Site, x.ID, now)), x.Probe())
		failed := standing.Failure(proof)
		if err != nil {
			if ctx.Err() != nil {
				return
			}
			proof.Rules, failed = mistake.Judgement(k.e.judge, site, x.Profile), "not-permitted"
		}
		proof.Others = x.Proof.Others // what was true of the day on which it was decided
		err = errors.Join(err, k.e.book.Proved(x.ID, func(x *standing.Exclusion) { x.Proof, x.Failed = proof, failed }))
		said := k.log.Info()
		if failed != "" || err != nil {
			said = k.log.Warn().Err(err).Str("why", failed).Str("hint", "look at it in the console, or qorgan exclusions list")
		}
		said.Str("exclusion", x.ID).Str("site", x.Site).Int("attacks", proof.Tried()).Bool("proved", failed == "").Msg("exclusion proved by the rules of today")
	}
}
