package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/qorgan/qorgan/certs"
	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/guard"
	"github.com/qorgan/qorgan/proxy"
	"github.com/qorgan/qorgan/rulesets"
	"github.com/qorgan/qorgan/rulesets/mistake"
	"github.com/qorgan/qorgan/rulesets/patches"
	"github.com/qorgan/qorgan/rulesets/profiles"
	"github.com/qorgan/qorgan/rulesets/standing"
)

// edge is all that judges and forwards, built and not yet serving. `check`
// throws it away; `run` serves it and changes it on a reload. reload is called
// by one goroutine.
type edge struct {
	config     atomic.Pointer[config.Config] // in force
	log        zerolog.Logger
	names      *names
	provers    *provers
	guard      *guard.Guard
	judge      *rulesets.Judge
	armory     armory
	server     *proxy.Server
	files      *certs.Files     // owners' own certificates; nil without TLS
	acme       *certs.ACME      // of sites and the console; nil without a public authority
	people     *certs.ClientCAs // authorities of visitors' certificates; nil without TLS
	tickets    *certs.Tickets   // nil without TLS
	ticketsEnd func() error     // closes their storage
	book       *standing.Book   // exclusions beside the configuration; nil for none
	stands     sync.Mutex
	recent     mistake.Recent // what was refused, for whoever says that it was a mistake

	ordered atomic.Pointer[[]standing.Exclusion]   // exclusions that a console has decided, proved here
	modes   atomic.Pointer[map[string]config.Mode] // of sites, that a console has decided
	written map[*config.Site]config.Mode           // what the configuration says of sites whose mode is another; of the goroutine that reloads

	problem error // why added patches were left out at the start
}

// eventSink is where rooms hand their events. Its functions must not block.
type eventSink struct {
	mask   *event.Redactor   // for rooms that mask secrets themselves
	masked func(event.Event) // takes events without secrets
	record func(event.Event) // masks, then takes
}

// state says where a built edge keeps what must survive it.
type state struct {
	guard   string // empty keeps nothing
	certs   string
	shares  bool           // session ticket keys are kept with certificates, not in memory only
	spool   string         // bodies on their way; empty is the system's temporary folder
	patches string         // added virtual patches; empty for none
	book    string         // data folder with the exclusions beside the configuration; empty for none
	sockets []net.Listener // handed over to the process; nil for none
	strict  bool           // a bad patch among them is an error, not left out with a word in the log
}

func stateOf(c *config.Config) state {
	return state{guard: c.Data, certs: c.CertificateFolder(), shares: true, spool: filepath.Join(c.Data, "spool"), patches: patchFolder(c.Data), book: c.Data}
}

// scratchState reads what is there and writes into scratch only.
func scratchState(c *config.Config, scratch string) state {
	at := state{certs: scratch, patches: patchFolder(c.Data), book: c.Data, strict: true}
	if _, err := os.Stat(certs.RootFile(c.CertificateFolder())); err == nil {
		at.certs = c.CertificateFolder()
	}
	return at
}

// buildEdge builds everything that serving c needs and binds no address. Its
// error joins all that is wrong.
func buildEdge(ctx context.Context, c *config.Config, at state, log zerolog.Logger, registry *prometheus.Registry, sink eventSink) (*edge, error) {
	e, certificates, err := buildParts(ctx, c, at, log, sink)
	if err != nil {
		return nil, errors.Join(err, e.close())
	}
	rooms := []func(http.Handler) http.Handler{e.guard.Handler, e.judge.Handler}
	if c.TLS.Redirect && certificates != nil {
		rooms = append([]func(http.Handler) http.Handler{toTLS(portOf(c.HTTPS))}, rooms...)
	}
	var front []func(http.Handler) http.Handler
	if e.acme != nil {
		front = append(front, e.acme.Challenges)
	}
	options := proxy.Options{
		Front:  front,
		Config: c, Logger: component(log, "proxy"), Registry: registry, Record: sink.record, Redact: sink.mask, TLS: certificates,
		Middleware: rooms, Inherited: at.sockets,
	}
	if certificates != nil {
		options.TicketKeys, options.ClientCAs = e.tickets.Keys, e.people.Pool
	}
	e.server, err = proxy.New(options)
	if err != nil {
		return nil, errors.Join(err, e.close())
	}
	return e, nil
}

// buildParts builds all of an edge but its server. It goes on after a mistake;
// the caller closes the edge in any case.
func buildParts(ctx context.Context, c *config.Config, at state, log zerolog.Logger, sink eventSink) (*edge, *tls.Config, error) {
	e := &edge{log: log, names: new(names), provers: new(provers), written: map[*config.Site]config.Mode{}}
	e.config.Store(c)
	e.names.use(c.Sites)
	certificates, tlsErr := e.buildTLS(c, at)
	return e, certificates, errors.Join(tlsErr, e.buildGuard(at, sink.record), e.buildRules(ctx, at, sink))
}

