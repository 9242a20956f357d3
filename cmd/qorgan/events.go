package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/console/store"
	"github.com/qorgan/qorgan/event"
)

type eventsCmd struct {
	Data  string        `placeholder:"DIR" type:"path" help:"Folder for state of the edge, which may be running. ${data} by default here."`
	Store string        `placeholder:"URL" env:"QORGAN_STORE" help:"PostgreSQL of a console, if it has one, as it was told."`
	JSON  bool          `name:"json" help:"Print one JSON object a line, with everything that was recorded."`
	Site  string        `placeholder:"NAME" help:"Only this site."`
	Rule  int           `placeholder:"ID" help:"Only where this rule matched."`
	Code  string        `placeholder:"CODE" help:"Only this incident."`
	Since time.Duration `placeholder:"TIME" help:"Only the last TIME, such as 24h."`
}

// Run prints what was recorded, the oldest first.
func (e eventsCmd) Run(p *process) error {
	ctx := context.Background()
	if e.Data == "" {
		e.Data = config.Default().Data
	}
	db, err := openStore(ctx, e.Data, e.Store, store.OpenReadOnly)
	if err != nil {
		return err
	}
	defer db.Close()
	q := store.Query{Site: e.Site, Rule: e.Rule, Code: e.Code, Limit: 1000, After: store.Beginning}
	if e.Since > 0 {
		q.From = time.Now().Add(-e.Since)
	}
	print := printJSON(p.out)
	if !e.JSON {
		w := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
		defer w.Flush()
		print = printLine(w)
	}
	for {
		page, err := db.Events(ctx, store.Whole(), q)
		if err != nil {
			return err
		}
		for i := len(page.Events) - 1; i >= 0; i-- {
			if err := print(page.Events[i]); err != nil {
				return fmt.Errorf("print events: %w", err)
			}
		}
		if !page.More {
			return nil
		}
		q.After = page.Newer
	}
}

func printJSON(w io.Writer) func(event.Event) error {
	out := json.NewEncoder(event.ControlEscaper{Writer: w})
	out.SetEscapeHTML(false)
	return func(ev event.Event) error { return out.Encode(ev) }
}

// printLine prints an event for people: when, what, where, who, which rules.
// Control characters of the request are shown, not sent to the terminal.
func printLine(w io.Writer) func(event.Event) error {
	return func(ev event.Event) error {
		why := strings.Trim(fmt.Sprint(ev.Rules), "[]")
		if why == "" {
			why = ev.Reason
		}
		target := fmt.Sprintf("%+q", ev.Request.Method+" "+ev.Request.Target)
		_, err := fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", ev.Time.Local().Format(time.DateTime), ev.Code, ev.Action,
			ev.Site, ev.Client.Addr, why, target)
		return err
	}
}
