package store_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/qorgan/qorgan/console/store"
	"github.com/qorgan/qorgan/console/store/storetest"
	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/internal/postgrestest"
)

func TestNews(t *testing.T) {
	db := openAt(t, filepath.Join(t.TempDir(), store.File))
	news(t, db, db)
}

func TestPostgresNews(t *testing.T) {
	place := postgrestest.Empty(t, postgrestest.Start(t))
	news(t, openAt(t, place), openAt(t, place))
}

// news: what one stores, the other hears, each time.
func news(t *testing.T, one, other *store.DB) {
	for i := range 5 {
		heard := other.News(store.Events)
		if err := one.Insert(t.Context(), []event.Event{storetest.Event(i)}); err != nil {
			t.Fatal(err)
		}
		select {
		case <-heard:
		case <-time.After(30 * time.Second):
			t.Fatalf("event %d is not heard of", i)
		}
	}
	select {
	case <-other.News(store.Decisions):
		t.Error("a topic that did not change is news")
	default:
	}
}
