package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/console"
	"github.com/qorgan/qorgan/console/store"
	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/rulesets/mistake"
	"github.com/qorgan/qorgan/rulesets/standing"
)

type exclusionsCmd struct {
	Add     exclusionAddCmd     `cmd:"" help:"Find the narrowest exclusion for an incident, prove it, and put it into force."`
	List    exclusionListCmd    `cmd:"" help:"List what is in force beside the configuration."`
	Confirm exclusionConfirmCmd `cmd:"" help:"Keep one for another year."`
	Remove  exclusionRemoveCmd  `cmd:"" help:"Take one back."`
}

// exclusionData says where the decisions lie.
type exclusionData struct {
	Data string `placeholder:"DIR" type:"path" default:"${data}" help:"Folder for state of the edge, which may be running. ${default} by default here."`
}

type exclusionAddCmd struct {
	Code    string `arg:"" help:"The incident code that the visitor was shown."`
	Why     string `placeholder:"TEXT" help:"Why, for whoever looks at it later."`
	Request string `placeholder:"FILE" type:"existingfile" help:"The refused request, raw or as a curl command, where what was recorded does not tell enough."`
	Scope   string `enum:"path,numbers" default:"path" placeholder:"path|numbers" help:"How far it reaches: this path, or paths that differ in a number too. ${default} by default."`
	Alike   bool   `help:"Other incidents that would pass too were looked at, and were mistakes."`
	Look    bool   `help:"Only say what would be done."`
	Config  string `short:"c" placeholder:"FILE" type:"path" help:"Judge as this configuration does."`
	exclusionData
}

// Run proves an exclusion and writes it down; a running edge has it in force
// within a second.
func (a exclusionAddCmd) Run(p *process) (err error) {
	ctx := context.Background()
	ev, others, err := a.incident(ctx)
	if err != nil {
		return err
	}
	k, err := a.clerk(ctx, ev)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, k.e.close()) }()
	answer, err := k.propose(ctx, ev, others)
	if err != nil {
		return err
	}
	if len(answer.Proposals) == 0 {
		return noProposal(ev, answer)
	}
	i := slices.IndexFunc(answer.Proposals, func(p console.Proposal) bool { return p.Scope == a.Scope })
	if i < 0 {
		return withHint(fmt.Errorf("propose an exclusion: none of scope %s", a.Scope), "--scope %s", answer.Proposals[0].Scope)
	}
	chosen := answer.Proposals[i]
	printProposal(p.out, chosen)
	switch {
	case a.Look:
		return nil
	case len(chosen.Proof.Alike) > 0 && !a.Alike:
		return withHint(fmt.Errorf("put exclusion into force: %s from other addresses would pass too", strings.Join(chosen.Proof.Alike, ", ")),
			"look at them with `qorgan explain`; --alike when they were mistakes as well")
	}
	who := operator()
	x, err := k.decide(ctx, console.Decision{Event: ev, Proposal: chosen, By: who, Why: a.Why})
	if err != nil {
		return err
	}
	fmt.Fprintf(p.out, "\n%s is written down until %s; a running edge has it in force within a second.\n", x.ID, x.Expires.Local().Format(time.DateOnly))
	return a.note(ctx, who, console.ActExcluded, x.ID+" "+x.Site+" "+x.Incident)
}

