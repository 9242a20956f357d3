package witness

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"sync"
)

// hasher makes the keyed hashes that stand for cookies, users and tokens. The
// parts are length-prefixed, so that no two lists of parts read alike.
type hasher struct{ pool sync.Pool }

type keyed struct {
	mac hash.Hash
	buf []byte
	sum []byte
}

func newHasher(key []byte) *hasher {
	h := &hasher{}
	h.pool.New = func() any {
		return &keyed{mac: hmac.New(sha256.New, key), buf: make([]byte, 0, 512), sum: make([]byte, 0, sha256.Size)}
	}
	return h
}

func (h *hasher) key(parts ...string) (k Key) {
	d := h.pool.Get().(*keyed)
	d.buf = d.buf[:0]
	for _, p := range parts {
		d.buf = binary.AppendUvarint(d.buf, uint64(len(p)))
		d.buf = append(d.buf, p...)
	}
	d.mac.Reset()
	d.mac.Write(d.buf)
	d.sum = d.mac.Sum(d.sum[:0])
	copy(k[:], d.sum)
	clear(d.buf)
	h.pool.Put(d)
	return k
}

// short is the first half of key, never 0.
func (h *hasher) short(parts ...string) uint64 {
	k := h.key(parts...)
	if n := binary.BigEndian.Uint64(k[:]); n != 0 {
		return n
	}
	return 1
}
