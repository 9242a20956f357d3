package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"testing"
)

func encode(t testing.TB, first, last uint64, records ...[]byte) []byte {
	t.Helper()
	e, err := NewEncoder()
	if err != nil {
		t.Fatal(err)
	}
	b, err := e.Append(nil, first, last, records)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func decoder(t testing.TB) *Decoder {
	t.Helper()
	d, err := NewDecoder()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d
}

func TestFrame(t *testing.T) {
	want := [][]byte{[]byte("one"), {}, bytes.Repeat([]byte("three "), 5000)}
	b := encode(t, 7, 9, want...)
	b = append(b, "what follows"...)
	h, got, err := decoder(t).Records(b)
	if err != nil {
		t.Fatal(err)
	}
	if h != (Head{First: 7, Last: 9, Count: 3, Size: len(b) - len("what follows")}) {
		t.Errorf("head %+v", h)
	}
	for i := range want {
		if !bytes.Equal(got[i], want[i]) {
			t.Errorf("record %d: %.40q", i, got[i])
		}
	}
}

func TestFrameThatCanNotBe(t *testing.T) {
	e, err := NewEncoder()
	if err != nil {
		t.Fatal(err)
	}
	for name, f := range map[string]struct {
		first, last uint64
		records     [][]byte
	}{
		"no record":                   {1, 1, nil},
		"more records than numbers":   {1, 1, make([][]byte, 2)},
		"numbers backwards":           {2, 1, make([][]byte, 1)},
		"too many records":            {1, 5000, make([][]byte, MaxRecords+1)},
		"too many bytes when plain":   {1, 1, [][]byte{make([]byte, MaxPlain)}},
		"too many bytes even packed ": {1, 1, [][]byte{noise(2 * MaxPacked)}},
	} {
		if b, err := e.Append([]byte("before"), f.first, f.last, f.records); !errors.Is(err, ErrTooBig) || string(b) != "before" {
			t.Errorf("%s: %v, %d bytes", name, err, len(b))
		}
	}
}

// noise does not compress.
func noise(n int) []byte {
	b := make([]byte, n)
	x := uint64(88172645463325252)
	for i := range b {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		b[i] = byte(x)
	}
	return b
}

// TestEveryFlipIsSeen changes each byte of a frame, and cuts it at each.
func TestEveryFlipIsSeen(t *testing.T) {
	b := encode(t, 1, 4, []byte("a"), []byte("bb"), []byte("ccc"))
	d := decoder(t)
	for i := range b {
		b[i] ^= 0x10
		if _, _, err := d.Records(b); err == nil {
			t.Errorf("byte %d changed unseen", i)
		}
		b[i] ^= 0x10
		if _, _, err := d.Records(b[:i]); !errors.Is(err, ErrShort) {
			t.Errorf("cut at %d: %v", i, err)
		}
	}
}

// TestBomb: a frame whose checksum is right and whose payload inflates beyond
// the limit is refused at the limit.
func TestBomb(t *testing.T) {
	e, err := NewEncoder()
	if err != nil {
		t.Fatal(err)
	}
	b := append(make([]byte, 0, 1<<20), encode(t, 1, 1, []byte("x"))[:HeadSize]...)
	b = e.zstd.EncodeAll(make([]byte, 256<<20), b)
	binary.LittleEndian.PutUint32(b[8:], uint32(len(b)-HeadSize))
	binary.LittleEndian.PutUint32(b[4:], crc32.Checksum(b[8:], castagnoli))
	if _, _, err := decoder(t).Records(b); !errors.Is(err, ErrTooBig) {
		t.Errorf("%v", err)
	}
}

func TestFind(t *testing.T) {
	good := encode(t, 1, 1, []byte("x"))
	b := append([]byte("QFr\x01 broken head and payload"), good...)
	if at := Find(b); at != len(b)-len(good) {
		t.Errorf("%d", at)
	}
	if at := Find(good); at != -1 {
		t.Errorf("a lone frame holds another at %d", at)
	}
}

// FuzzRecords: whatever bytes come, the decoder keeps its limits, and what it
// accepts is what an encoder makes again.
func FuzzRecords(f *testing.F) {
	f.Add(encode(f, 1, 1, []byte("x")))
	f.Add(encode(f, 5, 104, []byte("folded"), nil))
	f.Add([]byte("QFr\x01"))
	f.Fuzz(func(t *testing.T, b []byte) {
		d := decoder(t)
		h, records, err := d.Records(b)
		if err != nil {
			return
		}
		if len(records) != h.Count || h.Size > len(b) {
			t.Fatalf("%+v with %d records of %d bytes", h, len(records), len(b))
		}
		again, same, err := d.Records(encode(t, h.First, h.Last, records...))
		if err != nil || again.First != h.First || again.Last != h.Last || len(same) != len(records) {
			t.Fatalf("%+v became %+v, %v", h, again, err)
		}
		for i := range same {
			if !bytes.Equal(same[i], records[i]) {
				t.Fatalf("record %d changed", i)
			}
		}
	})
}
