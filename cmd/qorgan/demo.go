package main

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"

	"github.com/qorgan/qorgan/certs"
	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/sample"
)

type demoCmd struct {
	To      []string `placeholder:"URL" help:"Upstream to stand in front of. A small built-in shop by default."`
	HTTP    string   `name:"http" default:"127.0.0.1:8080" placeholder:"ADDR" help:"Plain listener. ${default} by default, or the next free port."`
	HTTPS   string   `name:"https" default:"127.0.0.1:8443" placeholder:"ADDR" help:"TLS listener. ${default} by default, or the next free port."`
	Console string   `default:"127.0.0.1:9443" placeholder:"ADDR" help:"Listener of the console. ${default} by default, or the next free port."`
	Data    string   `type:"path" placeholder:"DIR" help:"Folder for state. ${data}-demo by default here."`
}

// Run shows the whole on this machine: a site, the edge in front of it, the
// console beside it.
func (d demoCmd) Run(p *process) error {
	flags := config.Flags{
		Sites: []string{"localhost", "127.0.0.1"}, To: d.To, TLS: "internal", Data: d.Data,
	}
	if flags.Data == "" {
		flags.Data = config.Default().Data + "-demo"
	}
	var behind *httpPart
	if len(d.To) == 0 {
		shop, err := listenPlain("127.0.0.1:0", sample.New())
		if err != nil {
			return fmt.Errorf("open sample site: %w", err)
		}
		defer shop.cut()
		behind, flags.To = shop, []string{"http://" + shop.address()}
	}
	var err error
	taken := map[string]bool{}
	next := func(addr string) string {
		free, e := freeAddress(addr, taken)
		if e == nil && free != addr {
			fmt.Fprintf(p.out, "%s is in use: taking %s\n", addr, free)
		}
		err = errors.Join(err, e)
		return free
	}
	flags.HTTP, flags.HTTPS, flags.Console = []string{next(d.HTTP)}, []string{next(d.HTTPS)}, next(d.Console)
	if err != nil {
		return err
	}
	c, err := flags.Load()
	if err != nil {
		return err
	}
	return (&service{process: p, config: c, behind: behind, link: true, ready: func(a addresses, link string) error { return d.greet(p, c, a, link) }}).run()
}

// greet prints where to look and what to try.
func (d demoCmd) greet(p *process, c *config.Config, a addresses, link string) error {
	_, port, err := net.SplitHostPort(a.HTTPS[0])
	if err != nil {
		return fmt.Errorf("read address: %w", err)
	}
	site := "https://localhost:" + port
	_, err = fmt.Fprintf(p.out, `
  The site      %s/
  An attack     curl -k '%s/search?q=%%27+union+select+password+from+users--'
  The console   %s

Certificates come from this machine's own authority, which your browser does
not know: accept its warning, or import %s.
Ctrl-C stops.

`, site, site, link, certs.RootFile(c.CertificateFolder()))
	return err
}

// freeAddress returns addr, or the same host with the next port that is free
// and not yet taken. Port 0 stays as it is.
func freeAddress(addr string, taken map[string]bool) (string, error) {
	host, p, err := net.SplitHostPort(addr)
	if err != nil {
		return "", withHint(fmt.Errorf("read address: %w", err), "127.0.0.1:8443")
	}
	port, err := strconv.Atoi(p)
	if err != nil || port == 0 {
		return addr, nil
	}
	const tries = 50
	for i := range tries {
		candidate := net.JoinHostPort(host, strconv.Itoa(port+i))
		if taken[candidate] {
			continue
		}
		l, err := net.Listen("tcp", candidate)
		if errors.Is(err, syscall.EADDRINUSE) {
			continue
		}
		if err != nil {
			return "", fmt.Errorf("find a free port: %w", err)
		}
		taken[candidate] = true
		return candidate, l.Close()
	}
	return "", withHint(fmt.Errorf("find a free port: %s and the %d after it are in use", addr, tries-1), "another address")
}
