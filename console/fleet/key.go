package fleet

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/qorgan/qorgan/console/store"
)

// keySetting is where the store has the seed of the key that signs decisions:
// every node of a console signs with the same.
const keySetting = "fleet.decision-key"

// Key returns the key with which the console signs decisions, made when there
// is none yet.
func Key(ctx context.Context, db *store.DB) (ed25519.PrivateKey, error) {
	seed := make([]byte, ed25519.SeedSize)
	_, _ = rand.Read(seed) // never fails: crypto/rand
	text, err := db.Setting(ctx, keySetting)
	if errors.Is(err, store.ErrNotFound) {
		text, err = db.EnsureSetting(ctx, keySetting, base64.StdEncoding.EncodeToString(seed))
	}
	if err != nil {
		return nil, fmt.Errorf("key of decisions: %w", err)
	}
	seed, err = base64.StdEncoding.DecodeString(text)
	if err != nil || len(seed) != ed25519.SeedSize {
		return nil, errors.New("key of decisions: the store holds something else")
	}
	return ed25519.NewKeyFromSeed(seed), nil
}
