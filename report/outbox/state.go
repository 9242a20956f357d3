package outbox

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/qorgan/qorgan/internal/replace"
)

// Lane is a range of sequence numbers that is sent in order.
type Lane struct {
	From  uint64 `json:"from"`  // its name
	To    uint64 `json:"to"`    // last number; 0 while it is the lane that grows
	Acked uint64 `json:"acked"` // the console has committed everything up to here
}

// holds reports whether seq is one of the lane's numbers.
func (l Lane) holds(seq uint64) bool { return seq >= l.From && (l.To == 0 || seq <= l.To) }

// state is what must survive the process beside the segments. Acked may lag:
// what is sent twice, the console ignores.
type state struct {
	Epoch   string   `json:"epoch"`
	For     string   `json:"for"`     // who reads what is sent
	Ceiling uint64   `json:"ceiling"` // numbers up to here may have been used
	Lanes   []Lane   `json:"lanes"`
	Touched []uint64 `json:"touched"` // segments of which something may have been sent, by their first numbers
}

// reserve is how many numbers are reserved at a time.
const reserve = 1 << 20

func stateFile(dir string) string { return filepath.Join(dir, "state.json") }

// loadState reads the state. A missing one and an unreadable one, which is set
// aside, become one of a new epoch; fresh says so.
func loadState(dir string) (s state, fresh bool, err error) {
	b, err := os.ReadFile(stateFile(dir))
	if err == nil {
		if s, ok := parseState(b); ok {
			return s, false, nil
		}
		err = os.Rename(stateFile(dir), stateFile(dir)+".damaged")
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return state{}, false, err
	}
	var epoch [8]byte
	_, _ = rand.Read(epoch[:]) // never fails
	return state{Epoch: hex.EncodeToString(epoch[:]), Lanes: []Lane{{From: 1}}}, true, nil
}

// The file is one line of JSON and one with its CRC-32C: a number changed by
// a bad disk would make the outbox forget what it must send.
func parseState(b []byte) (s state, ok bool) {
	text, sum, _ := bytes.Cut(b, []byte("\n"))
	ok = string(sum) == checksum(text) && json.Unmarshal(text, &s) == nil && s.Epoch != "" && len(s.Lanes) > 0
	return s, ok
}

func checksum(text []byte) string {
	return fmt.Sprintf("%08x\n", crc32.Checksum(text, crc32.MakeTable(crc32.Castagnoli)))
}

func (s state) save(dir string) error {
	b, err := json.Marshal(s)
	if err != nil {
		return err
	}
	b = append(b, "\n"+checksum(b)...)
	if err := replace.Bytes(stateFile(dir), 0o600, b); err != nil {
		return fmt.Errorf("save state: %w", err)
	}
	return nil
}

// readBy begins the lanes anew where they are, for a reader who knows nothing of
// what others have committed.
func (s *state) readBy(reader string) {
	if s.For != "" && s.For != reader {
		for i, l := range s.Lanes {
			s.Lanes[i].From = max(l.From, l.Acked+1)
		}
	}
	s.For = reader
}

// waiting returns how many of the numbers first to last the console has not
// committed.
func (s *state) waiting(first, last uint64) (n uint64) {
	for _, l := range s.Lanes {
		from, to := max(first, l.From, l.Acked+1), last
		if l.To != 0 {
			to = min(to, l.To)
		}
		if from <= to {
			n += to - from + 1
		}
	}
	return n
}

// lane returns the lane named from, or nil.
func (s *state) lane(from uint64) *Lane {
	i := slices.IndexFunc(s.Lanes, func(l Lane) bool { return l.From == from })
	if i < 0 {
		return nil
	}
	return &s.Lanes[i]
}

// forget drops lanes of which nothing is left to send.
func (s *state) forget() {
	s.Lanes = slices.DeleteFunc(s.Lanes, func(l Lane) bool { return l.To != 0 && l.Acked >= l.To })
}

// dirSync brings a new file's name to the disk.
func dirSync(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
