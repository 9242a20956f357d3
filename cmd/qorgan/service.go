package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime/debug"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/console"
	"github.com/qorgan/qorgan/proxy/capacity"
)

// service is the edge and its console in one process: built, started,
// reloaded, stopped.
type service struct {
	*process
	config *config.Config
	file   string                               // empty when there is nothing to reread
	load   func() (*config.Config, error)       // rereads the configuration
	behind *httpPart                            // a site of the process's own behind the edge; may be nil
	link   bool                                 // make a sign-in link at every start
	ready  func(a addresses, link string) error // told once everything listens, before addresses.json says so; link signs in to the console
}

// run serves until a signal stops it.
func (s *service) run() (err error) {
	soft, hard, release := signals()
	defer release()
	c := s.config
	log, flush := s.logger(c.Log)
	defer flush()
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return fmt.Errorf("make data folder: %w", err)
	}
	limitMemory(c.Capacity.Memory)
	registry := prometheus.NewRegistry()
	records, err := openRecords(soft, c.Data, "", registry, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, records.close()) }()
	at := stateOf(c)
	if at.sockets, err = handedOver(); err != nil {
		return err
	}
	e, err := buildEdge(soft, c, at, log, registry, records.sink())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.close()) }()

	registry.MustRegister(judgeMetrics{e.judge}, certificateMetrics{e})

	files := newWatcher(s.file, s.load, e, log)
	ordered := newOrders(e, c.Data, files, component(log, "decisions"))
	records.out.follow = ordered.follow
	life := &lifecycle{log: log, patience: func() time.Duration { return c.Drain + cutTime }}
	life.add("decisions", ordered.run, nil)
	life.add("reports", records.out.run, nil)
	if s.behind != nil {
		life.add("sample site", s.behind.run, s.behind.cut)
	}
	var opened addresses
	var link string
	if c.Console.Listen == "" {
		life.add("retention", func(ctx context.Context) error { return records.keep(ctx, c.Console.Keep, c.Console.Space) }, nil)
	} else {
		var reread func(context.Context) error
		if s.file != "" {
			reread = files.ask
		}
		pages, err := buildConsole(c, records, log, e.acme, console.Options{
			Sites: func() []*config.Site { return e.config.Load().Sites }, Reload: reread,
			Certificates: e.forConsole,
			Disputes:     func() []console.Dispute { return disputes(e.judge) }, Settle: e.judge.ResetFastPath,
			Exclusions: clerk{e: e, mask: records.mask}.exclusions(),
		})
		if err == nil {
			link, err = openConsole(soft, pages, s.link)
		}
		if err != nil {
			return err
		}
		opened.Console = pages.URL()
		life.add("console", pages.Run, nil)
		door := records.door.Load()
		life.add("own decisions", func(ctx context.Context) error { return ordered.followOwn(ctx, door) }, nil)
	}
	if c.Admin != "" {
		admin, err := listenPlain(c.Admin, e.server.AdminHandler())
		if err != nil {
			return listenHint(fmt.Errorf("admin: %w", err))
		}
		defer admin.cut()
		opened.Admin = admin.address()
		life.add("admin", admin.run, admin.cut)
	}
	if err := ordered.recall(records.door.Load()); err != nil {
		return err
	}
	if err := e.server.Listen(); err != nil {
		return err
	}
	plain, encrypted := e.server.Addrs()
	opened.HTTP, opened.HTTPS = texts(plain), texts(encrypted)
	life.add("edge", e.server.Run, e.server.Close)
	life.add("reload", files.run, nil)
	life.add("exclusions", keeper{e: e, log: component(log, "exclusions")}.run, nil)

	if err := s.ready(opened, link); err != nil {
		return err
	}
	log.Info().Strs("http", opened.HTTP).Strs("https", opened.HTTPS).Str("admin", opened.Admin).Str("console", opened.Console).
		Str("version", version()).Int("sites", len(c.Sites)).Msg("serving")
	if err := e.tellArmed(e.problem); err != nil {
		return err
	}
	defer os.Remove(armedFile(c.Data))
	if err := opened.write(c.Data); err != nil {
		return err
	}
	defer os.Remove(addressesFile(c.Data))
	return life.run(soft, hard)
}

// limitMemory has the collector keep the process below its limit, unless
// GOMEMLIMIT has said so already.
func limitMemory(configured int64) {
	if os.Getenv("GOMEMLIMIT") == "" || configured > 0 {
		debug.SetMemoryLimit(capacity.Limits{Memory: configured}.WithDefaults(0).Memory)
	}
}

func texts(as []net.Addr) []string {
	var list []string
	for _, a := range as {
		list = append(list, a.String())
	}
	return list
}