// tryTemporary says in one line what the rules' compiler would say for every
// rule: it makes a file to learn whether it may.
func tryTemporary() error {
	f, err := os.CreateTemp("", "qorgan-*")
	if err != nil {
		return withHint(fmt.Errorf("make temporary file: %w", err), "TMPDIR=DIR with a folder that this user may write")
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

func component(log zerolog.Logger, name string) zerolog.Logger {
	return log.With().Str("part", name).Logger()
}

func (e *edge) buildGuard(at state, record func(event.Event)) (err error) {
	e.guard, err = guard.New(guard.Options{Data: at.guard, Logger: component(e.log, "guard"), Record: record})
	return err
}

func (e *edge) buildRules(ctx context.Context, at state, sink eventSink) (err error) {
	e.armory.folder = at.patches
	if e.armory.profiles, err = profiles.Load(); err != nil {
		return fmt.Errorf("load profiles: %w", err)
	}
	if e.armory.builtin, err = patches.Builtin(); err != nil {
		return fmt.Errorf("load virtual patches: %w", err)
	}
	if err := tryTemporary(); err != nil {
		return err
	}
	if at.spool != "" {
		if err := os.MkdirAll(at.spool, 0o700); err != nil {
			return fmt.Errorf("make folder for uploads: %w", err)
		}
	}
	e.judge, err = rulesets.New(rulesets.Options{
		Record:   sink.masked,
		Keep:     e.recent.Keep,
		Redact:   sink.mask,
		FastPath: true,
		Rehearse: true,
		Spool:    at.spool,
		Log:      component(e.log, "rulesets"),
	})
	if err != nil {
		return fmt.Errorf("build rules: %w", err)
	}
	if at.book != "" {
		e.book = standing.In(at.book)
		if err := e.stand(); err != nil && at.strict {
			return err
		} else if err != nil {
			// Without an exclusion more is refused, not less.
			e.log.Error().Strs("mistakes", messages(err)).Msg("not every exclusion is in force")
		}
	}
	c := e.config.Load()
	rules, err := e.prepareRules(ctx, c, true)
	if err != nil && !at.strict {
		// A site that has one patch less is better off than one that is not served.
		if without, errWithout := e.prepareRules(ctx, c, false); errWithout == nil {
			e.log.Error().Strs("mistakes", messages(err)).Str("hint", "correct or remove the files in "+e.armory.folder).Msg("added patches are not in force")
			rules, e.problem, err = without, err, nil
		}
	}
	if err != nil {
		return err
	}
	e.judge.Use(rules)
	return nil
}

// prepareRules compiles what c says about rules and the virtual patches, with
// those that were added or without, and puts nothing into force. It goes on
// after a mistake.
func (e *edge) prepareRules(ctx context.Context, c *config.Config, added bool) (*rulesets.Build, error) {
	written := e.readRules(ctx, c)
	rules, err := e.armory.prepare(ctx, e.judge, c, added)
	if err := errors.Join(written, ruleMistakes(c, err)); err != nil {
		return nil, err
	}
	return rules, nil
}

// readRules reads what c says about rules and has the judge want it.
func (e *edge) readRules(ctx context.Context, c *config.Config) error {
	var extra []rulesets.Source
	var errs []error
	for i, path := range c.Rules.Extra {
		text, err := os.ReadFile(path)
		if err != nil {
			errs = append(errs, c.Mistake(fmt.Sprintf("rules.extra[%d]", i), err.Error(), "the path of a file with rules"))
			continue
		}
		extra = append(extra, rulesets.Source{Name: path, Text: string(text)})
	}
	if dir := c.Rules.CoreRuleSet; dir != "" {
		if err := e.judge.LoadRules(ctx, dir); err != nil {
			errs = append(errs, c.Mistake("rules.core_rule_set", oneLine(err), "a folder with a release that passes the self-test, or leave the key out"))
		}
	}
	e.judge.SetExtra(extra)
	return errors.Join(errs...)
}

func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

// reload puts c into force, or returns an error and leaves everything as it
// was. What only a start can change keeps its old value and is named in the
// log.
func (e *edge) reload(ctx context.Context, c *config.Config) error {
	e.overrule(c)
	rules, err := e.prepareRules(ctx, c, true)
	if err != nil {
		return errors.Join(err, e.tellArmed(err))
	}
	use, err := e.prepareTLS(c)
	if err != nil {
		return err
	}
	if err := e.server.Reload(c); err != nil {
		return err
	}
	use()
	e.judge.Use(rules)
	if err := e.tellArmed(nil); err != nil {
		e.log.Warn().Err(err).Send()
	}
	e.names.use(c.Sites)
	was := e.config.Swap(c)
	warnHSTS(e.log, was, c)
	for _, fixed := range []struct{ key, was, is string }{
		{"data", was.Data, c.Data}, {"admin", was.Admin, c.Admin}, {"tls.mode", was.TLS.Mode, c.TLS.Mode},
		{"console.listen", was.Console.Listen, c.Console.Listen}, {"console.tls", was.Console.TLS, c.Console.TLS},
		{"rules.core_rule_set", was.Rules.CoreRuleSet, c.Rules.CoreRuleSet},
	} {
		switch {
		case fixed.was == fixed.is:
		case fixed.key == "rules.core_rule_set" && fixed.is != "": // loaded already; going back is what needs a start
		default:
			e.log.Warn().Str("key", fixed.key).Str("in_force", fixed.was).Str("written", fixed.is).Msg("this change needs a restart")
		}
	}
	return nil
}

// close stops what a built edge started. Requests must have ended.
func (e *edge) close() error {
	var errs []error
	if e.judge != nil {
		errs = append(errs, e.judge.Close())
	}
	if e.guard != nil {
		errs = append(errs, e.guard.Close())
	}
	if e.files != nil {
		errs = append(errs, e.files.Close())
	}
	if e.people != nil {
		errs = append(errs, e.people.Close())
	}
	if e.tickets != nil {
		errs = append(errs, e.tickets.Close(), e.ticketsEnd())
	}
	if e.acme != nil {
		errs = append(errs, e.acme.Close())
	}
	return errors.Join(errs...)
}
