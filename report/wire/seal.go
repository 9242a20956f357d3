package wire

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// Limits of a batch of decisions. What exceeds them is never sealed and is
// refused when opened, before memory is taken for it.
const (
	MaxDecisions    = 10_000                // changes in a batch
	MaxDecisionText = 256 << 10             // bytes of one decision's text or exclusion
	MaxSealed       = MaxPacked/3*4 + 4<<10 // bytes of a sealed batch
)

// sealedFor separates what is signed here from all else that a key may sign.
const sealedFor = "qorgan decisions v1\n"

// Errors of opening a batch, beside ErrTooBig and ErrDamaged.
var (
	ErrForged = errors.New("decisions are not signed by the console of this edge")
)

// Sealer signs batches. It is safe for concurrent use.
type Sealer struct {
	key  ed25519.PrivateKey
	zstd *zstd.Encoder
}

// NewSealer returns a sealer with the console's key.
func NewSealer(key ed25519.PrivateKey) (*Sealer, error) {
	z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20))
	if err != nil {
		return nil, fmt.Errorf("make sealer: %w", err)
	}
	return &Sealer{key: key, zstd: z}, nil
}

// Seal returns the batch as one line of text. It fails with ErrTooBig.
func (s *Sealer) Seal(b Batch) (string, error) {
	if len(b.Put)+len(b.Drop) > MaxDecisions {
		return "", fmt.Errorf("seal decisions: %w: %d changes", ErrTooBig, len(b.Put)+len(b.Drop))
	}
	plain, err := json.Marshal(b)
	if err != nil {
		return "", fmt.Errorf("seal decisions: %w", err)
	}
	if len(plain) > MaxPlain {
		return "", fmt.Errorf("seal decisions: %w: %d bytes", ErrTooBig, len(plain))
	}
	packed := s.zstd.EncodeAll(plain, nil)
	if len(packed) > MaxPacked {
		return "", fmt.Errorf("seal decisions: %w: %d bytes packed", ErrTooBig, len(packed))
	}
	return base64.RawURLEncoding.EncodeToString(packed) + "." +
		base64.RawURLEncoding.EncodeToString(ed25519.Sign(s.key, append([]byte(sealedFor), packed...))), nil
}

// Opener checks and reads batches of one console. It belongs to one goroutine
// at a time.
type Opener struct {
	key  ed25519.PublicKey
	zstd *zstd.Decoder
}

// NewOpener returns an opener for the console with that key.
func NewOpener(key ed25519.PublicKey) (*Opener, error) {
	if len(key) != ed25519.PublicKeySize {
		return nil, errors.New("make opener: no key of a console")
	}
	z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(MaxPlain), zstd.WithDecoderMaxWindow(8<<20))
	if err != nil {
		return nil, fmt.Errorf("make opener: %w", err)
	}
	return &Opener{key: key, zstd: z}, nil
}

// Close frees the opener.
func (o *Opener) Close() { o.zstd.Close() }

// Open checks the signature before it reads anything else. It fails with
// ErrTooBig, ErrForged or ErrDamaged, and never inflates more than MaxPlain.
func (o *Opener) Open(line string) (Batch, error) {
	if len(line) > MaxSealed {
		return Batch{}, fmt.Errorf("open decisions: %w: %d bytes", ErrTooBig, len(line))
	}
	text, mark, ok := strings.Cut(line, ".")
	packed, err1 := base64.RawURLEncoding.DecodeString(text)
	signature, err2 := base64.RawURLEncoding.DecodeString(mark)
	if !ok || err1 != nil || err2 != nil || !ed25519.Verify(o.key, append([]byte(sealedFor), packed...), signature) {
		return Batch{}, fmt.Errorf("open decisions: %w", ErrForged)
	}
	plain, err := o.zstd.DecodeAll(packed, nil)
	if errors.Is(err, zstd.ErrDecoderSizeExceeded) || errors.Is(err, zstd.ErrWindowSizeExceeded) {
		return Batch{}, fmt.Errorf("open decisions: %w", ErrTooBig)
	}
	var b Batch
	if err == nil {
		err = json.Unmarshal(plain, &b)
	}
	if err != nil {
		return Batch{}, fmt.Errorf("open decisions: %w: %w", ErrDamaged, err)
	}
	if len(b.Put)+len(b.Drop) > MaxDecisions {
		return Batch{}, fmt.Errorf("open decisions: %w: %d changes", ErrTooBig, len(b.Put)+len(b.Drop))
	}
	return b, nil
}
