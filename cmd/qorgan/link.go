package main

import (
	"context"
	"fmt"

	"github.com/qorgan/qorgan/console"
	"github.com/qorgan/qorgan/console/store"
)

type linkCmd struct {
	Name  string `default:"admin" placeholder:"NAME" help:"Whom it signs in. ${default} by default."`
	Data  string `placeholder:"DIR" type:"path" default:"${data}" help:"Folder for state. ${default} by default here."`
	Store string `placeholder:"URL" env:"QORGAN_STORE" help:"PostgreSQL of the console, if it has one, as it was told."`
}

// Run prints a link that signs in to the running console once, within an hour:
// for a first sign-in that was missed, and for a forgotten password.
func (l linkCmd) Run(p *process) error {
	ctx := context.Background()
	open, err := readAddresses(l.Data)
	if err != nil {
		return withHint(fmt.Errorf("find console: %w", err), "start `qorgan run --console …` or `qorgan console` first, with the same --data")
	}
	if open.Console == "" {
		return withHint(fmt.Errorf("find console: the process over %s has none", l.Data), "start it with --console ADDR")
	}
	db, err := openStore(ctx, l.Data, l.Store, store.OpenBeside)
	if err != nil {
		return err
	}
	defer db.Close()
	link, err := console.SignInLink(ctx, db, open.Console, l.Name)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(p.out, link)
	return err
}
