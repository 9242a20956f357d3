package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/qorgan/qorgan/config"
)

type runCmd struct {
	siteFlags
}

// siteFlags is the configuration as a command line says it.
type siteFlags struct {
	Config  string   `short:"c" placeholder:"FILE" type:"path" help:"Read FILE and the folder sites.d beside it. Other flags override it."`
	Site    []string `placeholder:"HOST" help:"Host name to answer to; may be repeated or separated by commas. Any host by default."`
	To      []string `placeholder:"URL" help:"Upstream, such as http://127.0.0.1:8080; may be repeated."`
	HTTP    []string `name:"http" placeholder:"ADDR" help:"Plain listener, host:port, or off. ${http} by default here."`
	HTTPS   []string `name:"https" placeholder:"ADDR" help:"TLS listener, host:port, or off. ${https} by default here."`
	TLS     string   `name:"tls" placeholder:"off|internal|acme" help:"Certificates: none, of an own local authority, or of a public one. internal by default."`
	Mode    string   `placeholder:"block|detect|off" help:"What to do with a request the rules refuse. block by default."`
	Level   int      `placeholder:"1..4" help:"Paranoia level. 1 by default."`
	Profile string   `placeholder:"NAME" help:"CMS behind the site: ${profiles}. auto by default."`
	Admin   string   `placeholder:"ADDR" help:"Listener for metrics and health. Off by default."`
	Console string   `placeholder:"ADDR|off" help:"Listener of the console in this process. ${console} by default."`
	Data    string   `placeholder:"DIR" type:"path" help:"Folder for state; the addresses really opened are in DIR/addresses.json. ${data} by default here."`
}

// load returns the configuration, or every mistake in it.
func (f siteFlags) load() (*config.Config, error) {
	return config.Flags{
		File: f.Config, Sites: f.Site, To: f.To, HTTP: f.HTTP, HTTPS: f.HTTPS, TLS: f.TLS, Mode: f.Mode,
		Level: f.Level, Profile: f.Profile, Admin: f.Admin, Console: f.Console, Data: f.Data,
	}.Load()
}

// helpVars are the defaults that depend on this machine.
func helpVars() map[string]string {
	d := config.Default()
	return map[string]string{
		"http": strings.Join(d.HTTP, ","), "https": strings.Join(d.HTTPS, ","),
		"console": d.Console.Listen, "data": d.Data, "profiles": strings.Join(config.Profiles(), ", "),
	}
}

// Run serves until it is told to stop.
func (r runCmd) Run(p *process) error {
	c, err := r.load()
	if err != nil {
		return err
	}
	return serve(p, c, r.Config, r.load)
}

// serve is the edge's life: built, started, reloaded, stopped. load rereads the
// configuration; file is empty when there is nothing to reread.
func serve(p *process, c *config.Config, file string, load func() (*config.Config, error)) (err error) {
	soft, hard, release := signals()
	defer release()
	log := p.logger(c.Log)
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return fmt.Errorf("make data folder: %w", err)
	}
	registry := prometheus.NewRegistry()
	records, err := openRecords(soft, c.Data, registry, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, records.close()) }()
	e, err := buildEdge(soft, c, stateOf(c), log, registry, records.record)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.close()) }()

	life := &lifecycle{log: log, patience: func() time.Duration { return c.Drain + cutTime }}
	life.add("retention", func(ctx context.Context) error { return records.keep(ctx, c.Console.Keep, c.Console.Space) }, nil)
	var opened addresses
	if c.Admin != "" {
		admin, err := listenPlain(c.Admin, e.server.AdminHandler())
		if err != nil {
			return fmt.Errorf("open admin listener: %w", err)
		}
		defer admin.cut()
		opened.Admin = admin.address()
		life.add("admin", admin.run, admin.cut)
	}
	if err := e.server.Listen(); err != nil {
		return err
	}
	plain, encrypted := e.server.Addrs()
	opened.HTTP, opened.HTTPS = texts(plain), texts(encrypted)
	life.add("edge", e.server.Run, e.server.Close)
	w := &watcher{file: file, load: load, apply: e.reload, log: log}
	life.add("reload", w.run, nil)

	if err := opened.write(c.Data); err != nil {
		return err
	}
	defer os.Remove(addressesFile(c.Data))
	log.Info().Strs("http", opened.HTTP).Strs("https", opened.HTTPS).Str("admin", opened.Admin).Str("console", opened.Console).
		Str("version", version()).Int("sites", len(c.Sites)).Msg("serving")
	return life.run(soft, hard)
}

func texts(as []net.Addr) []string {
	var list []string
	for _, a := range as {
		list = append(list, a.String())
	}
	return list
}
