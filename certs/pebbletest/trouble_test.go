package pebbletest

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/qorgan/qorgan/certs"
)

// disk is a small file system of a test's own, which it fills and locks up.
func disk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=2m"); err != nil {
		t.Skipf("a disk of the test's own needs root and a machine that lets it mount: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// TestStorageThatTakesNothing: while the storage is read-only or full, nothing
// is ordered that could not be kept, the reason is said, names with a
// certificate are served as ever, and the others once the storage works again.
func TestStorageThatTakesNothing(t *testing.T) {
	for _, c := range []struct {
		what, says string
		spoil, fix func(t *testing.T, dir string)
	}{
		{"read-only", "read-only file system", func(t *testing.T, dir string) {
			remount(t, dir, syscall.MS_RDONLY)
		}, func(t *testing.T, dir string) {
			remount(t, dir, 0)
		}},
		{"full", "no space left on device", func(t *testing.T, dir string) {
			f, err := os.Create(filepath.Join(dir, "filler"))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			for b := make([]byte, 4<<10); err == nil; {
				_, err = f.Write(b)
			}
			if !errors.Is(err, syscall.ENOSPC) {
				t.Fatal(err)
			}
		}, func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, "filler")); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(c.what, func(t *testing.T) {
			dir := disk(t)
			plain, secure := listeners(t)
			a := found(t, plan{httpPort: port(plain.Listener), tlsPort: port(secure), life: 90 * 24 * 3600})
			served := func(name string) bool { return slices.Contains([]string{"there.example", "new.example"}, name) }
			var ahead atomic.Int64
			address, m := openWith(t, plain, secure, certs.ACMEOptions{
				Dir: dir, Authorities: []certs.Authority{a.known()}, Serves: served, Written: served, Loaded: 1, Patience: 10 * time.Second,
				Now: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) },
			})
			if err := shake(t.Context(), address, "there.example", a.roots); err != nil {
				t.Fatal(err)
			}
			c.spoil(t, dir)
			before := a.orders.Load()
			if err := shake(t.Context(), address, "new.example", a.roots); err == nil {
				t.Error("a certificate that can not be kept was issued")
			}
			got := status(t, m, "new.example")
			if got.State != certs.Failed || got.Cause != certs.CauseStorage || !strings.Contains(got.Error, c.says) {
				t.Errorf("%+v", got)
			}
			if n := a.orders.Load() - before; n != 0 {
				t.Errorf("%d orders", n)
			}
			if err := shake(t.Context(), address, "there.example", a.roots); err != nil {
				t.Errorf("the name that has one: %v", err)
			}
			if got := status(t, m, "there.example"); got.State != certs.Valid {
				t.Errorf("the name that has one: %+v", got)
			}
			c.fix(t, dir)
			ahead.Store(int64(2 * time.Minute)) // over the first pause
			if err := shake(t.Context(), address, "new.example", a.roots); err != nil {
				t.Errorf("once the storage works: %v", err)
			}
			if got := status(t, m, "new.example"); got.State != certs.Valid || got.Cause != "" {
				t.Errorf("once the storage works: %+v", got)
			}
		})
	}
}

func remount(t *testing.T, dir string, flags uintptr) {
	t.Helper()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT|flags, ""); err != nil {
		t.Fatal(err)
	}
}
