package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/console/store"
	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/rulesets"
	"github.com/qorgan/qorgan/rulesets/explain"
)

type explainCmd struct {
	What []string `arg:"" optional:"" passthrough:"" help:"A file with a raw request, - for standard input, a curl command line, or an incident code. Standard input by default."`
	siteChoice
	Data string `placeholder:"DIR" type:"path" help:"Folder for state, for incident codes. ${data} by default here."`
}

// Run judges one request and says why, in plain words. It sends nothing. What
// an incident code names was judged already: that verdict is printed.
func (x explainCmd) Run(p *process) error {
	what, err := x.what()
	if err != nil {
		return err
	}
	if code, ok := event.ParseCode(what); ok && !isFile(what) {
		return x.incident(p, code)
	}
	probe, err := readProbe(p.in, what)
	if err != nil {
		return err
	}
	host := ""
	for _, f := range probe.Fields {
		if strings.EqualFold(f.Name, "Host") {
			host, _, _ = strings.Cut(strings.ToLower(f.Value), ":")
		}
	}
	ctx := context.Background()
	e, site, err := x.judge(ctx, host)
	if err != nil {
		return err
	}
	finding, err := e.judge.Probe(ctx, site, probe, true)
	if err == nil {
		err = explain.Write(p.out, site, probe, finding)
	}
	return errors.Join(err, e.close())
}

// what is the argument as one text. The words of a curl command line, which the
// shell has taken apart, are quoted again.
func (x explainCmd) what() (string, error) {
	switch {
	case len(x.What) == 0:
		return "-", nil
	case len(x.What) == 1:
		return x.What[0], nil
	case x.What[0] != "curl":
		return "", withHint(fmt.Errorf("read arguments: %q comes after the request", x.What[1]), "flags before the request: qorgan explain --data DIR CODE")
	}
	words := []string{"curl"}
	for _, w := range x.What[1:] {
		words = append(words, "'"+strings.ReplaceAll(w, "'", `'\''`)+"'")
	}
	return strings.Join(words, " "), nil
}

// readProbe reads the request that is asked about.
func readProbe(in io.Reader, what string) (rulesets.Probe, error) {
	if strings.HasPrefix(what, "curl ") {
		return explain.Curl(what)
	}
	var text []byte
	var err error
	if what == "-" {
		text, err = io.ReadAll(in)
	} else {
		text, err = os.ReadFile(what)
	}
	if err != nil {
		return rulesets.Probe{}, withHint(fmt.Errorf("read request: %w", err),
			"a file with a raw request, a curl command line, an incident code such as 7KQ2-M9XD, or - for standard input")
	}
	return explain.Parse(string(text))
}

// incident prints the verdict that was recorded under code.
func (x explainCmd) incident(p *process, code string) error {
	ctx := context.Background()
	if x.Data == "" {
		x.Data = config.Default().Data
	}
	db, err := store.OpenReadOnly(ctx, filepath.Join(x.Data, store.File))
	if err != nil {
		return err
	}
	defer db.Close()
	found, err := db.EventsByCode(ctx, store.Whole(), code)
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return withHint(fmt.Errorf("find incident %s: none is recorded", code), "the folder of the edge that refused it, with --data")
	}
	for _, ev := range found {
		site := config.DefaultSite()
		site.Name, site.Hosts = ev.Site, []string{ev.Request.Host}
		fmt.Fprintf(p.out, "Incident %s of %s, from %s\n", ev.Code, ev.Time.Local().Format(time.DateTime), ev.Client.Addr)
		err := explain.Write(p.out, site, rulesets.Probe{
			Method: ev.Request.Method, Target: ev.Request.Target, Proto: ev.Request.Proto, Fields: ev.Request.Headers, Client: ev.Client.Addr,
		}, rulesets.Finding{
			Verdict: rulesets.Verdict{Refused: ev.Action == event.Blocked, Status: ev.Status, Score: ev.Score, Matches: ev.Matches},
			Level:   ev.Level, Threshold: ev.Threshold, Profile: ev.Profile, Reason: ev.Reason, Detail: "as recorded",
		})
		if err != nil {
			return fmt.Errorf("print incident: %w", err)
		}
	}
	return nil
}