// incident reads the incident, and the others of its site.
func (a exclusionAddCmd) incident(ctx context.Context) (ev event.Event, others []event.Event, err error) {
	code, ok := event.ParseCode(a.Code)
	if !ok {
		return ev, nil, withHint(fmt.Errorf("read incident code %q: it is none", a.Code), "a code such as 7KQ2-M9XD")
	}
	db, err := store.OpenReadOnly(ctx, filepath.Join(a.Data, store.File))
	if err != nil {
		return ev, nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	found, err := db.EventsByCode(ctx, store.Whole(), code)
	if err != nil {
		return ev, nil, err
	}
	if len(found) == 0 {
		return ev, nil, withHint(fmt.Errorf("find incident %s: none is recorded", code), "the folder of the edge that refused it, with --data")
	}
	ev = found[0]
	page, err := db.Events(ctx, store.Whole(), store.Query{Site: ev.Site, Kind: event.KindRule, Action: event.Blocked, From: time.Now().Add(-48 * time.Hour), Limit: 500})
	return ev, page.Events, err
}

// clerk builds the judge of the incident's site, and hands it the request where
// one was given.
func (a exclusionAddCmd) clerk(ctx context.Context, ev event.Event) (clerk, error) {
	choice := siteChoice{Config: a.Config}
	if a.Config != "" {
		choice.Site = ev.Site
	}
	e, site, err := choice.judge(ctx, ev.Site)
	if err != nil {
		return clerk{}, err
	}
	if a.Config == "" { // what was in force then is all that is known
		site.Name, site.Level, site.Threshold.Inbound = ev.Site, ev.Level, ev.Threshold
	}
	key, err := redactKey(a.Data)
	if err != nil {
		return clerk{}, errors.Join(err, e.close())
	}
	e.book = standing.In(a.Data)
	k := clerk{e: e, mask: event.NewRedactor(key)}
	if err := e.stand(); err != nil {
		return clerk{}, errors.Join(err, e.close())
	}
	if a.Request != "" {
		probe, err := readProbe(nil, a.Request)
		if err == nil && (probe.Method != ev.Request.Method || withoutQuery(probe.Target) != withoutQuery(ev.Request.Target)) {
			err = fmt.Errorf("read request: %s %s is not what incident %s was about, %s %s", probe.Method, withoutQuery(probe.Target), ev.Code, ev.Request.Method, withoutQuery(ev.Request.Target))
		}
		if err != nil {
			return clerk{}, errors.Join(err, e.close())
		}
		probe.Client, probe.Profile, probe.Rank = ev.Client.Addr, ev.Profile, mistake.RankOf(ev.Author)
		e.recent.Keep(ev.Code, probe)
	}
	return k, nil
}

func withoutQuery(target string) string {
	path, _, _ := strings.Cut(target, "?")
	return path
}

// noProposal says why there is nothing to propose.
func noProposal(ev event.Event, answer console.Answer) error {
	reasons := map[mistake.Reason][2]string{
		mistake.PassesNow:     {"the request passes by the rules of today", "let the visitor try again"},
		mistake.NotRules:      {"it was not what the request said that was refused", "look at limits and guard in the configuration"},
		mistake.Protocol:      {"the request can be read in two ways", "mend the program that sent it, or compat: true for the site"},
		mistake.Surface:       {"the request was for a file that is closed to visitors", "its path in surface.allow"},
		mistake.NotKept:       {"what was recorded does not tell enough to prove anything", "--request FILE with the whole request, or the console of the running edge, which still has it in memory"},
		mistake.Patch:         {"a virtual patch refused it: an exclusion would open a known hole", "update what has the hole; then `qorgan patch remove`"},
		mistake.NoPlace:       {"the rules matched where no exclusion is narrow", "exclusions in the configuration, on your own answer"},
		mistake.LetsAttacksIn: {"every exclusion would let attacks pass", "other words, or a signed-in author"},
		mistake.NoSite:        {"the configuration has no such site", "-c with the configuration of the edge that refused it"},
	}
	why := reasons[mistake.Reason(answer.Reason)]
	text := fmt.Sprintf("propose an exclusion for %s: %s", ev.Code, why[0])
	if len(answer.Rejected) > 0 {
		var opened []string
		for _, o := range answer.Rejected[0].Proof.Opened {
			opened = append(opened, fmt.Sprintf("%s %q", o.Class, o.Value))
		}
		text += ": " + strings.Join(opened[:min(len(opened), 4)], ", ")
	}
	return withHint(errors.New(text), "%s", why[1])
}

func printProposal(w io.Writer, p console.Proposal) {
	printRules(w, p.Exclusions)
	request := "the request as it came"
	if !p.Proof.Exact {
		request = "a request made from the record"
	}
	fmt.Fprintf(w, "\nproved: %s passes; %d attacks are still refused; %d of %d other incidents stay refused\n", request, p.Proof.Tried, p.Proof.Stay, p.Proof.Others)
	for _, list := range []struct {
		what  string
		codes []string
	}{{"the same visitor's", p.Proof.Same}, {"from other addresses", p.Proof.Alike}} {
		if len(list.codes) > 0 {
			fmt.Fprintf(w, "would pass too, %s: %s\n", list.what, strings.Join(list.codes, ", "))
		}
	}
}

func printRules(w io.Writer, list []config.Exclusion) {
	for _, x := range list {
		var ids []string
		for _, r := range x.Rules {
			ids = append(ids, fmt.Sprint(r.First))
		}
		fmt.Fprintf(w, "%s %s%s: rules %s off %s, for %s\n", strings.Join(x.Methods, ","), x.Path, when(x.When), strings.Join(ids, ", "), strings.Join(x.Targets, ", "), x.Who)
	}
}

func when(conditions []string) string {
	if len(conditions) == 0 {
		return ""
	}
	return " with " + strings.Join(conditions, ", ")
}

type exclusionListCmd struct{ exclusionData }

// Run lists the decisions.
func (l exclusionListCmd) Run(p *process) error {
	list, err := standing.In(l.Data).List()
	if err != nil {
		return err
	}
	if len(list) == 0 {
		_, err := fmt.Fprintln(p.out, "no exclusion is in force beside the configuration")
		return err
	}
	for _, x := range list {
		fmt.Fprintf(p.out, "%s  %s  incident %s, by %s on %s, %s\n", x.ID, x.Site, x.Incident, x.By, x.Made.Local().Format(time.DateOnly), stateOfExclusion(x))
		var rules strings.Builder
		printRules(&rules, x.Config())
		for line := range strings.Lines(rules.String()) {
			fmt.Fprint(p.out, "  ", line)
		}
		if x.Why != "" {
			fmt.Fprintf(p.out, "  %+q\n", x.Why)
		}
	}
	return nil
}

func stateOfExclusion(x standing.Exclusion) string {
	switch err := x.Permitted(); {
	case err != nil:
		return "not in force: " + oneLine(err)
	case !time.Now().Before(x.Expires):
		return "ended on " + x.Expires.Local().Format(time.DateOnly)
	case x.Failed != "":
		return "in force until " + x.Expires.Local().Format(time.DateOnly) + ", NOT PROVED by the rules of today: " + x.Failed
	}
	return "in force until " + x.Expires.Local().Format(time.DateOnly)
}

type exclusionConfirmCmd struct {
	ID string `arg:"" help:"As the list calls it."`
	exclusionData
}

// Run lets a decision hold for another year.
func (c exclusionConfirmCmd) Run(p *process) error {
	who := operator()
	x, err := standing.In(c.Data).Confirm(code(c.ID), who)
	if err != nil {
		return exclusionHint(err)
	}
	fmt.Fprintf(p.out, "%s holds until %s\n", x.ID, x.Expires.Local().Format(time.DateOnly))
	return c.note(context.Background(), who, console.ActConfirmed, x.ID+" "+x.Site+" "+x.Incident)
}

type exclusionRemoveCmd struct {
	ID string `arg:"" help:"As the list calls it."`
	exclusionData
}

// Run takes a decision back.
func (r exclusionRemoveCmd) Run(p *process) error {
	x, err := standing.In(r.Data).Remove(code(r.ID))
	if err != nil {
		return exclusionHint(err)
	}
	fmt.Fprintf(p.out, "%s is taken back; a running edge refuses such requests again within a second\n", x.ID)
	return r.note(context.Background(), operator(), console.ActTookBack, x.ID+" "+x.Site+" "+x.Incident)
}

func code(typed string) string {
	if id, ok := event.ParseCode(typed); ok {
		return id
	}
	return typed
}

func exclusionHint(err error) error {
	if errors.Is(err, standing.ErrNotFound) {
		return withHint(err, "one that `qorgan exclusions list` names")
	}
	return err
}

// note writes what was done into the trail of the console, where there is one.
func (d exclusionData) note(ctx context.Context, who, act, object string) (err error) {
	path := filepath.Join(d.Data, store.File)
	if _, err := os.Stat(path); err != nil {
		return nil
	}
	db, err := store.OpenBeside(ctx, path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return db.InsertAct(ctx, store.Act{Time: time.Now().UTC().Truncate(time.Microsecond), Person: who, Act: act, Object: object})
}

// operator is who sits at the command line.
func operator() string {
	if u, err := user.Current(); err == nil {
		return u.Username + " (shell)"
	}
	return "shell"
}

// exclusionsInForce prints for `qorgan check` what holds beside the
// configuration.
func exclusionsInForce(w *tabwriter.Writer, data string) error {
	list, err := standing.In(data).List()
	if err != nil {
		return err
	}
	for _, x := range list {
		if time.Now().Before(x.Expires) {
			fmt.Fprintf(w, "exclusion %s\t%s\tby %s\t%s\n", x.ID, x.Site, x.By, stateOfExclusion(x))
		}
	}
	return nil
}
