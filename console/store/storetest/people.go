package storetest

import (
	"errors"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/qorgan/qorgan/console/store"
)

func people(t *testing.T, db *store.DB) {
	p, err := db.EnsurePerson(t.Context(), "admin")
	if err != nil {
		t.Fatal(err)
	}
	if again, err := db.EnsurePerson(t.Context(), "Admin"); err != nil || again != p {
		t.Errorf("EnsurePerson again = %+v, %v; want %+v", again, err, p)
	}
	if n, err := db.People(t.Context()); err != nil || n != 0 {
		t.Errorf("People = %d, %v; want none with a password", n, err)
	}
	if err := errors.Join(db.SetPassword(t.Context(), p.ID, "$argon2id$", nil), db.SetLanguage(t.Context(), p.ID, "kk")); err != nil {
		t.Fatal(err)
	}
	got, err := db.Person(t.Context(), "ADMIN")
	if err != nil || got.Password != "$argon2id$" || got.Language != "kk" || got.ID != p.ID {
		t.Errorf("Person = %+v, %v", got, err)
	}
	if _, err := db.Person(t.Context(), "nobody"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Person(nobody) = %v", err)
	}
	if err := db.SetPassword(t.Context(), 99, "x", nil); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("SetPassword of nobody = %v", err)
	}
}

func sessions(t *testing.T, db *store.DB) {
	ctx := t.Context()
	a, errA := db.EnsurePerson(ctx, "a")
	b, errB := db.EnsurePerson(ctx, "b")
	if err := errors.Join(errA, errB); err != nil {
		t.Fatal(err)
	}
	put := func(p store.Person, name string, age time.Duration) {
		t.Helper()
		s := store.Session{Token: []byte(name), Handle: "h-" + name, Person: p, Created: start.Add(-age), Seen: start.Add(-age), Client: "203.0.113.1", Agent: "Firefox"}
		if err := db.InsertSession(ctx, s); err != nil {
			t.Fatal(err)
		}
	}
	put(a, "a1", time.Hour)
	put(a, "a2", 48*time.Hour)
	put(b, "b1", time.Minute)
	if s, err := db.Session(ctx, []byte("a1")); err != nil || s.Person.Name != "a" || s.Handle != "h-a1" {
		t.Errorf("Session = %+v, %v", s, err)
	}
	if err := db.TouchSession(ctx, []byte("a2"), start, "203.0.113.9"); err != nil {
		t.Error(err)
	}
	list, err := db.Sessions(ctx, a.ID)
	if err != nil || len(list) != 2 || list[0].Handle != "h-a2" || list[0].Client != "203.0.113.9" {
		t.Errorf("Sessions = %+v, %v", list, err)
	}
	if err := db.EndSessionOf(ctx, b.ID, "h-a1"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("ending another person's session = %v; want ErrNotFound", err)
	}
	if err := db.EndOldSessions(ctx, start.Add(-24*time.Hour), start.Add(-24*time.Hour)); err != nil {
		t.Error(err)
	}
	if _, err := db.Session(ctx, []byte("a2")); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a session past its absolute age = %v; want ErrNotFound", err)
	}
	put(a, "a3", time.Hour)
	if err := db.SetPassword(ctx, a.ID, "x", []byte("a3")); err != nil {
		t.Error(err)
	}
	if list, err := db.Sessions(ctx, a.ID); err != nil || len(list) != 1 || list[0].Handle != "h-a3" {
		t.Errorf("after a new password: %+v, %v; want the one that set it", list, err)
	}
	if err := errors.Join(db.EndSessionOf(ctx, a.ID, "h-a3"), db.EndSession(ctx, []byte("b1"))); err != nil {
		t.Error(err)
	}
	if _, err := db.Session(ctx, []byte("b1")); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("an ended session = %v", err)
	}
}

func linksAreSpentOnce(t *testing.T, db *store.DB) {
	ctx := t.Context()
	p, err := db.EnsurePerson(ctx, "admin")
	if err != nil {
		t.Fatal(err)
	}
	put := func(token string) {
		t.Helper()
		if err := db.InsertLink(ctx, []byte(token), p.ID, start.Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	put("first")
	put("second")
	for token, now := range map[string]time.Time{"first": start, "unknown": start, "second": start.Add(time.Hour)} {
		if _, err := db.UseLink(ctx, []byte(token), now); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("UseLink(%s, %s) = %v; want ErrNotFound", token, now, err)
		}
	}
	if who, err := db.Link(ctx, []byte("second"), start); err != nil || who.ID != p.ID {
		t.Errorf("Link = %+v, %v", who, err)
	}
	if _, err := db.Link(ctx, []byte("second"), start.Add(time.Hour)); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Link, expired = %v", err)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	spent := 0
	for range 8 {
		wg.Go(func() {
			if who, err := db.UseLink(ctx, []byte("second"), start); err == nil && who.ID == p.ID {
				mu.Lock()
				spent++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if spent != 1 {
		t.Errorf("a link was spent %d times", spent)
	}
}

func acts(t *testing.T, db *store.DB) {
	var want []store.Act
	for i, name := range []string{"sign-in", "password-changed", "sign-out"} {
		a := store.Act{Time: start.Add(time.Duration(i) * time.Second), Person: "admin", Act: name, Object: "Firefox", Client: "203.0.113.1"}
		if err := db.InsertAct(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		a.Number = int64(i + 1)
		want = append([]store.Act{a}, want...)
	}
	got, err := db.Acts(t.Context(), store.Whole(), 10)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("acts = %+v, %v", got, err)
	}
	if bad, err := db.CheckActs(t.Context()); err != nil || bad != 0 {
		t.Errorf("CheckActs = %d, %v", bad, err)
	}
}
