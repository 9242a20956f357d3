package certs

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

// sealedType is the PEM type of a key that is encrypted.
const sealedType = "QORGAN SEALED KEY"

var errSealed = errors.New("it is encrypted, and tls.storage_key is not set")

// sealed is a storage in which private keys are encrypted with AES-256-GCM, each
// bound to its name.
type sealed struct {
	Storage
	aead cipher.AEAD
}

// Sealed returns s with private keys encrypted under key, 32 bytes in base64 as
// `openssl rand -base64 32` makes them. Keys that lie in s unencrypted are read
// as they are, and encrypted when they are written next.
func Sealed(s Storage, key string) (Storage, error) {
	b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(key))
	if err != nil || len(b) != 32 {
		return nil, errors.New("read storage key: it is not 32 bytes in base64")
	}
	block, err := aes.NewCipher(b)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, err
	}
	return &sealed{s, aead}, nil
}

// isKey reports whether name is that of a private key, of a certificate or of an
// account.
func isKey(name string) bool {
	return strings.HasSuffix(strings.TrimSuffix(name, damagedSuffix), ".key")
}

// Store encrypts what is a private key. What was set aside is sealed already.
func (s *sealed) Store(ctx context.Context, name string, value []byte) error {
	if isKey(name) {
		box := s.aead.Seal(nil, nil, value, []byte(strings.TrimSuffix(name, damagedSuffix)))
		value = pem.EncodeToMemory(&pem.Block{Type: sealedType, Bytes: box})
	}
	return s.Storage.Store(ctx, name, value)
}

// Load decrypts.
func (s *sealed) Load(ctx context.Context, name string) ([]byte, error) {
	b, err := s.Storage.Load(ctx, name)
	if err != nil || !isKey(name) {
		return b, err
	}
	block, _ := pem.Decode(b)
	if block == nil || block.Type != sealedType {
		return b, nil
	}
	value, err := s.aead.Open(nil, nil, block.Bytes, []byte(strings.TrimSuffix(name, damagedSuffix)))
	if err != nil {
		return nil, fmt.Errorf("decrypt %s: tls.storage_key is not the key it was encrypted with, or it is damaged", name)
	}
	return value, nil
}
