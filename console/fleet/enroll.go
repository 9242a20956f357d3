package fleet

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/qorgan/qorgan/console/store"
	"github.com/qorgan/qorgan/report/wire"
)

// CodeSum is what the store keeps of a code. Case and hyphens do not matter.
func CodeSum(code string) []byte {
	sum := sha256.Sum256([]byte(strings.ToUpper(strings.ReplaceAll(strings.TrimSpace(code), "-", ""))))
	return sum[:]
}

// inviteTime is how long a code works.
const inviteTime = 24 * time.Hour

// Invite makes a code with which one edge may enrol for the tenant at the top
// of s, and returns the line that does it. pin is the SHA-256 of the console's own authority, if it has one.
func Invite(ctx context.Context, db *store.DB, s store.Scope, person, address, pin string, now time.Time) (line string, err error) {
	text := rand.Text()[:16] // eighty bits
	code := text[:4] + "-" + text[4:8] + "-" + text[8:12] + "-" + text[12:]
	if err := db.InsertInvitation(ctx, s, CodeSum(code), person, now.Add(inviteTime)); err != nil {
		return "", err
	}
	line = "qorgan enroll " + address + " " + code
	if pin != "" {
		line += " --pin " + pin
	}
	return line, nil
}

func (d *Door) enroll(w http.ResponseWriter, r *http.Request) {
	if !d.enrols.Allow() {
		refuse(w, http.StatusTooManyRequests, "too many edges enrol at a time")
		return
	}
	b, ok := body(w, r, 4<<10)
	if !ok {
		return
	}
	var a wire.Application
	if err := json.Unmarshal(b, &a); err != nil || len(a.Key) != ed25519.PublicKeySize {
		refuse(w, http.StatusBadRequest, "no application of an edge")
		return
	}
	e := store.Edge{ID: uuid.NewString(), Name: clip(a.Name, 80), Key: a.Key, Enrolled: d.now().UTC(), Version: clip(a.Version, 40)}
	if e.Name == "" {
		e.Name = e.ID[:8]
	}
	switch err := d.db.Enroll(r.Context(), CodeSum(a.Code), e); {
	case errors.Is(err, store.ErrNotFound):
		refuse(w, http.StatusForbidden, "the code is not known, was used, or has expired: make a new one at the console")
	case err != nil:
		d.log.Error().Err(err).Msg("an edge could not enrol")
		refuse(w, http.StatusServiceUnavailable, "the console's store does not take the edge")
	default:
		d.log.Info().Str("edge", e.ID).Str("name", e.Name).Msg("an edge enrolled")
		answer(w, http.StatusOK, wire.Welcome{Edge: e.ID, Key: d.key})
	}
}

// clip makes text that came from elsewhere fit to be shown: valid UTF-8, no
// control characters, at most n bytes.
func clip(s string, n int) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	if len(s) > n {
		s = strings.ToValidUTF8(s[:n], "")
	}
	return strings.TrimSpace(s)
}
