package main

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/qorgan/qorgan/console"
	"github.com/qorgan/qorgan/console/store"
)

type eraseCmd struct {
	Address string `arg:"" help:"Whose: an IPv4 or IPv6 address."`
	Data    string `placeholder:"DIR" type:"path" default:"${data}" help:"Folder for state of the edge or console, which must not be running unless its store is a PostgreSQL. ${default} by default here."`
	Store   string `placeholder:"URL" env:"QORGAN_STORE" help:"PostgreSQL of the console, if it has one, as it was told."`
}

// Run erases a person's address from what is on record.
func (e eraseCmd) Run(p *process) (err error) {
	a, err := netip.ParseAddr(e.Address)
	if err != nil {
		return withHint(fmt.Errorf("read address %q: it is none", e.Address), "198.51.100.7 or 2001:db8::7")
	}
	ctx := context.Background()
	if e.Store == "" {
		if _, err := os.Stat(filepath.Join(e.Data, store.File)); err != nil {
			return withHint(fmt.Errorf("find incidents: %w", err), "the folder that `qorgan run` was given with --data")
		}
	}
	db, err := openStore(ctx, e.Data, e.Store, store.Open)
	if err != nil {
		return err
	}
	defer db.Close()
	done, err := db.Erase(ctx, a)
	if err != nil {
		return err
	}
	// The trail says that something was erased, and not what.
	err = db.InsertAct(ctx, store.Act{Time: time.Now().UTC().Truncate(time.Microsecond), Person: operator(), Act: console.ActErased,
		Object: fmt.Sprintf("%d", done.Events)})
	if err != nil {
		return err
	}
	fmt.Fprintf(p.out, "%d incidents are deleted, %d sessions ended. What was counted by site and hour stays.\n", done.Events, done.Sessions)
	if done.Acts > 0 {
		fmt.Fprintf(p.out, "%d lines of the trail of what people did name the address. They stay: the trail is sealed.\n", done.Acts)
	}
	if _, err := os.Stat(filepath.Join(e.Data, "outbox")); err == nil && e.Store == "" {
		fmt.Fprintln(p.out, "What this edge has still to send holds it until the console has it. Erase it there as well, when nothing waits.")
	}
	return nil
}
