package main

import (
	"bytes"
	"sync"
	"testing"

	"github.com/rs/zerolog"
)

// writes remembers each write.
type writes struct {
	mu   sync.Mutex
	all  []string
	told chan struct{}
}

func (w *writes) Write(p []byte) (int, error) {
	w.mu.Lock()
	w.all = append(w.all, string(p))
	w.mu.Unlock()
	w.told <- struct{}{}
	return len(p), nil
}

func TestLogLinesAreGathered(t *testing.T) {
	w := &writes{told: make(chan struct{}, 1000)}
	b := newLogBuffer(w)
	log := zerolog.New(b)
	log.Info().Msg("a")
	log.Info().Msg("b")
	<-w.told // by the timer
	log.Info().Msg("c")
	log.Warn().Msg("d")
	<-w.told // at once
	log.Info().Str("long", string(bytes.Repeat([]byte("x"), logBytes))).Msg("e")
	<-w.told
	log.Info().Msg("f")
	b.close()
	<-w.told
	log.Info().Msg("g") // after the end
	<-w.told
	first := `{"level":"info","message":"a"}` + "\n" + `{"level":"info","message":"b"}` + "\n"
	if len(w.all) != 5 || w.all[0] != first || bytes.Count([]byte(w.all[1]), []byte("\n")) != 2 {
		t.Errorf("wrote %.60q", w.all)
	}
}

func TestNoLogLineIsLost(t *testing.T) {
	var out bytes.Buffer
	b := newLogBuffer(&out)
	log := zerolog.New(b)
	const writers, each = 8, 500
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			for range each {
				log.Info().Str("filler", "0123456789012345678901234567890123456789").Msg("line")
			}
		})
	}
	all.Wait()
	b.close()
	if n := bytes.Count(out.Bytes(), []byte(`"message":"line"}`+"\n")); n != writers*each {
		t.Errorf("%d lines, want %d", n, writers*each)
	}
}
