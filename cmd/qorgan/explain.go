package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/console/store"
	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/rulesets"
	"github.com/qorgan/qorgan/rulesets/explain"
)

type explainCmd struct {
	What    []string `arg:"" optional:"" passthrough:"" help:"A file with a raw request, - for standard input, a curl command line, or an incident code. Standard input by default."`
	Config  string   `short:"c" placeholder:"FILE" type:"path" help:"Judge as a site of this configuration does."`
	Site    string   `placeholder:"NAME" help:"Which site of it, by name or host. The one the request names, or the first, by default."`
	Level   int      `placeholder:"1..4" help:"Paranoia level instead of the site's."`
	Profile string   `placeholder:"NAME" help:"CMS profile instead of the site's: ${profiles}."`
	Data    string   `placeholder:"DIR" type:"path" help:"Folder for state, for incident codes. ${data} by default here."`
}

// Run judges one request and says why, in plain words. It sends nothing. What
// an incident code names was judged already: that verdict is printed.
func (x explainCmd) Run(p *process) error {
	what, err := x.what()
	if err != nil {
		return err
	}
	if code, ok := event.ParseCode(what); ok && !isRegular(what) {
		return x.incident(p, code)
	}
	probe, err := readProbe(p.in, what)
	if err != nil {
		return err
	}
	c, err := x.load()
	if err != nil {
		return err
	}
	site, err := x.choose(c, probe)
	if err != nil {
		return err
	}
	c.Sites = []*config.Site{site}
	e := &edge{log: zerolog.Nop()}
	e.config.Store(c)
	ctx := context.Background()
	if err := e.buildRules(ctx, eventSink{masked: func(event.Event) {}}); err != nil {
		return errors.Join(err, e.close())
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

func isRegular(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// load returns the configuration, or one of a site with every default.
func (x explainCmd) load() (*config.Config, error) {
	if x.Config != "" {
		return config.Load(x.Config)
	}
	c, s := config.Default(), config.DefaultSite()
	s.Name, s.Hosts = "default", []string{"*"}
	c.Sites = []*config.Site{s}
	return c, nil
}

// choose returns a copy of the site that judges, with the flags applied.
func (x explainCmd) choose(c *config.Config, probe rulesets.Probe) (*config.Site, error) {
	wanted := x.Site
	for _, f := range probe.Fields {
		if wanted == "" && strings.EqualFold(f.Name, "Host") {
			wanted, _, _ = strings.Cut(strings.ToLower(f.Value), ":")
		}
	}
	i := slices.IndexFunc(c.Sites, func(s *config.Site) bool { return s.Name == wanted || slices.Contains(s.Hosts, wanted) })
	if i < 0 && x.Site != "" {
		return nil, withHint(fmt.Errorf("find site %s: the configuration has none of that name or host", x.Site), "one that `qorgan check` lists")
	}
	site := *c.Sites[max(i, 0)]
	if x.Level != 0 {
		site.Level = x.Level
	}
	if x.Profile != "" {
		site.Profile = x.Profile
	}
	if site.Level < 1 || site.Level > 4 || !slices.Contains(config.Profiles(), site.Profile) {
		return nil, withHint(fmt.Errorf("level %d with profile %q is not known", site.Level, site.Profile),
			"a level of 1 to 4 and one of %s", strings.Join(config.Profiles(), ", "))
	}
	return &site, nil
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
	found, err := db.EventsByCode(ctx, code)
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
