package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/qorgan/qorgan/certs"
	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/console"
	"github.com/qorgan/qorgan/console/alerts"
	"github.com/qorgan/qorgan/console/fleet"
)

type consoleCmd struct {
	Config string `short:"c" placeholder:"FILE" type:"path" help:"Read FILE, but for its sites. Other flags override it."`
	Listen string `placeholder:"ADDR" help:"Listener, host:port. ${console} by default."`
	TLS    string `name:"tls" placeholder:"off|internal|acme" help:"Certificate: none, of an own local authority, or of a public one. internal by default."`
	Host   string `placeholder:"NAME" help:"Name under which people reach the console; acme needs it."`
	Data   string `placeholder:"DIR" type:"path" help:"Folder for state. ${data} by default here."`
	Store  string `placeholder:"URL" env:"QORGAN_STORE" help:"PostgreSQL in which several consoles keep their incidents: postgres://user@host/database, file:FILE or env:NAME. A file in the data folder by default."`
}

// Run serves the console alone until it is told to stop.
func (k consoleCmd) Run(p *process) (err error) {
	c, err := config.Flags{File: k.Config, Console: k.Listen, ConsoleTLS: k.TLS, ConsoleHost: k.Host, Data: k.Data, Store: k.Store}.LoadConsole()
	if err != nil {
		return err
	}
	soft, hard, release := signals()
	defer release()
	log, flush := p.logger(c.Log)
	defer flush()
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return fmt.Errorf("make data folder: %w", err)
	}
	records, err := openRecords(soft, c.Data, c.Console.Store.Reveal(), prometheus.NewRegistry(), log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, records.close()) }()
	acme, err := ownACME(c, log)
	if err != nil {
		return err
	}
	if acme != nil {
		defer func() { err = errors.Join(err, acme.Close()) }()
	}
	pages, err := buildConsole(c, records, log, acme, console.Options{})
	if err != nil {
		return err
	}
	link, err := openConsole(soft, pages, false)
	if err != nil {
		return err
	}
	opened := addresses{Console: pages.URL()}
	if err := p.greetFirst(opened, link); err != nil {
		return err
	}
	log.Info().Str("console", opened.Console).Str("version", version()).Msg("serving")
	if err := opened.write(c.Data); err != nil {
		return err
	}
	defer os.Remove(addressesFile(c.Data))
	life := &lifecycle{log: log, patience: func() time.Duration { return c.Drain + cutTime }}
	life.add("console", pages.Run, nil)
	return life.run(soft, hard)
}

// ownACME is the source of certificates of a console that runs alone; nil
// unless it has one of a public authority.
func ownACME(c *config.Config, log zerolog.Logger) (*certs.ACME, error) {
	name := c.Console.Name()
	if name == "" {
		return nil, nil
	}
	port := portOf([]string{c.Console.Listen})
	if port != 443 {
		log.Warn().Str("name", name).Int("listening_on", port).Str("hint", "have connections to port 443 of that name end here").
			Msg("the authority will look for the console on port 443")
	}
	itself := func(s string) bool { return s == name }
	return newACME(c, c.CertificateFolder(), 0, port, itself, itself, new(provers), log)
}

// buildConsole builds the console over the store of records. acme is where a
// certificate of a public authority comes from; o says what the console knows
// of the edge in this process.
func buildConsole(c *config.Config, r *records, log zerolog.Logger, acme *certs.ACME, o console.Options) (*console.Server, error) {
	certificates, err := consoleTLS(c, c.CertificateFolder(), acme)
	if err != nil {
		return nil, err
	}
	if o.Fleet, err = fleet.New(context.Background(), fleet.Options{Store: r.db, Logger: component(log, "fleet")}); err != nil {
		return nil, err
	}
	r.door.Store(o.Fleet)
	o.Store, o.Listen, o.TLS, o.Logger = r.db, c.Console.Listen, certificates, log
	o.Post = alerts.Post{Mail: c.Console.Mail, Telegram: c.Console.Telegram, Inside: c.Console.InsideWebhooks}
	o.Queue, o.Keep, o.MaxBytes = r.queue.Stats, c.Console.Keep, c.Console.Space
	if c.Console.URL != nil {
		o.BaseURL = c.Console.URL.String()
	}
	if c.Console.TLS == "internal" {
		o.Pin = rootPin(c.CertificateFolder())
	}
	return console.New(o)
}

// consoleTLS returns the console's certificates, nil without TLS.
func consoleTLS(c *config.Config, folder string, acme *certs.ACME) (*tls.Config, error) {
	if c.Console.Listen == "" || c.Console.TLS == "off" {
		return nil, nil
	}
	if acme != nil && c.Console.TLS == "acme" {
		return acme.ServerConfig(), nil
	}
	machine, _ := os.Hostname()
	local, err := newLocal(c, folder, func(name string) bool {
		return name == "localhost" || name == machine || c.Console.URL != nil && name == c.Console.URL.Hostname()
	})
	if err != nil {
		return nil, err
	}
	return certs.ServerConfig(local.Certificate), nil
}

// openConsole opens the console's listener. While nobody has chosen a password
// yet, and always when it is wanted, it returns a link that signs the first
// person in, once, within an hour.
func openConsole(ctx context.Context, pages *console.Server, wanted bool) (link string, err error) {
	if err := pages.Start(ctx); err != nil {
		return "", listenHint(err)
	}
	known, err := pages.HasPeople(ctx)
	if err != nil || known && !wanted {
		return "", err
	}
	return pages.SignInLink(ctx, "admin")
}

// greetFirst prints the link of the first sign-in, if there is one. It goes to
// standard output: a log keeps what it is told.
func (p *process) greetFirst(a addresses, link string) error {
	if link == "" {
		return nil
	}
	_, err := fmt.Fprintf(p.out, "Console: %s\nFirst sign-in, once and within an hour: %s\n", a.Console, link)
	return err
}
