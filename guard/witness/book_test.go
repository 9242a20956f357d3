package witness

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/qorgan/qorgan/exchange"
)

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func session(n int, user uint64) Session {
	s := Session{User: user, Expires: time.Now().Add(time.Hour).Unix(), Rank: exchange.Author, Path: "/"}
	copy(s.Key[:], fmt.Sprintf("%016d", n))
	return s
}

func TestLeastRecentlyUsedLeavesFirst(t *testing.T) {
	b := newBook(3)
	now := time.Now()
	for n := range 3 {
		b.put(session(n, uint64(n+1)))
	}
	b.find(session(0, 0).Key, now, 0)
	b.put(session(3, 9))
	for n, want := range []bool{true, false, true, true} {
		if _, ok := b.find(session(n, 0).Key, now, 0); ok != want {
			t.Errorf("session %d known: %v, want %v", n, ok, want)
		}
	}
	if b.len() != 3 || len(b.slots) > 4 {
		t.Errorf("%d sessions in %d slots", b.len(), len(b.slots))
	}
}

func TestOneUserCannotFillTheBook(t *testing.T) {
	b := newBook(1000)
	b.put(session(0, 1))
	for n := range 5000 {
		b.put(session(n+1, 2))
	}
	if b.len() != perUser+1 {
		t.Errorf("%d sessions, want %d", b.len(), perUser+1)
	}
	if _, ok := b.find(session(0, 1).Key, time.Now(), 0); !ok {
		t.Error("another user's session was pushed out")
	}
	if n := b.forgetUser(2, func(*Session) bool { return true }); n != perUser || b.len() != 1 {
		t.Errorf("forgot %d, %d left", n, b.len())
	}
}

func TestBookUnderConcurrency(t *testing.T) {
	b := newBook(100)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for n := range 2000 {
				s := session(n%150, uint64(g%3))
				switch n % 5 {
				case 0:
					b.put(s)
				case 1:
					b.update(s.Key, func(s *Session) { s.Rank = exchange.Admin })
				case 2:
					b.forget(s.Key)
				case 3:
					b.forgetUser(uint64(g%3), func(s *Session) bool { return s.Key[15]%7 == 0 })
				default:
					b.find(s.Key, time.Now(), 0)
				}
			}
		})
	}
	wg.Wait()
	all, _ := b.all()
	if len(all) != b.len() || len(all) > 100 {
		t.Errorf("%d listed, %d known", len(all), b.len())
	}
	for _, s := range all {
		if !b.forget(s.Key) {
			t.Error("listed but unknown")
		}
	}
	if b.len() != 0 || len(b.byUser) != 0 {
		t.Errorf("%d sessions and %d users left", b.len(), len(b.byUser))
	}
}

func TestUnreadableFileIsSetAside(t *testing.T) {
	for name, spoil := range map[string]func([]byte) []byte{
		"cut":     func(b []byte) []byte { return b[:len(b)-40] },
		"flipped": func(b []byte) []byte { b[len(magic)+3] ^= 1; return b },
		"empty":   func([]byte) []byte { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "sessions")
			w := newWitness(t, path, nil)
			w.book.put(session(1, 1))
			w.book.put(session(2, 0))
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, spoil(readFile(t, path)), 0o600); err != nil {
				t.Fatal(err)
			}
			w = newWitness(t, path, nil)
			defer w.Close()
			if w.Len() != 0 {
				t.Error("sessions were taken from an unreadable file")
			}
			if kept, _ := filepath.Glob(path + ".unreadable-*"); len(kept) != 1 {
				t.Errorf("set aside: %v", kept)
			}
		})
	}
}

func TestWrittenSoonAfterAChange(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sessions")
	synctest.Test(t, func(t *testing.T) {
		w := newWitness(t, path, nil)
		defer w.Close()
		want := session(1, 1)
		w.book.put(want)
		time.Sleep(2 * saveEvery)
		synctest.Wait()
		s, err := readSessions(readFile(t, path))
		if err != nil || len(s) != 1 || s[0] != want {
			t.Fatalf("%v, %v", s, err)
		}
	})
}

func TestFullBookFitsItsBudget(t *testing.T) {
	if testing.Short() {
		t.Skip("fills a book of the default size")
	}
	b := newBook(DefaultSessions)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for n := range DefaultSessions {
		b.put(session(n, uint64(n+1)))
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	used := int64(after.HeapAlloc) - int64(before.HeapAlloc)
	t.Logf("%d sessions in %d MB", b.len(), used>>20)
	if used > 64<<20 {
		t.Errorf("%d MB", used>>20)
	}
	runtime.KeepAlive(b)
}
