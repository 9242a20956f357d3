package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/qorgan/qorgan/report"
)

type enrollCmd struct {
	Console string `arg:"" placeholder:"URL" help:"Address of the console: https://console.example.kz."`
	Code    string `arg:"" help:"The code that the console gave out; it works once."`
	Pin     string `placeholder:"SHA256" help:"Of the console's own authority, when it has no certificate of a public one."`
	Name    string `placeholder:"NAME" help:"What people shall call this edge. The machine's name by default."`
	Again   bool   `help:"Leave the console that this edge reports to."`
	Data    string `placeholder:"DIR" type:"path" default:"${data}" help:"Folder for state of the edge, which may be running. ${default} by default here."`
}

// enrollTime is what an enrolment may take.
const enrollTime = 30 * time.Second

// Run enrols the edge of the data folder. A running one notices by itself.
func (e enrollCmd) Run(p *process) error {
	if was, err := report.LoadEnrolment(enrolmentFile(e.Data)); err == nil && !e.Again {
		return withHint(fmt.Errorf("enrol: this edge reports to %s already", was.Console), "--again to have it report to %s instead", e.Console)
	}
	if e.Name == "" {
		e.Name, _ = os.Hostname()
	}
	if err := os.MkdirAll(e.Data, 0o700); err != nil {
		return fmt.Errorf("make data folder: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), enrollTime)
	defer cancel()
	joined, err := report.Enroll(ctx, e.Console, e.Code, e.Pin, e.Name, version())
	if err != nil {
		return err
	}
	if err := joined.Save(enrolmentFile(e.Data)); err != nil {
		return err
	}
	_, err = fmt.Fprintf(p.out, "%s reports to %s as %s.\n", e.Data, joined.Console, e.Name)
	if _, running := os.Stat(addressesFile(e.Data)); errors.Is(running, os.ErrNotExist) {
		_, more := fmt.Fprintln(p.out, "No edge runs over this folder: it will report from its next start on.")
		err = errors.Join(err, more)
	}
	return err
}
