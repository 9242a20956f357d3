package outbox

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/qorgan/qorgan/internal/hold"
	"github.com/qorgan/qorgan/report/wire"
)

func open(t *testing.T, o Options) *Outbox {
	t.Helper()
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	b, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func shut(t *testing.T, b *Outbox) {
	t.Helper()
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
}

// put appends records named from to to, size of them at a time.
func put(t *testing.T, b *Outbox, from, to, size int) {
	t.Helper()
	for ; from <= to; from += size {
		var records [][]byte
		for i := from; i <= min(to, from+size-1); i++ {
			records = append(records, record(i))
		}
		if err := b.Append(records); err != nil {
			t.Fatal(err)
		}
	}
}

func record(i int) []byte {
	return fmt.Appendf(nil, "%d %s", i, strings.Repeat(string(rune('a'+i%26)), 200+i%50))
}

func number(t *testing.T, r []byte) int {
	t.Helper()
	name, _, _ := bytes.Cut(r, []byte(" "))
	n, err := strconv.Atoi(string(name))
	if err != nil {
		t.Fatalf("record %.40q", r)
	}
	return n
}

// decode returns the records of a batch.
func decode(t *testing.T, batch Batch) (all [][]byte) {
	t.Helper()
	d, err := wire.NewDecoder()
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	after := batch.After
	for at := 0; at < len(batch.Frames); {
		h, records, err := d.Records(batch.Frames[at:])
		if err != nil {
			t.Fatal(err)
		}
		if h.First <= after {
			t.Fatalf("frame %d-%d after %d", h.First, h.Last, after)
		}
		after = h.Last
		at += h.Size
		all = append(all, records...)
	}
	if after != batch.Last || int64(len(all)) != batch.Records {
		t.Fatalf("batch says %d records up to %d; %d up to %d", batch.Records, batch.Last, len(all), after)
	}
	return all
}

// drain reads and acknowledges all of a lane and returns the records' names.
func drain(t *testing.T, b *Outbox, lane uint64) (names []int) {
	t.Helper()
	for {
		batch, err := b.Read(lane, 4<<10)
		if err != nil {
			t.Fatal(err)
		}
		if batch.Records == 0 {
			return names
		}
		for _, r := range decode(t, batch) {
			names = append(names, number(t, r))
		}
		if err := b.Ack(lane, batch.Last); err != nil {
			t.Fatal(err)
		}
	}
}

func upTo(from, to int) (all []int) {
	for i := from; i <= to; i++ {
		all = append(all, i)
	}
	return all
}

func same(t *testing.T, what string, got, want []int) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %d records %s, want %d %s", what, len(got), ends(got), len(want), ends(want))
	}
}

func ends(n []int) string {
	if len(n) == 0 {
		return "[]"
	}
	return fmt.Sprintf("[%d…%d]", n[0], n[len(n)-1])
}

func segments(t *testing.T, dir string) (paths []string) {
	t.Helper()
	for _, suffix := range []string{runSuffix, plainSuffix} {
		some, err := filepath.Glob(filepath.Join(dir, "*"+suffix))
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, some...)
	}
	slices.SortFunc(paths, func(a, b string) int { return strings.Compare(filepath.Base(a), filepath.Base(b)) })
	return paths
}

// TestOrder: what was appended is read in order, over segments and restarts,
// and what is acknowledged is gone from the disk.
func TestOrder(t *testing.T) {
	dir := t.TempDir()
	b := open(t, Options{Dir: dir, Segment: 4 << 10})
	put(t, b, 1, 2000, 7)
	shut(t, b)
	b = open(t, Options{Dir: dir, Segment: 4 << 10})
	put(t, b, 2001, 3000, 300)
	if n := len(segments(t, dir)); n < 3 {
		t.Fatalf("%d segments: too few to prove anything", n)
	}
	same(t, "read", drain(t, b, 1), upTo(1, 3000))
	if left := segments(t, dir); len(left) > 1 {
		t.Errorf("%d segments stay", len(left))
	}
	shut(t, b)

	b = open(t, Options{Dir: dir})
	same(t, "after a restart", drain(t, b, 1), nil)
	put(t, b, 3001, 3001, 1)
	same(t, "after it", drain(t, b, 1), upTo(3001, 3001))
	shut(t, b)
	if s := b.Stats(); s.Damaged != 0 {
		t.Errorf("%+v", s)
	}
}

