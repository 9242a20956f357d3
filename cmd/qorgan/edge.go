package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/qorgan/qorgan/certs"
	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/proxy"
	"github.com/qorgan/qorgan/rulesets"
)

// edge is all that judges and forwards, built and not yet serving. `check`
// throws it away; `run` serves it and changes it on a reload.
type edge struct {
	config *config.Config
	log    zerolog.Logger
	names  *names
	judge  *rulesets.Judge
	server *proxy.Server
}

// buildEdge builds everything that serving c needs and binds no address.
// record takes every event; it must not block.
func buildEdge(ctx context.Context, c *config.Config, log zerolog.Logger, registry *prometheus.Registry, record func(event.Event)) (*edge, error) {
	e := &edge{config: c, log: log, names: new(names)}
	e.names.use(c.Sites)
	var errs []error

	certificates, err := buildTLS(c, e.names.serves)
	errs = append(errs, err)

	e.judge, err = rulesets.New(rulesets.Options{
		Record: record,
		Log:    log.With().Str("part", "rulesets").Logger(),
	})
	if err != nil {
		return nil, errors.Join(append(errs, fmt.Errorf("build rules: %w", err))...)
	}
	rules, err := e.judge.Prepare(ctx, c.Sites)
	if err != nil {
		errs = append(errs, fmt.Errorf("build rules: %w", err))
	} else {
		e.judge.Use(rules)
	}

	if errors.Join(errs...) == nil {
		e.server, err = proxy.New(proxy.Options{
			Config: c, Logger: log.With().Str("part", "proxy").Logger(), Registry: registry, Record: record, TLS: certificates,
			Middleware: []func(http.Handler) http.Handler{e.judge.Handler},
		})
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, errors.Join(err, e.close())
	}
	return e, nil
}

// buildTLS returns the source of certificates for sites, nil without TLS.
func buildTLS(c *config.Config, serves func(string) bool) (*tls.Config, error) {
	switch c.TLS.Mode {
	case "off":
		return nil, nil
	case "acme":
		return nil, c.Mistake("tls.mode", "this build obtains no certificates of a public authority", "internal or off")
	}
	local, err := certs.NewLocal(certsFolder(c.Data), serves)
	if err != nil {
		return nil, fmt.Errorf("build certificates: %w", err)
	}
	return certs.ServerConfig(local.Certificate), nil
}

// reload puts c into force, or returns an error and leaves everything as it
// was. What only a start can change keeps its old value and is named in the
// log.
func (e *edge) reload(ctx context.Context, c *config.Config) error {
	for _, fixed := range []struct{ key, was, is string }{
		{"data", e.config.Data, c.Data}, {"admin", e.config.Admin, c.Admin}, {"tls.mode", e.config.TLS.Mode, c.TLS.Mode},
		{"console.listen", e.config.Console.Listen, c.Console.Listen}, {"console.tls", e.config.Console.TLS, c.Console.TLS},
	} {
		if fixed.was != fixed.is {
			e.log.Warn().Str("key", fixed.key).Str("now", fixed.was).Str("then", fixed.is).Msg("a restart is needed for this change")
		}
	}
	rules, err := e.judge.Prepare(ctx, c.Sites)
	if err != nil {
		return fmt.Errorf("build rules: %w", err)
	}
	if err := e.server.Reload(c); err != nil {
		return err
	}
	e.judge.Use(rules)
	e.names.use(c.Sites)
	e.config = c
	return nil
}

// close stops what a built edge started.
func (e *edge) close() error {
	return e.judge.Close()
}
