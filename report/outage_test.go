package report_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/qorgan/qorgan/console/store/storetest"
	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/report"
	"github.com/qorgan/qorgan/report/outbox"
	"github.com/qorgan/qorgan/report/wire"
)

// TestOutage: while the console is away an edge keeps fifty events a second, a
// second of them at a time, in an outbox of the size it has by default, and
// gives back every one, in order. The time is that of the events: it runs as
// fast as it can. QORGAN_OUTAGE is how many hours; 72 are 12.96 million events.
func TestOutage(t *testing.T) {
	hours, err := strconv.ParseFloat(os.Getenv("QORGAN_OUTAGE"), 64)
	if err != nil {
		hours = 0.05
	}
	b, err := outbox.Open(outbox.Options{Dir: t.TempDir(), Fold: report.Fold})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}()
	const rate = 50
	seconds := int(hours * 3600)
	now, began := time.Now().UTC(), time.Now()
	made := newInventor(t, now)
	for second := range seconds {
		records := make([][]byte, rate)
		for i := range records {
			records[i] = made.record(now.Add(time.Duration(second)*time.Second + time.Duration(i)*time.Second/rate))
		}
		if err := b.Append(records); err != nil {
			t.Fatal(err)
		}
	}
	kept, took := b.Stats(), time.Since(began)
	if kept.Folded > 0 || kept.Damaged > 0 || kept.Records != int64(seconds*rate) {
		t.Fatalf("after %d events: %+v", seconds*rate, kept)
	}
	began = time.Now()
	lane, read := b.Lanes()[0].From, 0
	decoder, err := wire.NewDecoder()
	if err != nil {
		t.Fatal(err)
	}
	defer decoder.Close()
	for {
		batch, err := b.Read(lane, wire.MaxPacked)
		if err != nil {
			t.Fatal(err)
		}
		if batch.Records == 0 {
			break
		}
		for left := batch.Frames; len(left) > 0; {
			head, records, err := decoder.Records(left)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range records {
				if !bytes.Contains(r, fmt.Appendf(nil, "ref=%d\"", read)) {
					t.Fatalf("record %d is another: %s", read, r)
				}
				read++
			}
			left = left[head.Size:]
		}
		if err := b.Ack(lane, batch.Last); err != nil {
			t.Fatal(err)
		}
	}
	if read != seconds*rate {
		t.Fatalf("%d records came back of %d", read, seconds*rate)
	}
	t.Logf("%.1f h: %d events in %d MB, %.1f bytes each, kept in %s; read back in %s, %.0f times as fast as they came",
		hours, read, kept.Bytes>>20, float64(kept.Bytes)/float64(read), took.Round(time.Second), time.Since(began).Round(time.Second),
		float64(seconds)/time.Since(began).Seconds())
}

// inventor makes events of a story that is told again and again, each with its
// own id, code, time and place.
type inventor struct {
	t     *testing.T
	texts [][]byte
	was   []event.Event
	n     int
	r     *rand.Rand
}

func newInventor(t *testing.T, now time.Time) *inventor {
	m := &inventor{t: t, r: rand.New(rand.NewPCG(1, 2))}
	for _, e := range storetest.Story(5000, now.Add(-24*time.Hour), now, 5) {
		e.Request.Target = fmt.Sprintf("/%06d?ref=REF", m.r.IntN(1e6)) + e.Request.Target
		text, err := wire.Item{Event: &e}.Encode()
		if err != nil {
			t.Fatal(err)
		}
		m.texts, m.was = append(m.texts, text), append(m.was, e)
	}
	return m
}

func (m *inventor) record(at time.Time) []byte {
	i := m.r.IntN(len(m.texts))
	text, was := m.texts[i], m.was[i]
	id, code := event.NewID()
	for _, p := range [][2]string{
		{was.ID, id}, {was.Code, code}, {was.Time.Format(time.RFC3339Nano), at.Format(time.RFC3339Nano)},
		{"?ref=REF", fmt.Sprintf("%d?x=%x", m.r.IntN(1000), m.r.Uint64())},
	} {
		text = bytes.Replace(text, []byte(p[0]), []byte(p[1]), 1)
	}
	text = append(text[:len(text)-2:len(text)-2], fmt.Sprintf(`,"reason":"ref=%d"}}`, m.n)...)
	m.n++
	return text
}
