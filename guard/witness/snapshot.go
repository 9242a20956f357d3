package witness

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/qorgan/qorgan/exchange"
	"github.com/qorgan/qorgan/internal/replace"
)

// The file holds hashes only:
//
//	magic, then for every session, least recently used first:
//	key[16] user u64 login u64 expires i64 proved i64 rank u8 nonce u64 nonce u64 len u8 path
//	then the SHA-256 of all that
const magic = "qorgan witness 1\n"

const fixed = 16 + 8 + 8 + 8 + 8 + 1 + 8 + 8 + 1

// saveEvery is how soon a change is on disk. A logout that was not written down
// before a crash would be undone by it.
const saveEvery = time.Second

// keep writes the file soon after something changed, and leaves the disk alone
// for at least twenty times as long as the last write took.
func (w *Witness) keep(ctx context.Context, saved uint64) {
	pause := saveEvery
	timer := time.NewTimer(pause)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		if n := w.book.changed(); n != saved {
			start := time.Now()
			if err := w.save(); err != nil {
				w.log.Error().Err(err).Str("hint", "check the space and the owner of the data folder").Msg("keep witnessed sessions")
				pause = time.Minute
			} else {
				saved = n
				pause = max(saveEvery, 20*time.Since(start))
			}
		}
		timer.Reset(pause)
	}
}

func (w *Witness) save() error {
	sessions, _ := w.book.all()
	if err := replace.File(w.path, 0o600, func(f io.Writer) error { return writeSessions(f, sessions, w.now().Unix()) }); err != nil {
		return fmt.Errorf("save sessions: %w", err)
	}
	return nil
}

// writeSessions writes the sessions that have not expired, and a sum over all.
func writeSessions(f io.Writer, sessions []Session, now int64) error {
	sum := sha256.New()
	out := bufio.NewWriterSize(f, 1<<16)
	to := io.MultiWriter(out, sum)
	if _, err := io.WriteString(to, magic); err != nil {
		return err
	}
	buf := make([]byte, 0, fixed+255)
	for i := range sessions {
		if sessions[i].Expires+int64(lateGrace/time.Second) <= now {
			continue
		}
		if _, err := to.Write(appendSession(buf[:0], &sessions[i])); err != nil {
			return err
		}
	}
	if _, err := out.Write(sum.Sum(nil)); err != nil {
		return err
	}
	return out.Flush()
}

func appendSession(b []byte, s *Session) []byte {
	b = append(b, s.Key[:]...)
	for _, n := range [...]uint64{s.User, s.Login, uint64(s.Expires), uint64(s.Proved)} {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	b = append(b, byte(s.Rank))
	b = binary.BigEndian.AppendUint64(b, s.Nonces[0])
	b = binary.BigEndian.AppendUint64(b, s.Nonces[1])
	path := s.Path[:min(len(s.Path), 255)]
	b = append(b, byte(len(path)))
	return append(b, path...)
}

// load fills the book from the file. What cannot be read is set aside.
func (w *Witness) load() error {
	raw, err := os.ReadFile(w.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("load sessions: %w", err)
	}
	sessions, err := readSessions(raw)
	if err != nil {
		aside := fmt.Sprintf("%s.unreadable-%d", w.path, w.now().Unix())
		if err := os.Rename(w.path, aside); err != nil {
			return fmt.Errorf("set unreadable sessions aside: %w", err)
		}
		w.log.Warn().Err(err).Str("kept", aside).Str("hint", "editors are recognised again at their next admin page").
			Msg("witnessed sessions could not be read; starting with none")
		return nil
	}
	now := w.now().Unix()
	for _, s := range sessions {
		if s.Expires > now {
			w.book.put(s)
		}
	}
	return nil
}

func readSessions(raw []byte) ([]Session, error) {
	if len(raw) < len(magic)+sha256.Size || !bytes.HasPrefix(raw, []byte(magic)) {
		return nil, errors.New("not a file of witnessed sessions")
	}
	body, sum := raw[:len(raw)-sha256.Size], raw[len(raw)-sha256.Size:]
	if got := sha256.Sum256(body); !bytes.Equal(got[:], sum) {
		return nil, errors.New("checksum does not match")
	}
	body = body[len(magic):]
	paths := map[string]string{}
	var out []Session
	for len(body) > 0 {
		if len(body) < fixed || len(body) < fixed+int(body[fixed-1]) {
			return nil, errors.New("a session is cut short")
		}
		var s Session
		copy(s.Key[:], body)
		at := func(i int) uint64 { return binary.BigEndian.Uint64(body[i:]) }
		s.User, s.Login, s.Expires, s.Proved = at(16), at(24), int64(at(32)), int64(at(40))
		s.Rank = exchange.Rank(body[48])
		s.Nonces = [2]uint64{at(49), at(57)}
		path := string(body[fixed : fixed+int(body[fixed-1])])
		if _, ok := paths[path]; !ok {
			paths[path] = path
		}
		s.Path = paths[path]
		if s.Rank < exchange.Visitor || s.Rank > exchange.Admin {
			return nil, errors.New("a session has no known rank")
		}
		out = append(out, s)
		body = body[fixed+int(body[fixed-1]):]
	}
	return out, nil
}
