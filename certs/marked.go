package certs

import (
	"context"
	"errors"
	"io/fs"

	"github.com/caddyserver/certmagic"
)

// storageError marks an error of the storage, which says so in its own words:
// what is there is no error, and who stopped asking knows why.
type storageError struct{ err error }

func (e *storageError) Error() string { return e.err.Error() }
func (e *storageError) Unwrap() error { return e.err }

func mark(err error) error {
	if err == nil || errors.Is(err, fs.ErrNotExist) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return &storageError{err}
}

// marked is a storage whose errors are marked as its own.
type marked struct{ of Storage }

func (m marked) Lock(ctx context.Context, name string) error   { return mark(m.of.Lock(ctx, name)) }
func (m marked) Unlock(ctx context.Context, name string) error { return mark(m.of.Unlock(ctx, name)) }
func (m marked) Store(ctx context.Context, key string, value []byte) error {
	return mark(m.of.Store(ctx, key, value))
}
func (m marked) Load(ctx context.Context, key string) ([]byte, error) {
	b, err := m.of.Load(ctx, key)
	return b, mark(err)
}
func (m marked) Delete(ctx context.Context, key string) error { return mark(m.of.Delete(ctx, key)) }
func (m marked) Exists(ctx context.Context, key string) bool  { return m.of.Exists(ctx, key) }
func (m marked) List(ctx context.Context, below string, recursive bool) ([]string, error) {
	keys, err := m.of.List(ctx, below, recursive)
	return keys, mark(err)
}
func (m marked) Stat(ctx context.Context, key string) (certmagic.KeyInfo, error) {
	info, err := m.of.Stat(ctx, key)
	return info, mark(err)
}
