package trust

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/qorgan/qorgan/certs"
)

// TestMachine installs an authority into a Debian's stores below another root
// and a browser's database, and removes it again; each store it can not find a
// program for is left out.
func TestMachine(t *testing.T) {
	if _, err := exec.LookPath("update-ca-certificates"); err != nil {
		t.Skip("update-ca-certificates is not installed")
	}
	dir, m := t.TempDir(), Machine{Root: t.TempDir(), Home: t.TempDir()}
	if _, err := certs.NewLocal(dir, nil); err != nil {
		t.Fatal(err)
	}
	for _, folder := range []string{"usr/local/share/ca-certificates", "etc/ssl/certs", "etc/ca-certificates/update.d", "usr/share/ca-certificates"} {
		if err := os.MkdirAll(filepath.Join(m.Root, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(m.Root, "etc/ca-certificates.conf"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	other := t.TempDir()
	if _, err := certs.NewLocal(other, nil); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(certs.RootFile(other)); err != nil || os.WriteFile(filepath.Join(m.Root, "usr/local/share/ca-certificates/other.crt"), b, 0o644) != nil {
		t.Fatal("a stranger's authority can not be written", err)
	}
	stores := 1
	if _, err := exec.LookPath("certutil"); err == nil {
		stores = 2
		db := filepath.Join(m.Home, ".pki/nssdb")
		if err := os.MkdirAll(db, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := run(t.Context(), "certutil", "-N", "-d", "sql:"+db, "--empty-password"); err != nil {
			t.Fatal(err)
		}
	}
	bundle := filepath.Join(m.Root, "etc/ssl/certs/ca-certificates.crt")
	root, err := os.ReadFile(certs.RootFile(dir))
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		what  string
		do    func() ([]Place, error)
		there bool
	}{
		{"before", func() ([]Place, error) { return m.Show(t.Context(), certs.RootFile(dir)) }, false},
		{"install", func() ([]Place, error) { return m.Install(t.Context(), certs.RootFile(dir)) }, true},
		{"again", func() ([]Place, error) { return m.Install(t.Context(), certs.RootFile(dir)) }, true},
		{"remove", func() ([]Place, error) { return m.Remove(t.Context(), certs.RootFile(dir)) }, false},
		{"remove again", func() ([]Place, error) { return m.Remove(t.Context(), certs.RootFile(dir)) }, false},
	} {
		places, err := step.do()
		if err != nil || len(places) != stores {
			t.Fatalf("%s: %v, %v", step.what, places, err)
		}
		for _, p := range places {
			if p.There != step.there {
				t.Errorf("%s: %+v", step.what, p)
			}
		}
		b, err := os.ReadFile(bundle)
		if step.what != "before" && err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(b, bytes.TrimSpace(root)) != step.there {
			t.Errorf("%s: the system's bundle has it: %v", step.what, !step.there)
		}
	}
	if _, err := m.Install(t.Context(), "/nothing"); err == nil {
		t.Error("nothing was installed")
	}
}
