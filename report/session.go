package report

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/qorgan/qorgan/report/wire"
)

// Session is an edge's way to its console beside its reports: requests that it
// signs. It is safe for concurrent use.
type Session struct {
	enrolment     Enrolment
	key           ed25519.PrivateKey
	boot, version string
	client        *http.Client
}

// NewSession returns a session of the edge that e enrolled. A held stream has a
// connection of its own, over HTTP/1.1: that is what costs both ends least.
func NewSession(e Enrolment, version string) (*Session, error) {
	key, err := e.key()
	if err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	c, err := client(e.Roots)
	if err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	t := c.Transport.(*http.Transport)
	t.ForceAttemptHTTP2 = false
	t.TLSClientConfig.NextProtos = []string{"http/1.1"}
	t.ReadBufferSize, t.WriteBufferSize = 4<<10, 4<<10
	t.ResponseHeaderTimeout = 30 * time.Second
	c.Timeout = 0
	return &Session{enrolment: e, key: key, boot: uuid.NewString(), version: version, client: c}, nil
}

// Do asks the console for target, a path with its query, with a body. It ends
// with ctx. The caller closes the answer's body.
func (s *Session) Do(ctx context.Context, method, target string, body []byte) (*http.Response, error) {
	claim := wire.Claim{Edge: s.enrolment.Edge, Boot: s.boot, Version: s.version, Time: time.Now().UTC(), Method: method, Target: target, Body: wire.Sum(body)}
	signed, err := claim.Sign(s.key)
	if err != nil {
		return nil, err
	}
	var sent io.Reader
	if len(body) > 0 {
		sent = bytes.NewReader(body)
	}
	r, err := http.NewRequestWithContext(ctx, method, s.enrolment.Console+target, sent)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", signed)
	return s.client.Do(r)
}

// Refused returns what a console's answer says that is not the one asked for.
func Refused(response *http.Response) error {
	text, err := io.ReadAll(io.LimitReader(response.Body, 4<<10))
	if err != nil {
		return err
	}
	return fmt.Errorf("%s: %s", response.Status, why(text))
}

// Close closes connections that nobody uses.
func (s *Session) Close() { s.client.CloseIdleConnections() }
