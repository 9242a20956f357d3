package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/qorgan/qorgan/certs"
	"github.com/qorgan/qorgan/config"
)

type certsCmd struct {
	List   certsListCmd   `cmd:"" help:"Print every name that has a certificate, or failed to get one."`
	Renew  certsRenewCmd  `cmd:"" help:"Have the running edge replace a certificate now."`
	Revoke certsRevokeCmd `cmd:"" help:"Have the authority declare a certificate void; the running edge gets another."`
	Import certsImportCmd `cmd:"" help:"Take the certificates that certbot or Caddy keeps in a folder."`
	Export certsExportCmd `cmd:"" help:"Write a certificate and its key into files."`
}

// certsPlace says whose certificates are meant.
type certsPlace struct {
	Config string `short:"c" placeholder:"FILE" type:"path" help:"Configuration of the edge."`
	Data   string `placeholder:"DIR" type:"path" help:"Folder for state of the edge, which may be running. ${data} by default here."`
}

func (x certsPlace) load() (*config.Config, error) {
	if x.Config != "" {
		return config.Flags{File: x.Config, Data: x.Data}.Load()
	}
	c := config.Default()
	if x.Data != "" {
		c.Data = x.Data
	}
	return c, nil
}

// stock opens the stock of certificates for do.
func (x certsPlace) stock(do func(context.Context, *certs.Stock) error) error {
	ctx := context.Background()
	c, err := x.load()
	if err != nil {
		return err
	}
	authorities, err := authorities(c)
	if err != nil {
		return err
	}
	storage, _, end, err := openStorage(ctx, c, c.CertificateFolder())
	if err != nil {
		return err
	}
	return errors.Join(do(ctx, certs.OpenStock(storage, authorities)), end())
}

type certsListCmd struct{ certsPlace }

// Run prints names, those that need somebody first.
func (l certsListCmd) Run(p *process) error {
	return l.stock(func(ctx context.Context, stock *certs.Stock) error {
		list, err := stock.List(ctx)
		if err != nil {
			return err
		}
		slices.SortStableFunc(list, func(a, b certs.Status) int { return certificateNeed(b.State) - certificateNeed(a.State) })
		w := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "NAME\tSTATE\tUNTIL\tNEXT\tAUTHORITY\tLAST FAILURE")
		day := func(t time.Time) string {
			if t.IsZero() {
				return "-"
			}
			return t.Local().Format("2006-01-02 15:04")
		}
		for _, s := range list {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", s.Name, s.State, day(s.NotAfter), day(s.Next), dash(s.Authority), dash(s.Error))
		}
		return w.Flush()
	})
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// certificateNeed ranks states by how much they need somebody.
func certificateNeed(s certs.State) int {
	return slices.Index([]certs.State{certs.Valid, certs.Waiting, certs.Refused, certs.Failed, certs.Late, certs.Expired}, s)
}

type certsRenewCmd struct {
	certsPlace
	Name []string      `arg:"" help:"Host names."`
	Wait time.Duration `default:"3m" help:"How long to wait for the edge."`
}

// Run asks for one renewal after the other.
func (r certsRenewCmd) Run(p *process) error {
	return r.stock(func(ctx context.Context, stock *certs.Stock) error {
		var errs []error
		for _, name := range r.Name {
			ctx, cancel := context.WithTimeout(ctx, r.Wait)
			got, err := stock.AskRenewal(ctx, name)
			cancel()
			switch {
			case err != nil:
				errs = append(errs, withHint(err, "is an edge running that serves the name, with the same --data and --tls acme?"))
			case got.State == certs.Failed:
				errs = append(errs, fmt.Errorf("renew %s: %s", name, got.Error))
			default:
				fmt.Fprintf(p.out, "%s: valid until %s\n", name, got.NotAfter.Local().Format(time.DateTime))
			}
		}
		return errors.Join(errs...)
	})
}

type certsRevokeCmd struct {
	certsPlace
	Name   string `arg:"" help:"Host name."`
	Reason string `enum:"unspecified,stolen,superseded,ceased" default:"unspecified" help:"Why: unspecified, stolen (the key is in other hands), superseded or ceased (the name is not used any more)."`
}

// Run revokes.
func (r certsRevokeCmd) Run(p *process) error {
	return r.stock(func(ctx context.Context, stock *certs.Stock) error {
		reason := map[string]int{"unspecified": 0, "stolen": 1, "superseded": 4, "ceased": 5}[r.Reason]
		if err := stock.Revoke(ctx, r.Name, reason); err != nil {
			return err
		}
		fmt.Fprintf(p.out, "%s: revoked\n", r.Name)
		return nil
	})
}

type certsImportCmd struct {
	certsPlace
	Folder string `arg:"" type:"existingdir" help:"Such as /etc/letsencrypt/live, or certificates below the data folder of Caddy."`
}

// Run takes what it finds and says of each what became of it.
func (i certsImportCmd) Run(p *process) error {
	return i.stock(func(ctx context.Context, stock *certs.Stock) error {
		found, err := stock.Import(ctx, i.Folder)
		taken := 0
		for _, f := range found {
			if f.Err != nil {
				fmt.Fprintf(p.out, "%s: not taken: %s\n", f.File, f.Err)
				continue
			}
			taken++
			fmt.Fprintf(p.out, "%s: taken for %s until %s\n", f.File, strings.Join(f.Names, ", "), f.NotAfter.Local().Format(time.DateOnly))
		}
		if err == nil && taken == 0 {
			err = withHint(fmt.Errorf("find certificates in %s: none was taken", i.Folder), "the folder live of certbot, or certificates of Caddy")
		}
		return err
	})
}

type certsExportCmd struct {
	certsPlace
	Name string `arg:"" help:"Host name."`
	To   string `placeholder:"DIR" type:"path" default:"." help:"Folder for NAME.pem and NAME.key. The present one by default."`
}

// Run writes two files. The key is readable by its owner alone.
func (e certsExportCmd) Run(p *process) error {
	return e.stock(func(ctx context.Context, stock *certs.Stock) error {
		chain, key, err := stock.Export(ctx, e.Name)
		if err != nil {
			return err
		}
		base := filepath.Join(e.To, strings.Replace(e.Name, "*", "_", 1))
		if err := os.WriteFile(base+".key", key, 0o600); err != nil {
			return fmt.Errorf("write key: %w", err)
		}
		if err := os.WriteFile(base+".pem", chain, 0o644); err != nil {
			return fmt.Errorf("write certificate: %w", err)
		}
		fmt.Fprintf(p.out, "%s.pem\n%s.key\n", base, base)
		return nil
	})
}
