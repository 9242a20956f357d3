package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"

	"github.com/qorgan/qorgan/exchange"
	"github.com/qorgan/qorgan/rulesets/replay"
)

type replayCmd struct {
	File string `arg:"" help:"Requests of the past: an access log, a HAR file from a browser, or JSON lines; - for standard input."`
	Host string `placeholder:"HOST" help:"Host name of requests whose file says none. The first of the site by default."`
	Rank string `default:"visitor" enum:"visitor,member,author,admin" help:"What to take as witnessed about every session: ${enum}."`
	siteChoice
}

// Run judges the requests of a file and prints what would have been refused. It
// sends nothing.
func (r replayCmd) Run(p *process) (err error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	in := p.in
	if r.File != "-" {
		f, err := os.Open(r.File)
		if err != nil {
			return withHint(fmt.Errorf("read requests: %w", err), "an access log, a HAR file or JSON lines; - for standard input")
		}
		defer f.Close()
		in = io.Reader(f)
	}
	e, site, err := r.judge(ctx, r.Host)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.close()) }()
	if r.Host == "" {
		if r.Host = strings.TrimPrefix(site.Hosts[0], "*."); r.Host == "*" {
			r.Host = "localhost"
		}
	}
	rank := map[string]exchange.Rank{"visitor": exchange.Visitor, "member": exchange.Member, "author": exchange.Author, "admin": exchange.Admin}[r.Rank]
	report, err := replay.Run(ctx, e.judge, replay.Read(in, r.Host), replay.Options{Site: site, Rank: rank})
	if err != nil {
		return err
	}
	return report.Write(p.out)
}
