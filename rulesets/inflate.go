package rulesets

import (
	"bytes"
	"io"
	"strings"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
)

// decoder returns how a content coding is undone, or nil when it is unknown.
// The rules read a decoded copy; the visitor gets what the upstream sent.
func decoder(coding string) func(io.Reader) (io.Reader, error) {
	switch strings.ToLower(strings.TrimSpace(coding)) {
	case "gzip", "x-gzip":
		return func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) }
	case "br":
		return func(r io.Reader) (io.Reader, error) { return brotli.NewReader(r), nil }
	case "zstd":
		return func(r io.Reader) (io.Reader, error) {
			return zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(8<<20))
		}
	case "deflate":
		return func(r io.Reader) (io.Reader, error) {
			b, err := io.ReadAll(r)
			if err != nil {
				return nil, err
			}
			// Servers send both forms of "deflate" (RFC 9110, 8.4.1.2).
			if z, err := zlib.NewReader(bytes.NewReader(b)); err == nil {
				return z, nil
			}
			return flate.NewReader(bytes.NewReader(b)), nil
		}
	}
	return nil
}

// inflate decodes as much of a page as the rules read. A page that does not
// decode, or is cut off, is read as far as it goes.
func inflate(coding string, page []byte) []byte {
	open := decoder(coding)
	if open == nil {
		return page
	}
	r, err := open(bytes.NewReader(page))
	if err != nil {
		return page
	}
	if c, ok := r.(interface{ Close() }); ok { // zstd
		defer c.Close()
	}
	var out bytes.Buffer
	_, _ = io.Copy(&out, io.LimitReader(r, maxResponse))
	return out.Bytes()
}
