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
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/qorgan/qorgan/console/store"
	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/internal/postgrestest"
	"github.com/qorgan/qorgan/report/wire"
)

// TestPostgresNodes: three consoles share one store. Edges send each batch to
// any of them, one in ten twice, at once and to two of them, with batches that
// come too early and batches of long ago between. Every event is stored once,
// and the counts say the same.
func TestPostgresNodes(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	place := postgrestest.Empty(t, postgrestest.Start(t))
	var nodes []*desk
	for range 3 {
		nodes = append(nodes, foundAt(t, place, nil))
	}
	heard := nodes[2].db.News(store.Events)
	const edges, batches, size = 6, 40, 25
	var all sync.WaitGroup
	var mu sync.Mutex
	sent, resent, early := 0, 0, 0
	began := time.Now().UTC().Truncate(time.Hour)
	for n := range edges {
		e := nodes[n%3].enroll(t, fmt.Sprintf("EDGE-%04d", n))
		line := &loose{nodes: nodes, edge: e.Edge, key: ed25519.NewKeyFromSeed(e.Seed)}
		r := rand.New(rand.NewPCG(seed, uint64(n)))
		all.Go(func() {
			for done := 0; done < batches; {
				switch r.IntN(10) {
				case 0: // the next one, twice at once, at two nodes
					var both sync.WaitGroup
					for i := range 2 {
						both.Go(func() { line.deliver(t, (n+done+i)%3, done, size, began) })
					}
					both.Wait()
					mu.Lock()
					resent++
					mu.Unlock()
				case 1: // one after the next
					if got := line.post(t, r.IntN(3), done+1, size, began); got != done*size {
						t.Errorf("edge %d: a batch that came too early: committed %d, want %d", n, got, done*size)
					}
					mu.Lock()
					early++
					mu.Unlock()
					continue
				case 2: // one that is there
					if done > 0 {
						line.deliver(t, r.IntN(3), r.IntN(done), size, began)
					}
					mu.Lock()
					resent++
					mu.Unlock()
					continue
				default:
					line.deliver(t, r.IntN(3), done, size, began)
				}
				done++
				mu.Lock()
				sent += size
				mu.Unlock()
			}
		})
	}
	all.Wait()
	select {
	case <-heard:
	case <-time.After(time.Minute):
		t.Error("a node does not hear of what others took in")
	}
	if got := stored(t, nodes[0].db); len(got) != sent {
		t.Errorf("%d events stored of %d", len(got), sent)
	}
	var counted int64
	sites, err := nodes[1].db.Sites(t.Context(), store.Whole(), began.Add(-time.Hour), began.Add(2*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range sites {
		counted += s.Blocked
	}
	if counted != int64(sent) {
		t.Errorf("%d events counted of %d", counted, sent)
	}
	t.Logf("%d events of %d edges through 3 nodes, %d batches again, %d too early", sent, edges, resent, early)
}

// loose is an edge without an outbox: it sends what the test says.
type loose struct {
	nodes []*desk
	edge  string
	key   ed25519.PrivateKey
	mu    sync.Mutex
	made  map[int][]byte
}

// frames returns batch number n, the same each time.
func (l *loose) frames(t *testing.T, n, size int, at time.Time) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.made[n] != nil {
		return l.made[n]
	}
	var records [][]byte
	for i := range size {
		id, code := event.NewID()
		r, err := wire.Item{Event: &event.Event{ID: id, Code: code, Time: at.Add(time.Duration(n*size+i) * time.Millisecond),
			Site: "shop", Action: event.Blocked, Rules: []int{942100}}}.Encode()
		if err != nil {
			t.Error(err)
		}
		records = append(records, r)
	}
	encoder, err := wire.NewEncoder()
	if err != nil {
		t.Error(err)
		return nil
	}
	frames, err := encoder.Append(nil, uint64(n*size+1), uint64((n+1)*size), records)
	if err != nil {
		t.Error(err)
	}
	if l.made == nil {
		l.made = map[int][]byte{}
	}
	l.made[n] = frames
	return frames
}

// deliver sends batch n until a node says that it is there.
func (l *loose) deliver(t *testing.T, node, n, size int, at time.Time) {
	for range 100 {
		if l.post(t, node, n, size, at) >= (n+1)*size {
			return
		}
		node = (node + 1) % len(l.nodes)
	}
	t.Errorf("batch %d is not taken", n)
}

// post sends batch n and returns up to where a node says that records are
// committed; -1 when it says nothing of that.
func (l *loose) post(t *testing.T, node, n, size int, at time.Time) int {
	frames := l.frames(t, n, size, at)
	query := url.Values{"epoch": {"e"}, "lane": {"1"}, "after": {strconv.Itoa(n * size)}}
	target := wire.PathReports + "?" + query.Encode()
	claim := wire.Claim{Edge: l.edge, Boot: "b", Time: time.Now(), Method: http.MethodPost, Target: target, Body: wire.Sum(frames)}
	signed, err := claim.Sign(l.key)
	if err != nil {
		t.Error(err)
		return -1
	}
	d := l.nodes[node]
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, d.server.URL+target, bytes.NewReader(frames))
	if err != nil {
		t.Error(err)
		return -1
	}
	request.Header.Set("Authorization", signed)
	answer, err := d.server.Client().Do(request)
	if err != nil {
		t.Error(err)
		return -1
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	var receipt wire.Receipt
	if err != nil || answer.StatusCode != http.StatusOK && answer.StatusCode != http.StatusConflict || json.Unmarshal(text, &receipt) != nil {
		// Both say: come again. Transactions of several nodes may lock each other out.
		if answer.StatusCode != http.StatusTooManyRequests && answer.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("node %d: %s: %s", node, answer.Status, text)
		}
		return -1
	}
	return int(receipt.Committed)
}
