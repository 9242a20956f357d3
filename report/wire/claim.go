package wire

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Paths at the console's address. What changes their meaning changes v1.
const (
	PathEnroll    = "/fleet/v1/enroll"
	PathReports   = "/fleet/v1/reports"
	PathDecisions = "/fleet/v1/decisions" // a held stream of server-sent events
	PathSaid      = "/fleet/v1/said"
)

// scheme is the authentication scheme of an edge's requests.
const scheme = "Qorgan "

// ErrUnsigned says that a request is not signed as it should be.
var ErrUnsigned = errors.New("request is not signed by an edge")

// Claim is what an edge signs of every request: who it is, what it asks and
// the body it sends. A request that is sent again changes nothing at the
// console, so a claim needs no nonce; its time tells the console how far the
// edge's clock is off.
type Claim struct {
	Edge    string    `json:"edge"`
	Boot    string    `json:"boot"` // the process, a new name at every start
	Version string    `json:"version"`
	Time    time.Time `json:"time"`
	Waiting int64     `json:"waiting"` // records that the edge still holds
	Method  string    `json:"method"`
	Target  string    `json:"target"` // path and query
	Body    string    `json:"body"`   // SHA-256, hexadecimal
}

// Sum returns a body's SHA-256 as it stands in a claim.
func Sum(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// Sign returns the value of the Authorization header.
func (c Claim) Sign(key ed25519.PrivateKey) (string, error) {
	b, err := json.Marshal(c)
	if err != nil {
		return "", fmt.Errorf("sign request: %w", err)
	}
	return scheme + base64.RawURLEncoding.EncodeToString(b) + "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(key, b)), nil
}

// Signed is a claim that nobody has checked yet.
type Signed struct {
	Claim
	text, signature []byte
}

// ParseClaim reads an Authorization header of at most 4 KiB. It fails with
// ErrUnsigned.
func ParseClaim(header string) (Signed, error) {
	token, ok := strings.CutPrefix(header, scheme)
	text, signature, dotted := strings.Cut(token, ".")
	if !ok || !dotted || len(token) > 4<<10 {
		return Signed{}, ErrUnsigned
	}
	var s Signed
	var err error
	if s.text, err = base64.RawURLEncoding.DecodeString(text); err != nil {
		return Signed{}, ErrUnsigned
	}
	if s.signature, err = base64.RawURLEncoding.DecodeString(signature); err != nil {
		return Signed{}, ErrUnsigned
	}
	if json.Unmarshal(s.text, &s.Claim) != nil {
		return Signed{}, ErrUnsigned
	}
	return s, nil
}

// Check compares the claim with the key of the edge that it names and with the
// request that it came with. It fails with ErrUnsigned.
func (s Signed) Check(key ed25519.PublicKey, method, target string, body []byte) error {
	if len(key) != ed25519.PublicKeySize || !ed25519.Verify(key, s.text, s.signature) ||
		s.Method != method || s.Target != target || s.Body != Sum(body) {
		return ErrUnsigned
	}
	return nil
}

// Application is what an edge sends to enrol.
type Application struct {
	Code    string            `json:"code"`
	Key     ed25519.PublicKey `json:"key"`
	Name    string            `json:"name"` // what people shall call it
	Version string            `json:"version"`
}

// Welcome is what it is answered.
type Welcome struct {
	Edge string            `json:"edge"`          // its id from now on
	Key  ed25519.PublicKey `json:"key,omitempty"` // with which the console signs decisions
}

// Receipt answers reports.
type Receipt struct {
	Committed uint64 `json:"committed"`       // up to where the lane's records are durable
	Error     string `json:"error,omitempty"` // why nothing was taken, for the edge's log
}
