package main

import (
	"strings"

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
	return loadAll(config.Flags{
		File: f.Config, Sites: f.Site, To: f.To, HTTP: f.HTTP, HTTPS: f.HTTPS, TLS: f.TLS, Mode: f.Mode,
		Level: f.Level, Profile: f.Profile, Admin: f.Admin, Console: f.Console, Data: f.Data,
	})
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
	return (&service{process: p, config: c, file: r.Config, load: r.load, ready: p.greetFirst}).run()
}
