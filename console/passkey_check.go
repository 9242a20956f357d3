package console

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
)

// What browser and authenticator say of a passkey (Web Authentication, level 2).
// Attestation is not asked for: a person vouches for his own device. So the
// browser's own reading of the key is enough (5.2.1.1), and no CBOR is read.

// errPasskey says that what came proves nothing. Why is nobody's business.
var errPasskey = errors.New("passkey proves nothing")

// party is who asks for a passkey: the console at one address.
type party struct {
	Origin string // https://console.example.kz
	ID     string // console.example.kz
}

// credential is what is kept of a passkey.
type credential struct {
	Party string `json:"party"` // party.ID
	Key   []byte `json:"key"`   // SubjectPublicKeyInfo
	Count uint32 `json:"count"` // of its signatures; 0 when it does not count
}

// Flags of authenticator data (6.1).
const (
	userPresent  = 1 << 0
	userVerified = 1 << 2
	hasKey       = 1 << 6
)

// authenticatorData is the part of it that is read.
type authenticatorData struct {
	flags byte
	count uint32
	id    []byte // of a new passkey
}

// checkClient reports whether the browser answers this question, of this kind,
// here (7.1 and 7.2, steps on the client data).
func (p party) checkClient(text []byte, kind, challenge string) bool {
	var c struct {
		Type, Challenge, Origin string
		CrossOrigin             bool
	}
	return json.Unmarshal(text, &c) == nil && c.Type == kind && challenge != "" && c.Challenge == challenge && c.Origin == p.Origin && !c.CrossOrigin
}

// read reads authenticator data made for this party, by a device that has
// verified its user.
func (p party) read(b []byte) (authenticatorData, bool) {
	sum := sha256.Sum256([]byte(p.ID))
	if len(b) < 37 || !bytes.Equal(b[:32], sum[:]) {
		return authenticatorData{}, false
	}
	d := authenticatorData{flags: b[32], count: binary.BigEndian.Uint32(b[33:37])}
	if d.flags&userPresent == 0 || d.flags&userVerified == 0 {
		return authenticatorData{}, false
	}
	if d.flags&hasKey != 0 {
		if len(b) < 55 {
			return authenticatorData{}, false
		}
		n := int(binary.BigEndian.Uint16(b[53:55]))
		if n == 0 || n > 1023 || len(b) < 55+n {
			return authenticatorData{}, false
		}
		d.id = b[55 : 55+n]
	}
	return d, true
}

// register returns the id of a new passkey and what to keep of it.
func (p party) register(client, data, key []byte, challenge string) (id []byte, c credential, err error) {
	d, ok := p.read(data)
	if !ok || d.id == nil || !p.checkClient(client, "webauthn.create", challenge) {
		return nil, credential{}, errPasskey
	}
	if _, err := passkeyKey(key); err != nil {
		return nil, credential{}, err
	}
	return d.id, credential{Party: p.ID, Key: key, Count: d.count}, nil
}

// assert returns what to keep of a passkey that signed.
func (p party) assert(c credential, client, data, signature []byte, challenge string) (credential, error) {
	d, ok := p.read(data)
	if !ok || c.Party != p.ID || !p.checkClient(client, "webauthn.get", challenge) {
		return credential{}, errPasskey
	}
	if (d.count != 0 || c.Count != 0) && d.count <= c.Count {
		return credential{}, errPasskey // a copy of it signed before
	}
	key, err := passkeyKey(c.Key)
	if err != nil {
		return credential{}, err
	}
	sum := sha256.Sum256(client)
	signed := append(bytes.Clone(data), sum[:]...)
	digest := sha256.Sum256(signed)
	switch key := key.(type) {
	case *ecdsa.PublicKey:
		ok = ecdsa.VerifyASN1(key, digest[:], signature)
	case ed25519.PublicKey:
		ok = ed25519.Verify(key, signed, signature)
	case *rsa.PublicKey:
		ok = rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], signature) == nil
	}
	if !ok {
		return credential{}, errPasskey
	}
	c.Count = d.count
	return c, nil
}

// passkeyKey reads a key of the kinds that are asked for.
func passkeyKey(der []byte) (any, error) {
	key, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, errPasskey
	}
	switch key := key.(type) {
	case *ecdsa.PublicKey:
		if key.Curve == elliptic.P256() {
			return key, nil
		}
	case ed25519.PublicKey:
		return key, nil
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); bits >= 2048 && bits <= 4096 {
			return key, nil
		}
	}
	return nil, errPasskey
}

// fromURL64 reads what the script sends.
func fromURL64(text string) []byte {
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return nil
	}
	return b
}
