package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/qorgan/qorgan/console"
	"github.com/qorgan/qorgan/console/fleet"
	"github.com/qorgan/qorgan/console/store"
	"github.com/qorgan/qorgan/report/wire"
	"github.com/qorgan/qorgan/rulesets/patches"
)

type decisionsCmd struct {
	List   decisionsListCmd   `cmd:"" help:"List what holds at the edges of this console."`
	Add    decisionsAddCmd    `cmd:"" help:"Decide something for all edges of this console."`
	Remove decisionsRemoveCmd `cmd:"" help:"Take a decision back."`
}

type decisionsListCmd struct{ consolePlace }

// Run prints the decisions.
func (l decisionsListCmd) Run(p *process) error {
	ctx := context.Background()
	db, err := l.open(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	now := time.Now()
	all, err := db.Decisions(ctx, store.DecisionQuery{Scope: store.Whole(), Limit: 10_000}, now)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
	for _, d := range all {
		said, err := db.Say(ctx, d.ID)
		if err != nil {
			return err
		}
		state := map[string]string{store.StageTrial: "on trial", store.StageFleet: "in force"}[d.Stage]
		if said.Refused > 0 {
			state += fmt.Sprintf(", %d refused", said.Refused)
		}
		for _, o := range said.Objected {
			state += fmt.Sprintf(", refused by %.8s: %s", o.Edge, o.Reason)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\tuntil %s\tby %s: %s\t%s\n", d.ID, d.Kind, aboutDecision(d.Decision), d.Until.Local().Format(time.DateTime),
			cmp.Or(d.Person, "the console"), d.Reason, state)
	}
	return w.Flush()
}

func aboutDecision(d wire.Decision) string {
	switch {
	case d.OnNetwork():
		return d.Network.String()
	case d.Kind == wire.DecisionMode:
		return d.Site + " " + d.Mode
	case d.Kind == wire.DecisionPatch:
		return d.Name
	}
	return d.Site
}

type decisionsAddCmd struct {
	Kind   string        `arg:"" enum:"ban,challenge,strict,mode,patch,message" help:"ban, challenge, strict: NETWORK. mode: SITE block or detect. patch: FILE. message: TEXT."`
	About  []string      `arg:"" help:"What it is about."`
	Why    string        `required:"" placeholder:"TEXT" help:"Why, for whoever reads it later."`
	For    time.Duration `default:"24h" placeholder:"TIME" help:"How long it holds. ${default} by default."`
	Edge   string        `placeholder:"ID" help:"For one edge alone."`
	Tenant int64         `placeholder:"N" help:"For the edges of one tenant alone."`
	consolePlace
}

// Run decides.
func (a decisionsAddCmd) Run(p *process) error {
	ctx := context.Background()
	d := store.Decision{Decision: wire.Decision{Kind: wire.DecisionKind(a.Kind), Until: time.Now().Add(a.For).UTC()}, Person: "command line", Reason: a.Why}
	if err := a.read(&d.Decision); err != nil {
		return fmt.Errorf("decide: %w", err)
	}
	switch {
	case a.Edge != "":
		d.Audience = store.EdgeAudience(a.Edge)
	case a.Tenant != 0:
		d.Audience, d.Tenant = store.TenantAudience(a.Tenant), a.Tenant
	}
	db, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	d, err = fleet.Decide(ctx, db, d, time.Now())
	if err != nil {
		return fmt.Errorf("decide: %w", err)
	}
	if err := db.InsertAct(ctx, store.Act{Time: d.Made, Person: d.Person, Act: console.ActDecided, Object: console.DecisionObject(d)}); err != nil {
		return err
	}
	_, err = fmt.Fprintf(p.out, "%s: %s %s is decided.\n", d.ID, d.Kind, aboutDecision(d.Decision))
	return err
}

func (a decisionsAddCmd) read(d *wire.Decision) error {
	one := strings.Join(a.About, " ")
	switch d.Kind {
	case wire.DecisionMode:
		if len(a.About) != 2 {
			return errors.New("a mode needs a site and block or detect")
		}
		d.Site, d.Mode = a.About[0], a.About[1]
	case wire.DecisionPatch:
		text, err := os.ReadFile(one)
		if err != nil {
			return fmt.Errorf("read patch: %w", err)
		}
		if !isPatchFile(filepath.Base(one)) {
			return fmt.Errorf("the name of %s does not end in %s", one, patches.Ending)
		}
		d.Name, d.Text = filepath.Base(one), string(text)
	case wire.DecisionMessage:
		d.Text = one
	default:
		n, err := netip.ParsePrefix(one)
		if err != nil {
			addr, err := netip.ParseAddr(one)
			if err != nil {
				return fmt.Errorf("%q is no address and no network", one)
			}
			n = netip.PrefixFrom(addr, addr.BitLen())
		}
		d.Network = n
	}
	return nil
}

type decisionsRemoveCmd struct {
	ID string `arg:"" help:"The decision's id, as qorgan decisions list prints it."`
	consolePlace
}

// Run takes the decision back.
func (r decisionsRemoveCmd) Run(p *process) error {
	ctx := context.Background()
	db, err := r.open(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	now := time.Now().UTC().Truncate(time.Microsecond)
	if err := db.EndDecision(ctx, r.ID, "command line", "", now); err != nil {
		return withHint(err, "`qorgan decisions list` for the ids of those that hold")
	}
	if err := db.InsertAct(ctx, store.Act{Time: now, Person: "command line", Act: console.ActUndecided, Object: r.ID}); err != nil {
		return err
	}
	_, err = fmt.Fprintf(p.out, "%s is taken back.\n", r.ID)
	return err
}
