package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/klauspost/compress/zstd"
)

// Limits of a frame. What exceeds them is never written and is refused when
// read, before memory is taken for it.
const (
	MaxRecords = 1000     // records in a frame
	MaxPacked  = 1 << 20  // bytes of a frame's payload as stored and sent
	MaxPlain   = 16 << 20 // bytes of a frame's payload once inflated
)

// HeadSize is the length of a frame's head: magic, CRC-32C of the rest,
// payload length, number of records, first and last sequence number, all
// little endian.
const HeadSize = 4 + 4 + 4 + 4 + 8 + 8

var magic = [4]byte{'Q', 'F', 'r', 1}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Errors that callers tell apart.
var (
	ErrShort   = errors.New("frame is cut off")
	ErrDamaged = errors.New("frame is damaged")
	ErrTooBig  = errors.New("frame exceeds its limits")
)

// Head is what a frame says about itself. A frame holds the records First to
// Last, in order. Count is smaller than their number when records were folded
// into fewer.
type Head struct {
	First, Last uint64
	Count       int
	Size        int // of the whole frame, bytes
}

// Encoder makes frames.
type Encoder struct {
	zstd  *zstd.Encoder
	plain []byte
}

// NewEncoder returns an encoder of one goroutine.
func NewEncoder() (*Encoder, error) { return newEncoder(zstd.SpeedDefault) }

// NewPacker returns an encoder of one goroutine that takes twice the time of
// NewEncoder's for an eighth less: for what may lie on the disk for days.
func NewPacker() (*Encoder, error) { return newEncoder(zstd.SpeedBetterCompression) }

func newEncoder(level zstd.EncoderLevel) (*Encoder, error) {
	z, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(level), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20))
	if err != nil {
		return nil, fmt.Errorf("make encoder: %w", err)
	}
	return &Encoder{zstd: z}, nil
}

// Append appends a frame with records to dst. It fails with ErrTooBig when
// they do not fit into one frame; then dst is as it was.
func (e *Encoder) Append(dst []byte, first, last uint64, records [][]byte) ([]byte, error) {
	if len(records) == 0 || len(records) > MaxRecords || last < first || uint64(len(records)) > last-first+1 {
		return dst, fmt.Errorf("%w: %d records of %d-%d", ErrTooBig, len(records), first, last)
	}
	e.plain = e.plain[:0]
	for _, r := range records {
		e.plain = binary.AppendUvarint(e.plain, uint64(len(r)))
		e.plain = append(e.plain, r...)
	}
	if len(e.plain) > MaxPlain {
		return dst, fmt.Errorf("%w: %d bytes", ErrTooBig, len(e.plain))
	}
	start := len(dst)
	out := append(dst, make([]byte, HeadSize)...)
	out = e.zstd.EncodeAll(e.plain, out)
	head, packed := out[start:start+HeadSize], len(out)-start-HeadSize
	if packed > MaxPacked {
		return dst, fmt.Errorf("%w: %d bytes packed", ErrTooBig, packed)
	}
	copy(head, magic[:])
	binary.LittleEndian.PutUint32(head[8:], uint32(packed))
	binary.LittleEndian.PutUint32(head[12:], uint32(len(records)))
	binary.LittleEndian.PutUint64(head[16:], first)
	binary.LittleEndian.PutUint64(head[24:], last)
	binary.LittleEndian.PutUint32(head[4:], crc32.Checksum(out[start+8:], castagnoli))
	return out, nil
}

// ReadHead reads the head of the frame at the start of b, which need not hold
// more than the head. It fails with ErrShort, ErrDamaged or ErrTooBig.
func ReadHead(b []byte) (Head, error) {
	if len(b) < HeadSize {
		return Head{}, ErrShort
	}
	if !bytes.Equal(b[:4], magic[:]) {
		return Head{}, ErrDamaged
	}
	h := Head{
		First: binary.LittleEndian.Uint64(b[16:]),
		Last:  binary.LittleEndian.Uint64(b[24:]),
	}
	packed, count := binary.LittleEndian.Uint32(b[8:]), binary.LittleEndian.Uint32(b[12:])
	if packed > MaxPacked || count > MaxRecords {
		return Head{}, ErrTooBig
	}
	if count == 0 || h.Last < h.First || uint64(count)-1 > h.Last-h.First {
		return Head{}, ErrDamaged
	}
	h.Count, h.Size = int(count), HeadSize+int(packed)
	return h, nil
}

// Check reads the frame at the start of b and compares its checksum. It does
// not inflate. It fails as ReadHead does.
func Check(b []byte) (Head, error) {
	h, err := ReadHead(b)
	if err != nil {
		return h, err
	}
	if len(b) < h.Size {
		return h, ErrShort
	}
	if crc32.Checksum(b[8:h.Size], castagnoli) != binary.LittleEndian.Uint32(b[4:]) {
		return h, ErrDamaged
	}
	return h, nil
}

// Find returns the offset of the next place in b, after its first byte, where
// a frame may begin, or -1.
func Find(b []byte) int {
	if len(b) < 2 {
		return -1
	}
	if i := bytes.Index(b[1:], magic[:]); i >= 0 {
		return i + 1
	}
	return -1
}

// Decoder reads frames.
type Decoder struct{ zstd *zstd.Decoder }

// NewDecoder returns a decoder of one goroutine.
func NewDecoder() (*Decoder, error) {
	z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(MaxPlain), zstd.WithDecoderMaxWindow(8<<20))
	if err != nil {
		return nil, fmt.Errorf("make decoder: %w", err)
	}
	return &Decoder{zstd: z}, nil
}

// Records returns the records of the frame at the start of b, which share
// memory with nothing. It fails as Check does, and never inflates more than
// MaxPlain.
func (d *Decoder) Records(b []byte) (Head, [][]byte, error) {
	h, err := Check(b)
	if err != nil {
		return h, nil, err
	}
	plain, err := d.zstd.DecodeAll(b[HeadSize:h.Size], nil)
	if errors.Is(err, zstd.ErrDecoderSizeExceeded) || errors.Is(err, zstd.ErrWindowSizeExceeded) {
		return h, nil, ErrTooBig
	}
	if err != nil {
		return h, nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	records := make([][]byte, 0, h.Count)
	for len(plain) > 0 {
		n, used := binary.Uvarint(plain)
		if used <= 0 || n > uint64(len(plain)-used) || len(records) == h.Count {
			return h, nil, ErrDamaged
		}
		records = append(records, plain[used:used+int(n):used+int(n)])
		plain = plain[used+int(n):]
	}
	if len(records) != h.Count {
		return h, nil, ErrDamaged
	}
	return h, records, nil
}

// Close frees the decoder.
func (d *Decoder) Close() { d.zstd.Close() }
