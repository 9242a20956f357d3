package certs

import (
	"context"
	"encoding/pem"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/caddyserver/certmagic"
	"github.com/rs/zerolog"
)

// damagedSuffix is added to the name of a file that was set aside.
const damagedSuffix = ".damaged"

// storage is a folder of accounts, keys and certificates. A certificate or key
// that is no PEM any more is set aside, so that it is obtained anew: the
// library orders nothing for a name whose files are there.
type storage struct {
	*certmagic.FileStorage
	log zerolog.Logger
}

// Load returns what is stored under key. What it sets aside does not exist for
// the caller.
func (s *storage) Load(ctx context.Context, key string) ([]byte, error) {
	b, err := s.FileStorage.Load(ctx, key)
	if err != nil || !ofCertificate(key) {
		return b, err
	}
	if block, _ := pem.Decode(b); block != nil {
		return b, nil
	}
	path := s.Filename(key)
	if err := os.Rename(path, path+damagedSuffix); err != nil {
		return nil, fmt.Errorf("set aside damaged %s: %w", path, err)
	}
	s.log.Error().Str("file", path+damagedSuffix).Msg("a stored certificate or key is damaged: set aside, a new one will be asked for")
	return nil, fs.ErrNotExist
}

// ofCertificate reports whether key names a certificate or its key; an
// account's key, which would be lost with what hangs on it, is neither.
func ofCertificate(key string) bool {
	return strings.HasPrefix(key, "certificates/") && (strings.HasSuffix(key, ".crt") || strings.HasSuffix(key, ".key"))
}
