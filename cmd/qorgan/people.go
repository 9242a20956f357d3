package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/qorgan/qorgan/console"
	"github.com/qorgan/qorgan/console/store"
)

// peopleCmd is the door for whoever has the machine: the first people of a
// desk, and somebody who is locked out.
type peopleCmd struct {
	List   peopleListCmd   `cmd:"" help:"List who may sign in."`
	Invite peopleInviteCmd `cmd:"" help:"Print a link by which somebody may join, once and within a week."`
	Reset  peopleResetCmd  `cmd:"" help:"Take a person's password, second step, passkeys and sessions, and print a link that signs in once."`
}

type peopleListCmd struct{ consolePlace }

// Run prints the people.
func (l peopleListCmd) Run(p *process) error {
	ctx := context.Background()
	db, err := openStore(ctx, l.Data, l.Store, store.OpenReadOnly)
	if err != nil {
		return err
	}
	defer db.Close()
	names, err := tenantPaths(ctx, db)
	if err != nil {
		return err
	}
	people, err := db.Members(ctx, store.Whole())
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
	for _, m := range people {
		seen := "never seen"
		if !m.Seen.IsZero() {
			seen = "seen " + m.Seen.Local().Format(time.DateTime)
		}
		second := "password alone"
		switch {
		case m.Passkeys > 0:
			second = "passkey"
		case m.Authenticator:
			second = "second step"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", m.Name, m.Role, names[m.Tenant], second, seen)
	}
	return w.Flush()
}

// tenantPaths returns how the command line calls each tenant: "Hoster/Owner",
// and "desk".
func tenantPaths(ctx context.Context, db *store.DB) (map[int64]string, error) {
	all, err := db.Tenants(ctx, store.Whole())
	if err != nil {
		return nil, err
	}
	names := map[int64]string{store.Desk: "desk"}
	for _, t := range all { // those above come first
		switch {
		case t.ID == store.Desk:
		case t.Parent == store.Desk:
			names[t.ID] = t.Name
		default:
			names[t.ID] = names[t.Parent] + "/" + t.Name
		}
	}
	return names, nil
}

type peopleInviteCmd struct {
	consolePlace
	URL    string `name:"url" placeholder:"URL" help:"Address of the console as people reach it. That of the running console by default."`
	Role   string `enum:"owner,analyst,operator,administrator" default:"administrator" help:"What the person may do: ${enum}. ${default} by default."`
	Tenant string `default:"desk" placeholder:"NAME" help:"To whom the person belongs: desk, a hoster, or HOSTER/OWNER. ${default} by default."`
	Note   string `arg:"" help:"Whom you mean, for the list of open invitations."`
}

// Run prints the link.
func (i peopleInviteCmd) Run(p *process) error {
	ctx := context.Background()
	db, err := i.open(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	if i.URL == "" {
		open, err := readAddresses(i.Data)
		if err != nil || open.Console == "" {
			return withHint(errors.New("find console: none runs over "+i.Data), "start `qorgan console`, or name its address with --url")
		}
		i.URL = open.Console
	}
	names, err := tenantPaths(ctx, db)
	if err != nil {
		return err
	}
	tenant := int64(-1)
	var known []string
	for id, name := range names {
		if known = append(known, name); strings.EqualFold(name, i.Tenant) {
			tenant = id
		}
	}
	if tenant < 0 {
		return withHint(fmt.Errorf("find tenant %q: there is none of that name", i.Tenant), "one of: %s", strings.Join(known, ", "))
	}
	link, err := console.InvitationLink(ctx, db, store.Whole(), i.URL, store.PersonInvitation{
		Tenant: tenant, Role: store.Role(i.Role), Invited: "command line", Note: i.Note,
	}, time.Now())
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(p.out, link)
	return err
}

type peopleResetCmd struct {
	consolePlace
	Name string `arg:"" help:"The name the person signs in with."`
}

// Run resets the person and prints the link.
func (r peopleResetCmd) Run(p *process) error {
	ctx := context.Background()
	open, err := readAddresses(r.Data)
	if err != nil || open.Console == "" {
		return withHint(errors.New("find console: none runs over "+r.Data), "start `qorgan run --console …` or `qorgan console` first, with the same --data")
	}
	db, err := r.open(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	person, err := db.Person(ctx, r.Name)
	if err != nil {
		return withHint(err, "`qorgan people list` for the names")
	}
	if err := db.ResetPerson(ctx, store.Whole(), person.ID); err != nil {
		return err
	}
	act := store.Act{Time: time.Now().UTC().Truncate(time.Microsecond), Person: "command line", Act: console.ActResetPerson, Object: person.Name, Tenant: person.Tenant}
	if err := db.InsertAct(ctx, act); err != nil {
		return err
	}
	link, err := console.SignInLink(ctx, db, open.Console, person.Name)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(p.out, "%s has no password, second step or passkey any more, and is signed out. Once and within an hour:\n%s\n", person.Name, link)
	return err
}
