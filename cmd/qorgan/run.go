package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/event"
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
	Data    string   `placeholder:"DIR" help:"Folder for state; the addresses really opened are in DIR/addresses.json. ${data} by default here."`
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
	if err := checkFolders(c); err != nil {
		return err
	}
	return serve(p, c, r.Config, r.load)
}

// serve is the edge's life: built, started, reloaded, stopped. load rereads the
// configuration, whose file may be empty.
func serve(p *process, c *config.Config, file string, load func() (*config.Config, error)) error {
	soft, hard, release := signals()
	defer release()
	log := p.logger(c.Log)
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return fmt.Errorf("make data folder: %w", err)
	}
	key, err := redactKey(c.Data)
	if err != nil {
		return err
	}
	mask := event.NewRedactor(key)

	e, err := buildEdge(soft, c, log, prometheus.NewRegistry(), func(ev event.Event) {
		log.Info().Interface("event", redacted(mask, ev)).Msg("incident")
	})
	if err != nil {
		return err
	}
	if err := e.server.Listen(); err != nil {
		return errors.Join(err, e.close())
	}
	opened := addresses{}
	plain, encrypted := e.server.Addrs()
	for _, a := range plain {
		opened.HTTP = append(opened.HTTP, a.String())
	}
	for _, a := range encrypted {
		opened.HTTPS = append(opened.HTTPS, a.String())
	}

	life := &lifecycle{log: log, patience: func() time.Duration { return e.config.Drain + cutTime }}
	if c.Admin != "" {
		admin, err := listenPlain(c.Admin, e.server.AdminHandler())
		if err != nil {
			return errors.Join(fmt.Errorf("open admin listener: %w", err), e.close())
		}
		opened.Admin = admin.address()
		life.add("admin", admin.run, admin.cut)
	}
	life.add("edge", e.server.Run, e.server.Close)
	w := &watcher{file: file, load: load, apply: e.reload, log: log}
	life.add("reload", w.run, nil)

	if err := opened.write(c.Data); err != nil {
		return errors.Join(err, e.close())
	}
	defer os.Remove(addressesFile(c.Data))
	log.Info().Strs("http", opened.HTTP).Strs("https", opened.HTTPS).Str("admin", opened.Admin).Str("console", opened.Console).
		Str("version", version()).Int("sites", len(c.Sites)).Msg("serving")
	err = life.run(soft, hard)
	return errors.Join(err, e.close())
}

// redacted returns ev with its secrets masked.
func redacted(mask *event.Redactor, ev event.Event) event.Event {
	ev.Request = mask.Request(ev.Request)
	matches := make([]event.Match, len(ev.Matches))
	for i, m := range ev.Matches {
		matches[i] = mask.Match(m)
	}
	ev.Matches = matches
	return ev
}
