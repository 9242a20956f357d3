package postgrestest

import (
	"context"
	"crypto/rand"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Start runs a server and returns the URL of a database. The test is skipped
// where no PostgreSQL is installed; QORGAN_POSTGRES may be the URL of one
// instead. With QORGAN_PARTS set, a missing one is a failure. It does not wait
// for the disk unless the settings, like "fsync=on", say so.
func Start(t testing.TB, settings ...string) (address string) {
	t.Helper()
	if at := os.Getenv("QORGAN_POSTGRES"); at != "" {
		return at
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if len(found) == 0 {
		const missing = "no PostgreSQL is installed: apt-get install postgresql, or set QORGAN_POSTGRES"
		if os.Getenv("QORGAN_PARTS") != "" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
	slices.Sort(found)
	bin := filepath.Dir(found[len(found)-1])
	dir, err := os.MkdirTemp("", "pg") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	as := attributes(t, dir)
	data := filepath.Join(dir, "data")
	command := func(name string, args ...string) *exec.Cmd {
		c := exec.Command(filepath.Join(bin, name), args...)
		c.Dir, c.SysProcAttr = dir, as
		return c
	}
	if out, err := command("initdb", "-D", data, "-U", "qorgan", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync").CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	args := []string{"-D", data, "-k", dir}
	for _, s := range append([]string{"listen_addresses=", "fsync=off", "max_connections=60"}, settings...) {
		args = append(args, "-c", s)
	}
	server := command("postgres", args...)
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Signal(os.Interrupt)
		_ = server.Wait()
	})
	address = "postgres://qorgan@/postgres?host=" + dir
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); <-tick.C {
		c, err := pgx.Connect(context.Background(), address)
		if err == nil {
			c.Close(context.Background())
			return address
		}
	}
	t.Fatal("PostgreSQL does not answer")
	return ""
}

// attributes has the server run as somebody else when we are root, which it
// refuses to be.
func attributes(t testing.TB, dir string) *syscall.SysProcAttr {
	t.Helper()
	if os.Geteuid() != 0 {
		return nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		t.Skip("there is no user postgres")
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	if err := os.Chown(dir, uid, gid); err != nil {
		t.Fatal(err)
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
}

// Empty makes a database of the test's own on the server at address, and
// returns its URL.
func Empty(t testing.TB, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	c, err := pgx.Connect(context.Background(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	name := "test_" + strings.ToLower(rand.Text())
	if _, err := c.Exec(context.Background(), "CREATE DATABASE "+name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c, err := pgx.Connect(context.Background(), address)
		if err == nil {
			_, err = c.Exec(context.Background(), "DROP DATABASE "+name+" WITH (FORCE)")
			c.Close(context.Background())
		}
		if err != nil {
			t.Error(err)
		}
	})
	u.Path = "/" + name
	return u.String()
}
