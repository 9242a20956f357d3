package report

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/qorgan/qorgan/internal/replace"
	"github.com/qorgan/qorgan/report/wire"
)

// Enrolment is an edge's membership: whom it reports to, and the key that
// proves who it is. It is a secret.
type Enrolment struct {
	Console string `json:"console"` // https://host[:port]
	Edge    string `json:"edge"`    // its id there
	Name    string `json:"name"`
	Seed    []byte `json:"seed"`            // of its Ed25519 key
	Roots   string `json:"roots,omitempty"` // PEM; the system's when empty

	// ConsoleKey is what the console signs decisions with, pinned when the edge
	// enrolled. Without it the edge takes none.
	ConsoleKey ed25519.PublicKey `json:"console_key,omitempty"`
}

// key returns the edge's private key.
func (e Enrolment) key() (ed25519.PrivateKey, error) {
	if len(e.Seed) != ed25519.SeedSize {
		return nil, errors.New("the enrolment holds no key")
	}
	return ed25519.NewKeyFromSeed(e.Seed), nil
}

// LoadEnrolment reads an enrolment. It fails with os.ErrNotExist when the edge
// is not enrolled.
func LoadEnrolment(path string) (Enrolment, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return Enrolment{}, fmt.Errorf("read enrolment: %w", err)
	}
	var e Enrolment
	if err := json.Unmarshal(b, &e); err != nil {
		return Enrolment{}, fmt.Errorf("read enrolment %s: %w", path, err)
	}
	if _, err := e.key(); err != nil {
		return Enrolment{}, fmt.Errorf("read enrolment %s: %w", path, err)
	}
	if _, err := consoleURL(e.Console); err != nil {
		return Enrolment{}, fmt.Errorf("read enrolment %s: %w", path, err)
	}
	return e, nil
}

// Save writes the enrolment for its owner's eyes only.
func (e Enrolment) Save(path string) error {
	b, err := json.MarshalIndent(e, "", "  ")
	if err != nil {
		return err
	}
	if err := replace.Bytes(path, 0o600, append(b, '\n')); err != nil {
		return fmt.Errorf("save enrolment: %w", err)
	}
	return nil
}

func consoleURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil {
		return nil, fmt.Errorf("console's address: %w", err)
	}
	loopback := u.Hostname() == "localhost" || strings.HasPrefix(u.Hostname(), "127.") || u.Hostname() == "::1"
	if u.Host == "" || u.Path != "" && u.Path != "/" || u.Scheme != "https" && !(u.Scheme == "http" && loopback) {
		return nil, fmt.Errorf("console's address %q is not like https://console.example.kz", s)
	}
	return &url.URL{Scheme: u.Scheme, Host: u.Host}, nil
}

// client returns a client that trusts roots, PEM, or the system's when empty.
func client(roots string) (*http.Client, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if roots != "" {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM([]byte(roots)) {
			return nil, errors.New("the enrolment's roots cannot be read")
		}
	}
	return &http.Client{
		Transport: &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 1, IdleConnTimeout: time.Minute},
		Timeout:   time.Minute,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return errors.New("the console redirects: enrol with the address it redirects to")
		},
	}, nil
}

// Enroll joins the console at address with a code that it gave out. pin is the
// SHA-256, hexadecimal, of the root certificate that the console shows; empty
// asks the system's roots. The key is made here and its private half is never
// sent.
func Enroll(ctx context.Context, address, code, pin, name, version string) (Enrolment, error) {
	u, err := consoleURL(address)
	if err != nil {
		return Enrolment{}, fmt.Errorf("enrol: %w", err)
	}
	e := Enrolment{Console: u.String(), Name: name}
	if pin != "" {
		if e.Roots, err = pinned(ctx, u, pin); err != nil {
			return Enrolment{}, fmt.Errorf("enrol: %w", err)
		}
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return Enrolment{}, fmt.Errorf("enrol: make key: %w", err)
	}
	e.Seed = private.Seed()
	c, err := client(e.Roots)
	if err != nil {
		return Enrolment{}, fmt.Errorf("enrol: %w", err)
	}
	defer c.CloseIdleConnections()
	application, err := json.Marshal(wire.Application{Code: code, Key: public, Name: name, Version: version})
	if err != nil {
		return Enrolment{}, fmt.Errorf("enrol: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String()+wire.PathEnroll, bytes.NewReader(application))
	if err != nil {
		return Enrolment{}, fmt.Errorf("enrol: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := c.Do(request)
	if err != nil {
		return Enrolment{}, fmt.Errorf("enrol: %w", err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, 4<<10))
	if err != nil {
		return Enrolment{}, fmt.Errorf("enrol: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return Enrolment{}, fmt.Errorf("enrol: %s: %s", response.Status, why(text))
	}
	var w wire.Welcome
	if err := json.Unmarshal(text, &w); err != nil || w.Edge == "" {
		return Enrolment{}, fmt.Errorf("enrol: %s does not answer as a console", address)
	}
	e.Edge, e.ConsoleKey = w.Edge, w.Key
	return e, nil
}

// why returns what a refusal says.
func why(text []byte) string {
	var r wire.Receipt
	if json.Unmarshal(text, &r) == nil && r.Error != "" {
		return r.Error
	}
	return "not a console's answer"
}

// pinned returns the certificate with that SHA-256 out of those the console
// shows, provided that the console's own was issued by it.
func pinned(ctx context.Context, u *url.URL, pin string) (string, error) {
	want, err := hex.DecodeString(strings.ReplaceAll(pin, ":", ""))
	if err != nil || len(want) != sha256.Size {
		return "", errors.New("the pin is not a SHA-256 in hexadecimal")
	}
	var root *x509.Certificate
	dialer := tls.Dialer{Config: &tls.Config{
		MinVersion: tls.VersionTLS12, ServerName: u.Hostname(),
		InsecureSkipVerify: true, // the pin is checked instead
		VerifyConnection: func(s tls.ConnectionState) error {
			for _, c := range s.PeerCertificates {
				if sum := sha256.Sum256(c.Raw); subtle.ConstantTimeCompare(sum[:], want) == 1 {
					root = c
				}
			}
			if root == nil {
				return errors.New("the console shows another certificate than the one that was pinned")
			}
			pool := x509.NewCertPool()
			pool.AddCert(root)
			_, err := s.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: pool, DNSName: u.Hostname()})
			return err
		},
	}}
	port := u.Port()
	if port == "" {
		port = "443"
	}
	conn, err := dialer.DialContext(ctx, "tcp", u.Hostname()+":"+port)
	if err != nil {
		return "", err
	}
	if err := conn.Close(); err != nil {
		return "", err
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Raw})), nil
}
