package peek

import (
	"bytes"
	"compress/gzip"
	"io"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
)

// Plain undoes an answer's Content-Encoding as far as the bytes at hand reach,
// to at most limit bytes. An encoding it does not know gives nothing.
func Plain(encoding string, raw []byte, limit int64) []byte {
	var r io.Reader
	switch encoding {
	case "", "identity":
		return raw[:min(len(raw), int(limit))]
	case "gzip", "x-gzip":
		z, err := gzip.NewReader(bytes.NewReader(raw))
		if err != nil {
			return nil
		}
		r = z
	case "br":
		r = brotli.NewReader(bytes.NewReader(raw))
	case "zstd":
		z, err := zstd.NewReader(bytes.NewReader(raw), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(16<<20))
		if err != nil {
			return nil
		}
		defer z.Close()
		r = z
	default:
		return nil
	}
	// The error is expected: the stream is cut where peeking stopped.
	head, _ := io.ReadAll(io.LimitReader(r, limit))
	return head
}
