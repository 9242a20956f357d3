package console

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// token is a device with one passkey, and what it says. A test may spoil any
// of it.
type token struct {
	origin, party string
	key           *ecdsa.PrivateKey
	id            []byte
	count         uint32
	flags         byte
}

func newPasskeyToken(t *testing.T, site string) *token {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(site)
	if err != nil {
		t.Fatal(err)
	}
	id := make([]byte, 16)
	rand.Read(id)
	return &token{origin: site, party: u.Hostname(), key: key, id: id, flags: userPresent | userVerified}
}

func (d *token) says(kind, challenge string) []byte {
	b, _ := json.Marshal(map[string]any{"type": kind, "challenge": challenge, "origin": d.origin, "crossOrigin": false})
	return b
}

func (d *token) data(fresh bool) []byte {
	sum := sha256.Sum256([]byte(d.party))
	flags := d.flags
	if fresh {
		flags |= hasKey
	}
	d.count++
	b := binary.BigEndian.AppendUint32(append(sum[:], flags), d.count)
	if fresh {
		b = append(b, make([]byte, 16)...)
		b = append(binary.BigEndian.AppendUint16(b, uint16(len(d.id))), d.id...)
	}
	return b
}

func (d *token) sign(t *testing.T, client, data []byte) []byte {
	t.Helper()
	sum := sha256.Sum256(client)
	digest := sha256.Sum256(append(append([]byte{}, data...), sum[:]...))
	signature, err := ecdsa.SignASN1(rand.Reader, d.key, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	return signature
}

func (s *site) challenge(path string, form url.Values) string {
	s.t.Helper()
	a := s.post(path, form)
	var asked asks
	if a.StatusCode != http.StatusOK || json.Unmarshal([]byte(a.body), &asked) != nil || len(asked.Challenge) < 43 {
		s.t.Fatalf("%s: %s", path, a.Status)
	}
	return asked.Challenge
}

func url64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func (s *site) addsPasskey(d *token, challenge string) answer {
	s.t.Helper()
	key, err := x509.MarshalPKIXPublicKey(&d.key.PublicKey)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.post("/account/passkeys", url.Values{"client": {url64(d.says("webauthn.create", challenge))}, "data": {url64(d.data(true))}, "key": {url64(key)}})
}

func (s *site) usesPasskey(d *token, challenge string) answer {
	s.t.Helper()
	client, data := d.says("webauthn.get", challenge), d.data(false)
	return s.post("/sign-in/passkey", url.Values{"id": {url64(d.id)}, "client": {url64(client)}, "data": {url64(data)}, "signature": {url64(d.sign(s.t, client, data))}, "to": {"/sites"}})
}

func TestPasskey(t *testing.T) {
	s := newSite(t).signedIn()
	d := newPasskeyToken(t, s.url)
	if a := s.post("/account/passkeys/begin", url.Values{"old": {"wrong"}}); a.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("without the password: %s", a.Status)
	}
	old := url.Values{"old": {goodPassword}}
	for name, spoil := range map[string]func(*token){
		"of another site":  func(d *token) { d.origin = "https://evil.example" },
		"for another site": func(d *token) { d.party = "evil.example" },
		"of a device that has not verified its user": func(d *token) { d.flags = userPresent },
	} {
		bad := *d
		spoil(&bad)
		if a := s.addsPasskey(&bad, s.challenge("/account/passkeys/begin", old)); a.StatusCode != http.StatusUnprocessableEntity {
			t.Errorf("a passkey %s: %s", name, a.Status)
		}
	}
	challenge := s.challenge("/account/passkeys/begin", old)
	if a := s.addsPasskey(d, challenge); a.StatusCode != http.StatusSeeOther {
		t.Fatalf("add: %s", a.Status)
	}
	if a := s.addsPasskey(d, challenge); a.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("a challenge twice: %s", a.Status)
	}

	use := func(spoil func(*token)) answer {
		t.Helper()
		s.client = s.browser()
		bad := *d
		if spoil != nil {
			spoil(&bad)
		}
		a := s.usesPasskey(&bad, s.challenge("/sign-in/passkey/begin", nil))
		d.count = max(d.count, bad.count)
		return a
	}
	other := newPasskeyToken(t, s.url)
	for name, spoil := range map[string]func(*token){
		"of another site":  func(d *token) { d.origin = "https://evil.example" },
		"for another site": func(d *token) { d.party = "evil.example" },
		"of a device that has not verified its user": func(d *token) { d.flags = userPresent },
		"with nobody there":                          func(d *token) { d.flags = userVerified },
		"with another's key":                         func(d *token) { d.key = other.key },
		"of nobody":                                  func(d *token) { d.id = other.id },
		"that was copied":                            func(d *token) { d.count = 0 },
	} {
		if a := use(spoil); a.StatusCode != http.StatusUnauthorized || len(s.client.Jar.Cookies(mustURL(t, s.url))) > 1 {
			t.Errorf("a passkey %s: %s", name, a.Status)
		}
	}
	if a := use(nil); a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != "/sites" {
		t.Fatalf("sign in: %s", a.Status)
	}
	if a := s.get("/account"); a.StatusCode != http.StatusOK || !strings.Contains(a.body, "used just now") {
		t.Errorf("after the passkey: %s", a.Status)
	}
	s.client = s.browser()
	if a := s.usesPasskey(d, "a challenge of nobody's"); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a ceremony: %s", a.Status)
	}
}

func mustURL(t *testing.T, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// FuzzPasskey: whatever an authenticator is said to have said, reading it ends,
// and nothing that was not signed is taken.
func FuzzPasskey(f *testing.F) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		f.Fatal(err)
	}
	p := party{Origin: "https://console.example.kz", ID: "console.example.kz"}
	sum := sha256.Sum256([]byte(p.ID))
	f.Add([]byte(`{"type":"webauthn.get","challenge":"c","origin":"https://console.example.kz"}`), append(sum[:], 5, 0, 0, 0, 1), []byte("signature"))
	f.Add([]byte(`{}`), append(sum[:], 0x45, 0, 0, 0, 1, 0xff), []byte{})
	f.Fuzz(func(t *testing.T, client, data, signature []byte) {
		if _, err := p.assert(credential{Party: p.ID, Key: der}, client, data, signature, "c"); err == nil {
			t.Error("what nobody signed is taken")
		}
		if id, _, err := p.register(client, data, der, "c"); err == nil && (len(id) == 0 || len(data) < 55+len(id)) {
			t.Error("an id that was not there")
		}
	})
}