// TestReadAgain: until a batch is acknowledged it is read again, also after a
// restart.
func TestReadAgain(t *testing.T) {
	dir := t.TempDir()
	b := open(t, Options{Dir: dir})
	put(t, b, 1, 20, 5)
	first, err := b.Read(1, 1)
	if err != nil {
		t.Fatal(err)
	}
	again, err := b.Read(1, 1)
	if err != nil || !bytes.Equal(first.Frames, again.Frames) || first.Records != 5 {
		t.Fatalf("%d records, then %d, %v", first.Records, again.Records, err)
	}
	epoch := b.Epoch()
	shut(t, b)
	b = open(t, Options{Dir: dir})
	defer shut(t, b)
	if again, err = b.Read(1, 1); err != nil || !bytes.Equal(first.Frames, again.Frames) || again.Epoch != epoch {
		t.Fatalf("after a restart %d records of %q, %v", again.Records, again.Epoch, err)
	}
	if err := b.Ack(1, 1<<40); err == nil {
		t.Error("a number that was never given was acknowledged")
	}
	if err := b.Ack(5, 5); err == nil {
		t.Error("a lane that is not there was acknowledged")
	}
}

// TestNumbersAreNotUsedAgain: not after everything was sent, nor after the
// last records were damaged.
func TestNumbersAreNotUsedAgain(t *testing.T) {
	dir := t.TempDir()
	var last uint64
	for run := range 4 {
		b := open(t, Options{Dir: dir})
		put(t, b, 1, 10, 10)
		batch, err := b.Read(1, 1)
		if err != nil {
			t.Fatal(err)
		}
		h, err := wire.Check(batch.Frames)
		if err != nil || h.First <= last {
			t.Fatalf("run %d: number %d again, the last was %d (%v)", run, h.First, last, err)
		}
		last = batch.Last
		if run%2 == 0 {
			if err := b.Ack(1, batch.Last); err != nil {
				t.Fatal(err)
			}
		}
		shut(t, b)
		if paths := segments(t, dir); run == 1 && len(paths) > 0 {
			flip(t, paths[len(paths)-1], wire.HeadSize+3)
		}
	}
}

func flip(t *testing.T, path string, at int) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	content[at%len(content)] ^= 0x41
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestLanes: what is new after Split is read without what was before it.
func TestLanes(t *testing.T) {
	dir := t.TempDir()
	b := open(t, Options{Dir: dir, Segment: 8 << 10})
	if l, err := b.Split(); err != nil || l.From != 1 {
		t.Fatalf("nothing was split into %+v, %v", l, err)
	}
	put(t, b, 1, 500, 50)
	fresh, err := b.Split()
	if err != nil {
		t.Fatal(err)
	}
	if twice, err := b.Split(); err != nil || twice != fresh {
		t.Errorf("split again: %+v, %v", twice, err)
	}
	put(t, b, 501, 1000, 50)
	same(t, "new", drain(t, b, fresh.From), upTo(501, 1000))
	shut(t, b)
	b = open(t, Options{Dir: dir, Segment: 8 << 10})
	put(t, b, 1001, 1010, 10)
	if lanes := b.Lanes(); len(lanes) != 2 {
		t.Fatalf("lanes %+v", lanes)
	}
	same(t, "old", drain(t, b, 1), upTo(1, 500))
	same(t, "newest", drain(t, b, fresh.From), upTo(1001, 1010))
	if lanes := b.Lanes(); len(lanes) != 1 || lanes[0].From != fresh.From {
		t.Errorf("lanes %+v", lanes)
	}
	shut(t, b)
}

