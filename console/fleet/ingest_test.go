package fleet

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/qorgan/qorgan/console/store"
	"github.com/qorgan/qorgan/console/store/storetest"
	"github.com/qorgan/qorgan/internal/postgrestest"
	"github.com/qorgan/qorgan/report/wire"
)

const (
	batchEvents  = 1000 // events of one request
	ingestSender = 4    // edges that send at a time
)

// BenchmarkIngest measures the way of reports from the socket to the disk: frames
// as edges keep them, signed, over HTTPS, answered when they are durable. One
// operation is a batch of a thousand. The CPU is that of all who take part, the
// edges that send included; QORGAN_PROFILE=FOLDER keeps the server's.
func BenchmarkIngest(b *testing.B) {
	b.Run("sqlite", func(b *testing.B) { ingest(b, filepath.Join(b.TempDir(), store.File), nil) })
	b.Run("postgres", func(b *testing.B) {
		// Durable, as nobody would run it without.
		server := postgrestest.Start(b, "fsync=on", "synchronous_commit=on", "max_wal_size=4GB", "shared_buffers=512MB")
		ingest(b, postgrestest.Empty(b, server), postmaster(b, server))
	})
}

func ingest(b *testing.B, place string, cpu func() time.Duration) {
	d := foundAt(b, place, nil)
	batches := make(chan *batch, b.N)
	senders := make([]*sender, ingestSender)
	for i := range senders {
		senders[i] = newSender(b, d, fmt.Sprintf("EDGE-%04d", i))
	}
	for i := range b.N {
		batches <- newBatch(b, uint64(i))
	}
	close(batches)
	before, others := used(), time.Duration(0)
	if cpu != nil {
		others = cpu()
	}
	b.ResetTimer()
	var senderErr atomic.Pointer[error]
	var all sync.WaitGroup
	for _, s := range senders {
		all.Go(func() {
			for next := range batches {
				if err := s.send(next); err != nil {
					senderErr.Store(&err)
					return
				}
			}
		})
	}
	all.Wait()
	b.StopTimer()
	if err := senderErr.Load(); err != nil {
		b.Fatal(*err)
	}
	events := float64(b.N * batchEvents)
	b.ReportMetric(events/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64((used()-before).Microseconds())/events, "µs-CPU/event")
	if cpu != nil {
		b.ReportMetric(float64((cpu()-others).Microseconds())/events, "µs-CPU-server/event")
	}
	n, err := d.db.Count(b.Context(), store.Whole(), store.Query{}, b.N*batchEvents+1)
	if err != nil || n != b.N*batchEvents {
		b.Fatalf("%d events stored of %d, %v", n, b.N*batchEvents, err)
	}
}

// batch is the records of one request, by frames, and how many they are.
type batch struct {
	count uint64
	parts [][][]byte
}

func newBatch(b *testing.B, seed uint64) *batch {
	now := time.Now()
	r := rand.New(rand.NewPCG(seed, 9))
	made := &batch{count: batchEvents}
	var records [][]byte
	for _, e := range storetest.Story(batchEvents, now.Add(-24*time.Hour), now, seed) {
		e.Request.Target += "&ref=" + strconv.FormatUint(r.Uint64(), 36) // no two requests are the same
		record, err := wire.Item{Event: &e}.Encode()
		if err != nil {
			b.Fatal(err)
		}
		if records = append(records, record); len(records) == 250 {
			made.parts, records = append(made.parts, records), nil
		}
	}
	return made
}

// sender is an edge that sends one lane.
type sender struct {
	d      *desk
	edge   string
	key    ed25519.PrivateKey
	client *http.Client
	last   uint64
	encode *wire.Encoder
}

func newSender(b *testing.B, d *desk, code string) *sender {
	e := d.enroll(b, code)
	encoder, err := wire.NewEncoder()
	if err != nil {
		b.Fatal(err)
	}
	return &sender{d: d, edge: e.Edge, key: ed25519.NewKeyFromSeed(e.Seed), client: d.server.Client(), encode: encoder}
}

func (s *sender) send(b *batch) error {
	var frames []byte
	after := s.last
	for _, records := range b.parts {
		var err error
		if frames, err = s.encode.Append(frames, s.last+1, s.last+uint64(len(records)), records); err != nil {
			return err
		}
		s.last += uint64(len(records))
	}
	query := url.Values{"epoch": {"e"}, "lane": {"1"}, "after": {strconv.FormatUint(after, 10)}}
	target := wire.PathReports + "?" + query.Encode()
	claim := wire.Claim{Edge: s.edge, Boot: "b", Time: time.Now(), Method: http.MethodPost, Target: target, Body: wire.Sum(frames)}
	signed, err := claim.Sign(s.key)
	if err != nil {
		return err
	}
	request, err := http.NewRequest(http.MethodPost, s.d.server.URL+target, bytes.NewReader(frames))
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", signed)
	answer, err := s.client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	var receipt wire.Receipt
	if err := json.Unmarshal(text, &receipt); err != nil || receipt.Committed != s.last {
		return fmt.Errorf("%s: %s, want %d", answer.Status, text, s.last)
	}
	return nil
}

// used is the CPU of this process.
func used() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // it cannot fail for ourselves
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// postmaster returns what tells the CPU of a server and its children, the
// ended ones included.
func postmaster(b *testing.B, address string) func() time.Duration {
	u, err := url.Parse(address)
	if err != nil {
		b.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(u.Query().Get("host"), "data", "postmaster.pid"))
	if err != nil {
		b.Logf("the server's CPU is not known: %v", err)
		return nil
	}
	pid, _, _ := strings.Cut(string(text), "\n")
	return func() (sum time.Duration) {
		all, _ := filepath.Glob("/proc/[0-9]*/stat")
		for _, file := range all {
			text, err := os.ReadFile(file)
			if err != nil {
				continue // it has ended
			}
			_, rest, _ := strings.Cut(string(text), ") ")
			f := strings.Fields(rest) // state, parent, …
			if len(f) < 15 || f[1] != pid && filepath.Base(filepath.Dir(file)) != pid {
				continue
			}
			ticks := 0
			for _, n := range f[11:15] { // user, system, and both of children
				t, _ := strconv.Atoi(n)
				ticks += t
			}
			sum += time.Duration(ticks) * time.Second / 100
		}
		return sum
	}
}
