package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/event"
)

type checkCmd struct {
	siteFlags
}

// Run builds everything a start would build and throws it away. It opens no
// port and writes nothing into the data folder.
func (k checkCmd) Run(p *process) error {
	c, err := k.load()
	if err != nil {
		return err
	}
	if err := checkBuild(context.Background(), c); err != nil {
		return err
	}
	return summary(p, c)
}

func checkBuild(ctx context.Context, c *config.Config) (err error) {
	return inScratch(c, func(at state) error {
		e, err := buildEdge(ctx, c, at, zerolog.Nop(), prometheus.NewRegistry(), nowhere())
		if err == nil {
			err = e.close()
		}
		_, consoleErr := consoleTLS(c, at.certs, nil)
		return errors.Join(err, consoleErr)
	})
}

// nowhere is a sink of what is only built, never served.
func nowhere() eventSink {
	return eventSink{record: func(event.Event) {}, masked: func(event.Event) {}}
}

// inScratch has f build what writes into a folder of its own only.
func inScratch(c *config.Config, f func(state) error) (err error) {
	scratch, err := os.MkdirTemp("", "qorgan-check-")
	if err != nil {
		return fmt.Errorf("make scratch folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	return f(scratchState(c, scratch))
}

// summary says what would be served.
func summary(p *process, c *config.Config) error {
	off := func(s string) string {
		if s == "" {
			return "off"
		}
		return s
	}
	fmt.Fprintf(p.out, "good: http %s, https %s (certificates: %s), console %s (%s), admin %s, state in %s\n",
		off(strings.Join(c.HTTP, " ")), off(strings.Join(c.HTTPS, " ")), c.TLS.Mode,
		off(c.Console.Listen), c.Console.TLS, off(c.Admin), c.Data)
	w := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
	const shown = 20
	for i, s := range c.Sites {
		if i == shown {
			fmt.Fprintf(w, "and %d more sites\n", len(c.Sites)-shown)
			break
		}
		var to []string
		for _, u := range s.Upstreams {
			to = append(to, u.URL.String())
		}
		fmt.Fprintf(w, "%s\t%s\t→ %s\t%s\tlevel %d\t%s\n", s.Name, strings.Join(s.Hosts, " "), strings.Join(to, " "), s.Mode, s.Level, s.Profile)
	}
	for i, s := range c.Sites {
		if i == shown {
			break
		}
		if said := sayHSTS(s.HSTS); said != "" {
			fmt.Fprintf(w, "%s: hsts: %s\n", s.Name, said)
		}
	}
	if err := exclusionsInForce(w, c.Data); err != nil {
		return err
	}
	return w.Flush()
}
