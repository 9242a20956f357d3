package proxy

import (
	"strings"
	"testing"

	"github.com/qorgan/qorgan/event"
)

func TestAccessLogHasNoSecrets(t *testing.T) {
	e := newEdge(t, Options{Config: oneSite(upstreamServer(t, nil)), Redact: event.NewRedactor([]byte("0123456789abcdef"))})
	e.get("/login?user=ann&password=hunter2secret")
	e.stop()
	if err := <-e.ended; err != nil {
		t.Error(err)
	}
	e.ended <- nil
	if log := e.log.String(); strings.Contains(log, "hunter2secret") || !strings.Contains(log, "user=ann") {
		t.Errorf("logged %s", log)
	}
}
