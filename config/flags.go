package config

import (
	"fmt"
	"net/url"
	"strings"
)

// Flags is what a command line said. The zero value of a field leaves what the
// file says, or the default.
type Flags struct {
	File    string   // the file to read; empty for none
	Sites   []string // host names of the one site
	To      []string // its upstreams
	HTTP    []string // as Config.HTTP
	HTTPS   []string // as Config.HTTPS
	Admin   string   // as Config.Admin
	Console string   // as Console.Listen
	TLS     string   // as TLS.Mode
	Data    string   // as Config.Data
	Mode    string   // as Site.Mode, for every site
	Level   int      // as Site.Level, for every site
	Profile string   // as Site.Profile, for every site

	ConsoleTLS  string // as Console.TLS
	ConsoleHost string // the host of Console.URL
	Store       string // as Console.Store
}

// Load reads the file if one is named, lets the flags override it, and
// validates the whole. The error holds every mistake: see [Mistakes].
func (f Flags) Load() (*Config, error) {
	c, err := f.Draft()
	if err != nil {
		return nil, err
	}
	return c, nil
}

// Draft is Load that returns what it read beside its error: no configuration
// to serve, but one that other rooms can look through for mistakes of theirs.
func (f Flags) Draft() (*Config, error) {
	var m mistakes
	c := Default()
	if f.File != "" {
		c = read(f.File, &m)
	}
	c.apply(f, &m)
	c.finish(&m)
	return c, m.err()
}

// LoadConsole is Load for a process that is a console alone: without sites and
// their listeners.
func (f Flags) LoadConsole() (*Config, error) {
	var m mistakes
	c := Default()
	if f.File != "" {
		c = read(f.File, &m)
	}
	c.HTTP, c.HTTPS, c.Admin, c.Sites = nil, nil, "", nil
	c.applyProcess(f)
	if f.Store != "" {
		var err error
		if c.Console.Store, err = readSecret(f.Store); err != nil {
			m.add(&Error{Path: "--store", Message: err.Error(), Hint: storeExample})
		}
		c.origin["console.store"] = position{flag: "--store"}
	}
	for path, flag := range map[string]string{"console.tls": "--tls", "console.listen": "--listen", "console.url": "--host", "console.store": "--store"} {
		if at, said := c.origin[path]; !said && f.File == "" || said && at.flag != "" {
			c.origin[path] = position{flag: flag}
		}
	}
	c.finishConsole(&m)
	if err := m.err(); err != nil {
		return nil, err
	}
	return c, nil
}

// Load reads the file at path and the sites.d folder beside it, fills the
// defaults and validates. The error holds every mistake, each with its place:
// see [Mistakes]. It opens nothing but those files.
func Load(path string) (*Config, error) { return Flags{File: path}.Load() }

// applyProcess lets the flags that are not about sites override c, and notes
// them as the origin of what they set.
func (c *Config) applyProcess(f Flags) {
	if c.origin == nil {
		c.origin = origin{}
	}
	setList := func(dst *[]string, value []string, path, flag string) {
		if len(value) > 0 {
			*dst = value
			c.origin[path] = position{flag: flag}
		}
	}
	c.set(&c.Data, f.Data, "data", "--data")
	c.set(&c.Admin, f.Admin, "admin", "--admin")
	c.set(&c.Console.Listen, f.Console, "console.listen", "--console")
	c.set(&c.Console.TLS, f.ConsoleTLS, "console.tls", "--console-tls")
	if f.ConsoleHost != "" {
		c.Console.URL = c.Console.address(f.ConsoleHost)
		c.origin["console.url"] = position{flag: "--console-host"}
	}
	c.set(&c.TLS.Mode, f.TLS, "tls.mode", "--tls")
	setList(&c.HTTP, f.HTTP, "http", "--http")
	setList(&c.HTTPS, f.HTTPS, "https", "--https")
}

// set lets a flag that was given override one value.
func (c *Config) set(dst *string, value, path, flag string) {
	if value != "" {
		*dst = value
		c.origin[path] = position{flag: flag}
	}
}

// apply lets the flags override c.
func (c *Config) apply(f Flags, m *mistakes) {
	c.applyProcess(f)
	switch {
	case f.File == "":
		c.addSite(f, m)
	case len(f.Sites) > 0:
		m.add(&Error{Path: "--site", Message: "a file already says the sites",
			Hint: "a site in the file, or leave out -c"})
	case len(f.To) > 0:
		m.add(&Error{Path: "--to", Message: "a file already says the upstreams",
			Hint: "an upstream in the file, or leave out -c"})
	}
	for i, s := range c.Sites {
		at := fmt.Sprintf("sites[%d].", i)
		c.set((*string)(&s.Mode), f.Mode, at+"mode", "--mode")
		c.set(&s.Profile, f.Profile, at+"profile", "--profile")
		if f.Level != 0 {
			s.Level = f.Level
			c.origin[at+"level"] = position{flag: "--level"}
		}
	}
}

// addSite makes the one site of a command line without a file.
func (c *Config) addSite(f Flags, m *mistakes) {
	if len(f.To) == 0 {
		m.add(&Error{Path: "--to", Message: "an upstream is missing",
			Hint: "--to http://127.0.0.1:8080, or -c qorgan.yaml, or try `qorgan demo`"})
		return
	}
	s := DefaultSite()
	s.Hosts = f.Sites
	if len(s.Hosts) == 0 {
		s.Hosts = []string{"*"}
	}
	for _, to := range f.To {
		u, err := url.Parse(to)
		if err != nil || !strings.Contains(to, "://") {
			m.add(&Error{Path: "--to", Message: fmt.Sprintf("%q is not a URL", to), Hint: "--to http://127.0.0.1:8080"})
			return
		}
		s.Upstreams = append(s.Upstreams, Upstream{URL: u})
	}
	c.Sites = []*Site{s}
	c.origin["sites[0]"] = position{flag: "--site"}
	c.origin["sites[0].upstreams"] = position{flag: "--to"}
}
