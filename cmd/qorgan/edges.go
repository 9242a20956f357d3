package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/qorgan/qorgan/certs"
	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/console/fleet"
	"github.com/qorgan/qorgan/console/store"
)

type edgesCmd struct {
	Invite edgesInviteCmd `cmd:"" help:"Print the line that enrols one more edge, within a day."`
	List   edgesListCmd   `cmd:"" help:"List the edges that report here."`
	Retire edgesRetireCmd `cmd:"" help:"Take nothing from an edge any more."`
}

// consolePlace says which console is meant.
type consolePlace struct {
	Data  string `placeholder:"DIR" type:"path" default:"${data}" help:"Folder for state of the console, which may be running. ${default} by default here."`
	Store string `placeholder:"URL" env:"QORGAN_STORE" help:"PostgreSQL of the console, if it has one, as it was told."`
}

func (c consolePlace) open(ctx context.Context) (*store.DB, error) {
	return openStore(ctx, c.Data, c.Store, store.OpenBeside)
}

// openStore opens the store of a console: the one at an address, which may be
// file: or env: and where it stands, or the one in the folder for state.
func openStore(ctx context.Context, data, address string, open func(context.Context, string) (*store.DB, error)) (*store.DB, error) {
	if address == "" {
		return open(ctx, filepath.Join(data, store.File))
	}
	at, err := config.ReadSecret(address)
	if err != nil {
		return nil, err
	}
	return open(ctx, at.Reveal())
}

type edgesInviteCmd struct {
	consolePlace
	URL string `name:"url" placeholder:"URL" help:"Address at which the edge reaches the console. That of the running console by default."`
}

// Run prints the line.
func (i edgesInviteCmd) Run(p *process) error {
	ctx := context.Background()
	if i.URL == "" {
		open, err := readAddresses(i.Data)
		if err != nil || open.Console == "" {
			return withHint(errors.New("find console: none runs over "+i.Data), "start `qorgan console`, or name its address with --url")
		}
		i.URL = open.Console
	}
	db, err := i.open(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	pin := ""
	if strings.HasPrefix(i.URL, "https:") {
		c := config.Default()
		c.Data = i.Data
		pin = rootPin(c.CertificateFolder())
	}
	line, err := fleet.Invite(ctx, db, store.Whole(), "command line", i.URL, pin, time.Now())
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(p.out, "On the machine of the edge, once and within a day:\n\n  %s\n\n", line)
	return err
}

// rootPin returns the SHA-256 of the local authority in folder, if there is one.
func rootPin(folder string) string {
	b, err := os.ReadFile(certs.RootFile(folder))
	if err != nil {
		return ""
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return ""
	}
	sum := sha256.Sum256(block.Bytes)
	return hex.EncodeToString(sum[:])
}

type edgesListCmd struct{ consolePlace }

// Run prints the edges.
func (l edgesListCmd) Run(p *process) error {
	ctx := context.Background()
	db, err := openStore(ctx, l.Data, l.Store, store.OpenReadOnly)
	if err != nil {
		return err
	}
	defer db.Close()
	all, err := db.Edges(ctx, store.Whole())
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
	for _, e := range all {
		state := "heard " + e.Seen.Local().Format(time.DateTime)
		switch {
		case !e.Retired.IsZero():
			state = "retired " + e.Retired.Local().Format(time.DateTime)
		case !e.Cloned.IsZero():
			state += ", runs twice: retire it and enrol both machines anew"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%d waiting\t%s\n", e.ID, e.Name, e.Version, e.Waiting, state)
	}
	return w.Flush()
}

type edgesRetireCmd struct {
	consolePlace
	ID string `arg:"" help:"The edge's id, as qorgan edges list prints it."`
}

// Run retires the edge.
func (r edgesRetireCmd) Run(p *process) error {
	ctx := context.Background()
	db, err := r.open(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	if err := db.Retire(ctx, store.Whole(), r.ID, time.Now()); err != nil {
		return withHint(err, "`qorgan edges list` for the ids of those that serve")
	}
	_, err = fmt.Fprintf(p.out, "%s is retired: nothing is taken from it any more.\n", r.ID)
	return err
}
