package store_test

import (
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/qorgan/qorgan/console/store"
	"github.com/qorgan/qorgan/console/store/storetest"
	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/internal/postgrestest"
)

func open(t *testing.T) *store.DB { return openAt(t, filepath.Join(t.TempDir(), store.File)) }

func openAt(t *testing.T, path string) *store.DB {
	t.Helper()
	db, err := store.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func TestSQLite(t *testing.T) { storetest.Run(t, open) }

func TestPostgres(t *testing.T) {
	server := postgrestest.Start(t)
	storetest.Run(t, func(t *testing.T) *store.DB { return openAt(t, postgrestest.Empty(t, server)) })
}

func TestOnlyOneWriter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a folder", store.File)
	db, err := store.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = store.Open(t.Context(), path)
	var hint *store.HintError
	if !errors.Is(err, store.ErrHeld) || !errors.As(err, &hint) || !strings.Contains(hint.Hint, "stop process") {
		t.Errorf("a second writer: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	openAt(t, path)
}

func TestReadersDoNotDisturb(t *testing.T) {
	path := filepath.Join(t.TempDir(), store.File)
	if _, err := store.OpenReadOnly(t.Context(), path); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("no store: %v", err)
	}
	writer, err := store.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	reader, err := store.OpenReadOnly(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	e := storetest.Event(1)
	if err := writer.Insert(t.Context(), []event.Event{e}); err != nil {
		t.Fatal(err)
	}
	if got, err := reader.Event(t.Context(), store.Whole(), e.ID); err != nil || got.Code != e.Code {
		t.Errorf("read while another writes: %v", err)
	}
	if err := reader.Insert(t.Context(), []event.Event{storetest.Event(2)}); !errors.Is(err, store.ErrReadOnly) {
		t.Errorf("a reader writes: %v", err)
	}
	if err := errors.Join(writer.Close(), reader.Close()); err != nil {
		t.Fatal(err)
	}
	reader, err = store.OpenReadOnly(t.Context(), path)
	if err != nil {
		t.Fatalf("read when nobody writes: %v", err)
	}
	if _, err := reader.Event(t.Context(), store.Whole(), e.ID); err != nil {
		t.Error(err)
	}
	if err := reader.Close(); err != nil {
		t.Error(err)
	}
}

func TestBesideTheWriter(t *testing.T) {
	path := filepath.Join(t.TempDir(), store.File)
	if _, err := store.OpenBeside(t.Context(), path); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("no store: %v", err)
	}
	writer := openAt(t, path)
	beside, err := store.OpenBeside(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		if err := writer.Insert(t.Context(), []event.Event{storetest.Event(i)}); err != nil {
			t.Fatal(err)
		}
		if err := beside.SetSetting(t.Context(), "x", "1"); err != nil {
			t.Fatal(err)
		}
	}
	if err := beside.Close(); err != nil {
		t.Error(err)
	}
	if v, err := writer.Setting(t.Context(), "x"); err != nil || v != "1" {
		t.Errorf("Setting = %q, %v", v, err)
	}
	if _, err := store.Open(t.Context(), path); !errors.Is(err, store.ErrHeld) {
		t.Errorf("the lock is gone after a visit: %v", err)
	}
}

func TestRefusesWhatItCannotRead(t *testing.T) {
	for _, tc := range []struct {
		name, sql, want string
	}{
		{"newer", `INSERT INTO migrations VALUES ('2999-01-01-future', 0)`, "2999-01-01-future"},
		{"foreign", `PRAGMA application_id = 7`, "another program"},
	} {
		path := filepath.Join(t.TempDir(), store.File)
		db, err := store.Open(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		raw, err := sql.Open("sqlite", path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := raw.Exec(tc.sql); err != nil {
			t.Fatal(err)
		}
		if err := raw.Close(); err != nil {
			t.Fatal(err)
		}
		var hint *store.HintError
		if _, err := store.Open(t.Context(), path); !errors.As(err, &hint) || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: Open = %v", tc.name, err)
		}
		if _, err := store.OpenReadOnly(t.Context(), path); !errors.As(err, &hint) || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: OpenReadOnly = %v", tc.name, err)
		}
	}
}

func TestGarbageIsAnError(t *testing.T) {
	path := filepath.Join(t.TempDir(), store.File)
	if err := os.WriteFile(path, []byte(strings.Repeat("no database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	if db, err := store.Open(t.Context(), path); err == nil {
		t.Error("a file of garbage was opened", db.Close())
	}
}

func TestFilesArePrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), store.File)
	db := openAt(t, path)
	if err := db.Insert(t.Context(), []event.Event{storetest.Event(1)}); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(path + "*")
	if err != nil || len(files) < 3 {
		t.Fatalf("files = %v, %v", files, err)
	}
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", filepath.Base(f), info.Mode())
		}
	}
}

func TestTamperingWithTheTrailShows(t *testing.T) {
	for name, tc := range map[string]struct {
		sql  string
		want int64
	}{
		"nothing":   {`SELECT 1`, 0},
		"changed":   {`UPDATE acts SET person = 'somebody' WHERE number = 3`, 3},
		"taken out": {`DELETE FROM acts WHERE number = 2`, 3},
		"moved":     {`UPDATE acts SET time = time + 1 WHERE number = 1`, 1},
		"hidden":    {`UPDATE acts SET branch = 7, tenant = 7 WHERE number = 4`, 4},
		"put in":    {`INSERT INTO acts SELECT number + 5, time, person, act, object, client, seal, branch, tenant FROM acts WHERE number = 1`, 6},
	} {
		path := filepath.Join(t.TempDir(), store.File)
		db := openAt(t, path)
		for range 5 {
			if err := db.InsertAct(t.Context(), store.Act{Time: time.Now(), Person: "admin", Act: "sign-in"}); err != nil {
				t.Fatal(err)
			}
		}
		raw, err := sql.Open("sqlite", path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := raw.Exec(tc.sql); err != nil {
			t.Fatal(err)
		}
		if err := raw.Close(); err != nil {
			t.Fatal(err)
		}
		if got, err := db.CheckActs(t.Context()); err != nil || got != tc.want {
			t.Errorf("%s: CheckActs = %d, %v; want %d", name, got, err, tc.want)
		}
	}
}
