package store_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/qorgan/qorgan/console/store"
	"github.com/qorgan/qorgan/console/store/storetest"
	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/internal/postgrestest"
)

// persons are two addresses, in text and as sixteen bytes, and events in which
// they stand: as the client, behind a proxy, in a search.
var persons = []netip.Addr{netip.MustParseAddr("198.51.100.77"), netip.MustParseAddr("2001:db8:77::beef")}

func personal(t *testing.T, db *store.DB) (others []event.Event) {
	t.Helper()
	for i := range 300 {
		e := storetest.Event(i)
		switch a := persons[i%2]; i % 10 {
		case 0, 1:
			e.Client.Addr = a
		case 2, 3:
			e.Request.Headers = []event.Field{{Name: "X-Forwarded-For", Value: "10.0.0.7, " + a.String()}}
		case 4, 5:
			e.Request.Target = "/lookup?ip=" + a.String() + "&x"
			e.Matches[0].Value = "of " + a.StringExpanded()
		case 6: // other people's addresses, which are longer
			e.Request.Target = "/lookup?ip=198.51.100.770,1198.51.100.77,2001:db8:77::beef:1"
			fallthrough
		default:
			others = append(others, e)
		}
		if err := db.Insert(t.Context(), []event.Event{e}); err != nil {
			t.Fatal(err)
		}
	}
	p, err := db.EnsurePerson(t.Context(), "aigerim")
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range append(persons, netip.MustParseAddr("203.0.113.9")) {
		s := store.Session{Token: []byte(a.String()), Handle: a.String(), Person: p, Created: time.Now(), Seen: time.Now(), Client: a.String()}
		if err := db.InsertSession(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	return others
}

// erased erases the two and looks at what is left.
func erased(t *testing.T, db *store.DB, others []event.Event) {
	t.Helper()
	for _, a := range persons {
		done, err := db.Erase(t.Context(), a)
		if err != nil || done.Events != 90 || done.Sessions > 1 {
			t.Errorf("%s: %+v, %v", a, done, err)
		}
	}
	if n, err := db.Count(t.Context(), store.Whole(), store.Query{}, 1000); err != nil || n != len(others) {
		t.Errorf("%d events are left, %v; want %d", n, err, len(others))
	}
	for _, e := range others {
		if _, err := db.Event(t.Context(), store.Whole(), e.ID); err != nil {
			t.Errorf("another's event: %v", err)
		}
	}
	if n, err := db.Count(t.Context(), store.Whole(), store.Query{Text: "lookup"}, 1000); err != nil || n != 30 {
		t.Errorf("%d events with that word, %v", n, err)
	}
}

// sought are the forms of the two as they may stand in a file.
func sought() map[string][]byte {
	all := map[string][]byte{}
	for _, a := range persons {
		b := a.As16()
		all["bytes of "+a.String()] = b[:]
		if a.Is6() {
			all[a.StringExpanded()] = []byte(a.StringExpanded())
		}
		all["hex of "+a.String()] = fmt.Appendf(nil, "%x", b)
	}
	// Where they stand as they were written: the longer addresses are others'.
	all["proxy"], all["proxy6"] = []byte("10.0.0.7, 198.51.100.77"), []byte("10.0.0.7, 2001:db8:77::beef")
	all["client"], all["client6"] = []byte(`"addr":"198.51.100.77"`), []byte(`"addr":"2001:db8:77::beef"`)
	all["search"] = []byte("ip=198.51.100.77\\u0026")
	return all
}

// scan returns which forms stand in the files below a folder.
func scan(t *testing.T, dir string) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		for name, form := range sought() {
			if bytes.Contains(text, form) {
				found[name] = true
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestErase(t *testing.T) {
	dir := t.TempDir()
	db := openAt(t, filepath.Join(dir, store.File))
	others := personal(t, db)
	if before := scan(t, dir); len(before) < 6 {
		t.Fatalf("the scan sees only %v", before)
	}
	erased(t, db, others)
	if after := scan(t, dir); len(after) != 0 {
		t.Errorf("still in the files: %v", after)
	}
}

// TestPostgresErase looks through a dump and through the files of the tables.
func TestPostgresErase(t *testing.T) {
	server := postgrestest.Start(t)
	place := postgrestest.Empty(t, server)
	db := openAt(t, place)
	others := personal(t, db)
	dump := func() map[string]bool {
		tools, _ := filepath.Glob("/usr/lib/postgresql/*/bin/pg_dump")
		if len(tools) == 0 {
			t.Skip("there is no pg_dump")
		}
		out, err := exec.Command(tools[len(tools)-1], place).Output()
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "dump"), out, 0o600); err != nil {
			t.Fatal(err)
		}
		return scan(t, dir)
	}
	if before := dump(); len(before) < 6 {
		t.Fatalf("the scan sees only %v", before)
	}
	erased(t, db, others)
	if after := dump(); len(after) != 0 {
		t.Errorf("still in a dump: %v", after)
	}
	u, err := url.Parse(place)
	if err != nil {
		t.Fatal(err)
	}
	tables := filepath.Join(u.Query().Get("host"), "data", "base")
	if _, err := os.Stat(tables); err != nil {
		t.Skipf("the server's files are not here: %v", err)
	}
	if after := scan(t, tables); len(after) != 0 {
		t.Errorf("still in the server's tables: %v", after)
	}
}