// TestAnotherReader: who did not commit what came before gets what is left, in
// lanes that begin there.
func TestAnotherReader(t *testing.T) {
	dir := t.TempDir()
	b := open(t, Options{Dir: dir, For: "first"})
	put(t, b, 1, 30, 10)
	batch, err := b.Read(1, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Ack(1, batch.Last); err != nil {
		t.Fatal(err)
	}
	shut(t, b)
	for _, reader := range []string{"first", "second", "second"} {
		b = open(t, Options{Dir: dir, For: reader})
		want := uint64(11)
		if reader == "first" {
			want = 1
		}
		lanes := b.Lanes()
		if len(lanes) != 1 || lanes[0].From != want {
			t.Fatalf("for the %s reader: %+v", reader, lanes)
		}
		shut(t, b)
	}
	b = open(t, Options{Dir: dir, For: "second"})
	defer shut(t, b)
	if batch, err := b.Read(11, 1); err != nil || batch.After != 10 {
		t.Errorf("%+v, %v", batch, err)
	}
	same(t, "left", drain(t, b, 11), upTo(11, 30))
}

// TestCapacity: a full outbox folds the oldest that was not sent, and only
// that; when nothing is left to fold it refuses and keeps what it has.
func TestCapacity(t *testing.T) {
	fold := func(records [][]byte, pressed bool) [][]byte {
		from, to := records[0], records[len(records)-1]
		if _, end, folded := bytes.Cut(to, []byte("…")); folded {
			to = end
		}
		start, _, _ := bytes.Cut(from, []byte(" "))
		last, _, _ := bytes.Cut(to, []byte(" "))
		return [][]byte{fmt.Appendf(nil, "%s 0…%s %t", start, last, pressed)}
	}
	b := open(t, Options{Segment: 4 << 10, Capacity: 32 << 10, Fold: fold})
	defer shut(t, b)
	put(t, b, 1, 50, 50)
	sent, err := b.Read(1, 1)
	if err != nil {
		t.Fatal(err)
	}
	for i := 51; b.Stats().Folded < 20; i += 50 {
		put(t, b, i, i+49, 50)
		if n := b.bytes(); n > 34<<10 {
			t.Fatalf("%d bytes", n)
		}
	}
	again, err := b.Read(1, 1)
	if err != nil || !bytes.Equal(again.Frames, sent.Frames) {
		t.Errorf("what may have been sent was folded: %v", err)
	}
	covered := 0
	for {
		batch, err := b.Read(1, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		if batch.Records == 0 {
			break
		}
		for _, r := range decode(t, batch) {
			first := number(t, r)
			if first != covered+1 {
				t.Fatalf("record %d after %d", first, covered)
			}
			covered = first
			if _, end, folded := bytes.Cut(r, []byte("…")); folded {
				covered = number(t, end)
			}
		}
		if err := b.Ack(1, batch.Last); err != nil {
			t.Fatal(err)
		}
	}
	if uint64(covered) != b.Stats().Last {
		t.Errorf("%d of %d records are accounted for", covered, b.Stats().Last)
	}

	full := open(t, Options{Segment: 4 << 10, Capacity: 16 << 10})
	defer shut(t, full)
	n := 0
	for err = nil; err == nil; n++ {
		err = full.Append([][]byte{record(n + 1)})
	}
	if !errors.Is(err, ErrFull) {
		t.Fatal(err)
	}
	same(t, "kept", drain(t, full, 1), upTo(1, n-1))
	put(t, full, n, n, 1)
}

// TestTooBig: a record that fits into no frame is counted, its neighbours stay.
func TestTooBig(t *testing.T) {
	lost := map[string]int64{}
	b := open(t, Options{Damaged: func(n int64, why string) { lost[why] += n }})
	defer shut(t, b)
	huge := bytes.Repeat([]byte("x"), wire.MaxPlain+1)
	if err := b.Append([][]byte{record(1), huge, record(3)}); err != nil {
		t.Fatal(err)
	}
	same(t, "kept", drain(t, b, 1), []int{1, 3})
	if lost["too-big"] != 1 {
		t.Errorf("lost %v", lost)
	}
}

func TestHeld(t *testing.T) {
	dir := t.TempDir()
	b := open(t, Options{Dir: dir})
	defer shut(t, b)
	var held *hold.HeldError
	if _, err := Open(Options{Dir: dir}); !errors.As(err, &held) {
		t.Errorf("%v", err)
	}
}

// TestNews: a reader that waits is woken.
func TestNews(t *testing.T) {
	b := open(t, Options{})
	defer shut(t, b)
	news := b.News()
	put(t, b, 1, 1, 1)
	<-news
	select {
	case <-b.News():
		t.Error("news without anything new")
	default:
	}
}
