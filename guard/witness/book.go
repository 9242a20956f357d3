package witness

import (
	"sync"
	"time"

	"github.com/qorgan/qorgan/exchange"
)

// Key names a session or credential: a keyed hash of the site, what kind of
// credential it is, and its value.
type Key [16]byte

// Session is what is known about one session. Times are Unix seconds.
type Session struct {
	Key     Key
	User    uint64 // keyed hash of site and user name; 0 when the CMS hides it
	Login   uint64 // keyed hash of what all cookies of one login share; 0 when there is no such thing
	Expires int64
	Proved  int64 // when the CMS last answered as only to a valid session
	Asked   int64 // when the CMS was last asked; not kept over a restart
	Rank    exchange.Rank
	Nonces  [2]uint64 // keyed hashes of the form tokens it was last accepted with, newest first
	Path    string    // the cookie's path: the session is worth nothing outside it
}

// perUser bounds the sessions of one user, so that one account logging in over
// and over cannot push out everyone else's.
const perUser = 64

// book is a bounded table of sessions, the least recently used leaving first.
// It is safe for concurrent use.
type book struct {
	mu      sync.Mutex
	max     int
	byKey   map[Key]int32
	byUser  map[uint64]int32 // first slot of a user's chain
	slots   []slot           // slot 0 is the sentinel of the use order
	free    []int32
	changes uint64 // counts every change worth writing down
	evicted uint64
}

type slot struct {
	Session
	newer, older int32 // use order
	next, prev   int32 // chain of one user, newest first
}

func newBook(limit int) *book {
	return &book{max: limit, byKey: map[Key]int32{}, byUser: map[uint64]int32{}, slots: make([]slot, 1)}
}

// find returns the session if it has not expired. Grace is added to its expiry.
func (b *book) find(k Key, now time.Time, grace time.Duration) (Session, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	i, ok := b.byKey[k]
	if !ok {
		return Session{}, false
	}
	s := &b.slots[i]
	if now.Unix() >= s.Expires+int64(grace/time.Second) {
		if now.Unix() >= s.Expires+int64(lateGrace/time.Second) {
			b.drop(i)
		}
		return Session{}, false
	}
	b.use(i)
	return s.Session, true
}

// put adds a session or replaces the one with the same key, and drops the
// least useful where there is no room.
func (b *book) put(s Session) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.changes++
	if i, ok := b.byKey[s.Key]; ok {
		b.drop(i)
	}
	if s.User != 0 {
		n, last := 0, int32(0)
		for i := b.byUser[s.User]; i != 0; i = b.slots[i].next {
			n, last = n+1, i
		}
		if n >= perUser {
			b.drop(last)
		}
	}
	if len(b.byKey) >= b.max {
		b.drop(b.slots[0].newer) // the sentinel's newer end is the oldest
		b.evicted++
	}
	i := b.take()
	b.slots[i].Session = s
	b.byKey[s.Key] = i
	b.link(i)
	if s.User != 0 {
		first := b.byUser[s.User]
		b.slots[i].next, b.slots[i].prev = first, 0
		if first != 0 {
			b.slots[first].prev = i
		}
		b.byUser[s.User] = i
	}
}

// update changes a known session in place; key and user must stay as they are.
func (b *book) update(k Key, change func(*Session)) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	i, ok := b.byKey[k]
	if ok {
		change(&b.slots[i].Session)
		b.changes++
	}
	return ok
}

// forget drops one session.
func (b *book) forget(k Key) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	i, ok := b.byKey[k]
	if ok {
		b.drop(i)
		b.changes++
	}
	return ok
}

// forgetUser drops a user's sessions for which gone reports true.
func (b *book) forgetUser(user uint64, gone func(*Session) bool) int {
	if user == 0 {
		return 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	n := 0
	for i := b.byUser[user]; i != 0; {
		next := b.slots[i].next
		if gone(&b.slots[i].Session) {
			b.drop(i)
			n++
		}
		i = next
	}
	if n > 0 {
		b.changes++
	}
	return n
}

// all returns every session, least recently used first, and the change count.
func (b *book) all() ([]Session, uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := make([]Session, 0, len(b.byKey))
	for i := b.slots[0].newer; i != 0; i = b.slots[i].newer {
		out = append(out, b.slots[i].Session)
	}
	return out, b.changes
}

func (b *book) changed() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.changes
}

func (b *book) len() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.byKey)
}

func (b *book) take() int32 {
	if n := len(b.free); n > 0 {
		i := b.free[n-1]
		b.free = b.free[:n-1]
		return i
	}
	b.slots = append(b.slots, slot{})
	return int32(len(b.slots) - 1)
}

// link makes i the most recently used.
func (b *book) link(i int32) {
	newest := b.slots[0].older
	b.slots[i].older, b.slots[i].newer = newest, 0
	b.slots[newest].newer = i
	b.slots[0].older = i
}

func (b *book) unlink(i int32) {
	s := &b.slots[i]
	b.slots[s.older].newer = s.newer
	b.slots[s.newer].older = s.older
}

func (b *book) use(i int32) {
	if b.slots[0].older != i {
		b.unlink(i)
		b.link(i)
	}
}

func (b *book) drop(i int32) {
	s := &b.slots[i]
	b.unlink(i)
	if s.User != 0 {
		if s.prev != 0 {
			b.slots[s.prev].next = s.next
		} else if s.next != 0 {
			b.byUser[s.User] = s.next
		} else {
			delete(b.byUser, s.User)
		}
		if s.next != 0 {
			b.slots[s.next].prev = s.prev
		}
	}
	delete(b.byKey, s.Key)
	b.slots[i] = slot{}
	b.free = append(b.free, i)
}
