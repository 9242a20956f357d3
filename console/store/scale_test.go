package store_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/qorgan/qorgan/console/store"
	"github.com/qorgan/qorgan/console/store/storetest"
	"github.com/qorgan/qorgan/event"
)

// BenchmarkQueries measures what pages ask for, on a store of many events:
// 20,000, or as many as QORGAN_BENCH_EVENTS says (a million takes some
// minutes to fill). QORGAN_BENCH_STORE names a folder that keeps the store
// between runs.
func BenchmarkQueries(b *testing.B) {
	n := 20_000
	if s := os.Getenv("QORGAN_BENCH_EVENTS"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			b.Fatal(err)
		}
	}
	folder := os.Getenv("QORGAN_BENCH_STORE")
	if folder == "" {
		folder = b.TempDir()
	}
	db, err := store.Open(b.Context(), filepath.Join(folder, store.File))
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	ctx := b.Context()
	have, err := db.Count(ctx, store.Whole(), store.Query{}, n)
	if err != nil {
		b.Fatal(err)
	}
	to := time.Now()
	if have < n {
		began := time.Now()
		for i := 0; i < n; i += 5000 { // in pieces of the whole time, as it came
			events := storetest.Story(5000, to.Add(-30*24*time.Hour), to, uint64(i))
			for j := 0; j < len(events); j += 500 {
				if err := db.Insert(ctx, events[j:j+500]); err != nil {
					b.Fatal(err)
				}
			}
		}
		size, err := db.Size(ctx)
		if err != nil {
			b.Fatal(err)
		}
		b.Logf("%d events in %v, invented and stored: %.0f a second, %d bytes each", n, time.Since(began).Round(time.Second), float64(n)/time.Since(began).Seconds(), size/int64(n))
	}
	first, err := db.Events(ctx, store.Whole(), store.Query{Limit: 50})
	if err != nil {
		b.Fatal(err)
	}
	client := first.Events[0].Client.Addr
	for name, q := range map[string]store.Query{
		"list":              {},
		"list/site":         {Site: "mektep-12.edu.kz"},
		"list/rule":         {Rule: 941100},
		"list/rare-rule":    {Rule: 9800101},
		"list/client":       {Client: netip.PrefixFrom(client, client.BitLen())},
		"list/network":      {Client: netip.PrefixFrom(client, 16)},
		"list/detected":     {Action: event.Detected},
		"list/class+site":   {Class: event.ClassPatch, Site: "nan.kz"},
		"list/day":          {From: to.Add(-72 * time.Hour), To: to.Add(-48 * time.Hour)},
		"list/all-together": {Site: "kitap.kz", Rule: 942100, Action: event.Blocked, From: to.Add(-7 * 24 * time.Hour), Text: "union"},
		"search/word":       {Text: "union select"},
		"search/rare":       {Text: "gravitysmtp", Site: "nan.kz"},
		"search/nothing":    {Text: "zzzyx"},
		"code":              {Code: first.Events[0].Code},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := db.Events(ctx, store.Whole(), q); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("count/"+name, func(b *testing.B) {
			for b.Loop() {
				if _, err := db.Count(ctx, store.Whole(), q, 1001); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("overview", func(b *testing.B) {
		for b.Loop() {
			if _, err := db.Hours(ctx, store.Whole(), to.Add(-7*24*time.Hour), to, ""); err != nil {
				b.Fatal(err)
			}
			if _, err := db.Classes(ctx, store.Whole(), to.Add(-7*24*time.Hour), to, ""); err != nil {
				b.Fatal(err)
			}
			if _, err := db.Sites(ctx, store.Whole(), to.Add(-7*24*time.Hour), to); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkInsert(b *testing.B) {
	db, err := store.Open(b.Context(), filepath.Join(b.TempDir(), store.File))
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	now := time.Now()
	for seed := uint64(0); b.Loop(); seed++ {
		b.StopTimer()
		events := storetest.Story(500, now.Add(-24*time.Hour), now, seed)
		b.StartTimer()
		if err := db.Insert(b.Context(), events); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*500/b.Elapsed().Seconds(), "events/s")
}
