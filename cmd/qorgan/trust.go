package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/qorgan/qorgan/certs"
	"github.com/qorgan/qorgan/certs/trust"
)

type trustCmd struct {
	Show    trustShowCmd    `cmd:"" help:"Say which stores of this machine have the edge's local authority."`
	Install trustInstallCmd `cmd:"" help:"Have this machine and its browsers believe it."`
	Remove  trustRemoveCmd  `cmd:"" help:"Have them stop to."`
}

type trustShowCmd struct{ certsPlace }
type trustInstallCmd struct{ certsPlace }
type trustRemoveCmd struct{ certsPlace }

// Run prints the stores.
func (t trustShowCmd) Run(p *process) error { return t.with(p, trust.Machine{}.Show) }

// Run installs the authority.
func (t trustInstallCmd) Run(p *process) error { return t.with(p, trust.Machine{}.Install) }

// Run removes it.
func (t trustRemoveCmd) Run(p *process) error { return t.with(p, trust.Machine{}.Remove) }

func (x certsPlace) with(p *process, do func(context.Context, string) ([]trust.Place, error)) error {
	c, err := x.load()
	if err != nil {
		return err
	}
	root := certs.RootFile(c.CertificateFolder())
	places, err := do(context.Background(), root)
	if errors.Is(err, fs.ErrNotExist) && len(places) == 0 {
		return withHint(fmt.Errorf("find local authority: %w", err), "start `qorgan run` once, with the same --data")
	}
	for _, place := range places {
		state := "not trusted"
		if place.There {
			state = "trusted"
		}
		fmt.Fprintf(p.out, "%s: %s\n", place.Name, state)
	}
	if errors.Is(err, fs.ErrPermission) {
		return withHint(err, "run it as root, and once more as yourself for your browsers")
	}
	if err == nil && len(places) == 0 {
		return withHint(errors.New("find a store of authorities: there is none"), "tell your browser of %s by hand", root)
	}
	return err
}
