package trust

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/qorgan/qorgan/internal/replace"
)

// Machine is where the stores are. The zero value is this one.
type Machine struct {
	Root string // in place of /
	Home string // in place of the user's home folder
}

// system is how a kind of system is told of an authority: a file in a folder,
// and a command that takes it up.
type system struct {
	folder  string
	command []string
	root    func(root string) []string // arguments when the root is another
}

var systems = []system{
	{ // Debian, Ubuntu, Alpine
		folder: "usr/local/share/ca-certificates", command: []string{"update-ca-certificates"},
		root: func(root string) []string {
			return []string{"--certsconf", filepath.Join(root, "etc/ca-certificates.conf"), "--certsdir", filepath.Join(root, "usr/share/ca-certificates"),
				"--localcertsdir", filepath.Join(root, "usr/local/share/ca-certificates"),
				"--etccertsdir", filepath.Join(root, "etc/ssl/certs"), "--hooksdir", filepath.Join(root, "etc/ca-certificates/update.d")}
		},
	},
	{folder: "etc/pki/ca-trust/source/anchors", command: []string{"update-ca-trust", "extract"}},       // Fedora, RHEL
	{folder: "etc/ca-certificates/trust-source/anchors", command: []string{"trust", "extract-compat"}}, // Arch
	{folder: "usr/share/pki/trust/anchors", command: []string{"update-ca-certificates"}},               // SUSE
}

// Place is one store and whether the authority is in it.
type Place struct {
	Name  string // path of the system's file, or of the NSS database
	There bool
}

// authority is a root that was read.
type authority struct {
	pem  []byte
	name string // in every store
}

func read(file string) (authority, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return authority{}, err
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return authority{}, fmt.Errorf("%s holds no certificate", file)
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return authority{}, fmt.Errorf("read %s: %w", file, err)
	}
	if !c.IsCA {
		return authority{}, fmt.Errorf("%s is not an authority's certificate", file)
	}
	sum := sha256.Sum256(c.Raw)
	return authority{pem.EncodeToMemory(block), "qorgan-" + hex.EncodeToString(sum[:4])}, nil
}

// Show returns every store of the machine and whether the authority of the root
// in file is in it.
func (m Machine) Show(ctx context.Context, file string) ([]Place, error) {
	a, err := read(file)
	if err != nil {
		return nil, err
	}
	var places []Place
	if s, ok := m.system(); ok {
		at := m.file(s, a)
		_, err := os.Stat(at)
		places = append(places, Place{at, err == nil})
	}
	for _, db := range m.databases() {
		places = append(places, Place{db, exec.CommandContext(ctx, "certutil", "-L", "-d", db, "-n", a.name).Run() == nil})
	}
	return places, nil
}

// Install puts the authority into every store of the machine and returns them.
// A store that can not be written does not keep it out of the others.
func (m Machine) Install(ctx context.Context, file string) ([]Place, error) {
	a, err := read(file)
	if err != nil {
		return nil, err
	}
	var errs []error
	s, ok := m.system()
	if !ok {
		errs = append(errs, errors.New("this system keeps its authorities in none of the places known"))
	} else if err := m.putFile(ctx, s, a); err != nil {
		errs = append(errs, err)
	}
	for _, db := range m.databases() {
		in, err := os.CreateTemp("", "qorgan-*.crt")
		if err != nil {
			return nil, err
		}
		_, err = in.Write(a.pem)
		if err = errors.Join(err, in.Close()); err == nil {
			err = run(ctx, "certutil", "-A", "-d", db, "-t", "C,,", "-n", a.name, "-i", in.Name())
		}
		if err = errors.Join(err, os.Remove(in.Name())); err != nil {
			errs = append(errs, err)
		}
	}
	places, err := m.Show(ctx, file)
	return places, errors.Join(append(errs, err)...)
}

func (m Machine) putFile(ctx context.Context, s system, a authority) error {
	if err := replace.Bytes(m.file(s, a), 0o644, a.pem); err != nil {
		return err
	}
	return m.update(ctx, s)
}

// Remove takes the authority out of every store of the machine.
func (m Machine) Remove(ctx context.Context, file string) ([]Place, error) {
	a, err := read(file)
	if err != nil {
		return nil, err
	}
	var errs []error
	if s, ok := m.system(); ok {
		err := os.Remove(m.file(s, a))
		if err == nil {
			err = m.update(ctx, s)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	places, err := m.Show(ctx, file)
	for i, p := range places {
		if !strings.HasPrefix(p.Name, "sql:") || !p.There {
			continue
		}
		if err := run(ctx, "certutil", "-D", "-d", p.Name, "-n", a.name); err != nil {
			errs = append(errs, err)
			continue
		}
		places[i].There = false
	}
	return places, errors.Join(append(errs, err)...)
}

func (m Machine) update(ctx context.Context, s system) error {
	args := s.command[1:]
	if m.Root != "" && s.root != nil {
		args = append(args[:len(args):len(args)], s.root(m.Root)...)
	}
	return run(ctx, s.command[0], args...)
}

func run(ctx context.Context, name string, args ...string) error {
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("run %s: %w: %s", name, err, strings.TrimSpace(string(out)))
	}
	return nil
}

// system returns the kind of system whose folder is there.
func (m Machine) system() (system, bool) {
	for _, s := range systems {
		if info, err := os.Stat(filepath.Join("/", m.Root, s.folder)); err == nil && info.IsDir() {
			if _, err := exec.LookPath(s.command[0]); err == nil {
				return s, true
			}
		}
	}
	return system{}, false
}

func (m Machine) file(s system, a authority) string {
	return filepath.Join("/", m.Root, s.folder, a.name+".crt")
}

// databases returns the NSS databases of the user's browsers; none without
// certutil.
func (m Machine) databases() []string {
	if _, err := exec.LookPath("certutil"); err != nil {
		return nil
	}
	home := m.Home
	if home == "" {
		var err error
		if home, err = os.UserHomeDir(); err != nil {
			return nil
		}
	}
	var found []string
	for _, pattern := range []string{".pki/nssdb/cert9.db", ".mozilla/firefox/*/cert9.db", "snap/firefox/common/.mozilla/firefox/*/cert9.db"} {
		files, _ := filepath.Glob(filepath.Join(home, pattern))
		for _, f := range files {
			found = append(found, "sql:"+filepath.Dir(f))
		}
	}
	return found
}
