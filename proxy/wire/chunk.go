package wire

import (
	"bytes"
	"math"
)

const (
	sizeDigits     = 16
	extensionBytes = 256
	chunkLine      = sizeDigits + extensionBytes + 2
	trailerBytes   = 2 << 10 // with the last chunk's line
	trailerLines   = 16

	// overheadBytes bounds what a body may carry besides data, counted as
	// net/http does (16 bytes a chunk and twice the data are free), at half of
	// what it allows: ours is the refusal that has a name.
	overheadBytes = 8 << 10
)

// part is where in a chunked body (RFC 9112, section 7.1) reading is.
type part int

const (
	partSize part = iota
	partData
	partEnd
	partTrailer
)

// chunks is what is known of the chunked body being read.
type chunks struct {
	part     part
	left     uint64 // data of this chunk still to come
	search   int    // no LF before here, counted from the first byte held back
	held     int    // the last chunk's line and trailer lines, not yet handed over
	lines    int    // of the trailer
	overhead int64
}

// scanChunks goes on with a chunked body. It reports whether there is something
// to hand over.
func (c *Conn) scanChunks() bool {
	k := &c.chunks
	b := c.buf[c.r:c.w]
	switch k.part {
	case partSize:
		return c.scanSize(b)
	case partData:
		if len(b) == 0 {
			return false
		}
		n := int(min(uint64(len(b)), k.left))
		if k.left -= uint64(n); k.left == 0 {
			k.part = partEnd
		}
		c.hand(n)
		return true
	case partEnd:
		if len(b) > 0 && b[0] != '\r' || len(b) > 1 && b[1] != '\n' {
			c.refuseBody(refusal(ChunkEnd, nil))
			return true
		}
		if len(b) < 2 {
			return false
		}
		k.part = partSize
		c.hand(2)
		return true
	}
	return c.scanTrailer(b)
}

// hand makes the next n bytes of the buffer ready for net/http.
func (c *Conn) hand(n int) {
	c.ready = c.buf[c.r : c.r+n]
	c.r += n
}

func (c *Conn) scanSize(b []byte) bool {
	k := &c.chunks
	i := bytes.IndexByte(b[k.search:], '\n')
	if i < 0 {
		if k.search = len(b); len(b) < chunkLine {
			return false
		}
		c.refuseBody(lineTooLong(b))
		return true
	}
	end := k.search + i
	k.search = 0
	if end >= chunkLine {
		c.refuseBody(lineTooLong(b))
		return true
	}
	line := b[:end]
	if len(line) == 0 || line[len(line)-1] != '\r' {
		c.refuseBody(refusal(BareLF, line))
		return true
	}
	line = line[:len(line)-1]
	size, name := chunkSize(line)
	if name == "" && k.spend(len(line), size) {
		name = ChunkExtension
	}
	if name != "" {
		c.refuseBody(refusal(name, line))
		return true
	}
	if size == 0 {
		// Held back until the trailer is known to be good: net/http takes the
		// body's end from this line.
		k.part, k.held, k.search = partTrailer, end+1, end+1
		return c.scanTrailer(b)
	}
	k.part, k.left = partData, size
	c.hand(end + 1)
	return true
}

// lineTooLong names what a chunk's line of more than chunkLine bytes is too
// long with.
func lineTooLong(b []byte) *Refusal {
	if bytes.IndexByte(b[:min(len(b), sizeDigits+1)], ';') < 0 {
		return refusal(ChunkSize, b)
	}
	return refusal(ChunkExtension, b)
}

// spend counts overhead and reports whether there was too much.
func (k *chunks) spend(line int, size uint64) bool {
	k.overhead += int64(line) + 2 - 16
	if size > math.MaxInt64/4 {
		k.overhead = 0
	} else if k.overhead -= 2 * int64(size); k.overhead < 0 {
		k.overhead = 0
	}
	return k.overhead > overheadBytes
}

// chunkSize reads a chunk's line. White space, which RFC 9112 lets a recipient
// accept around ";" and "=", is refused: it is where readers differ.
func chunkSize(line []byte) (size uint64, bad string) {
	n := 0
	for n < len(line) && class[line[n]]&isHex != 0 {
		if n == sizeDigits {
			return 0, ChunkSize
		}
		size = size<<4 | uint64(nibble(line[n]))
		n++
	}
	if bytes.IndexByte(line, '\r') >= 0 {
		return 0, BareCR
	}
	if n == 0 || size > math.MaxInt64 || n < len(line) && line[n] != ';' {
		return 0, ChunkSize
	}
	ext := line[n:]
	if len(ext) > extensionBytes {
		return 0, ChunkExtension
	}
	for len(ext) > 0 {
		rest, ok := extension(ext)
		if !ok {
			return 0, ChunkExtension
		}
		ext = rest
	}
	return size, ""
}

func nibble(b byte) byte {
	if b <= '9' {
		return b - '0'
	}
	return (b | 0x20) - 'a' + 10
}

// extension reads one ";name" or ";name=value" and returns what follows.
func extension(ext []byte) (rest []byte, ok bool) {
	if ext[0] != ';' {
		return nil, false
	}
	name, rest := word(ext[1:])
	if len(name) == 0 {
		return nil, false
	}
	if len(rest) == 0 || rest[0] != '=' {
		return rest, true
	}
	rest = rest[1:]
	if len(rest) == 0 || rest[0] != '"' {
		value, rest := word(rest)
		return rest, len(value) > 0
	}
	for i := 1; i < len(rest); i++ {
		switch b := rest[i]; {
		case b == '"':
			return rest[i+1:], true
		case b == '\\' && i+1 < len(rest):
			if i++; class[rest[i]]&isValue == 0 {
				return nil, false
			}
		case class[b]&isValue == 0:
			return nil, false
		}
	}
	return nil, false
}

func word(b []byte) (token, rest []byte) {
	n := 0
	for n < len(b) && class[b[n]]&isToken != 0 {
		n++
	}
	return b[:n], b[n:]
}

// scanTrailer reads trailer lines until the empty one ends the body.
func (c *Conn) scanTrailer(b []byte) bool {
	k := &c.chunks
	for {
		i := bytes.IndexByte(b[k.search:], '\n')
		if i < 0 {
			if k.search = len(b); len(b) >= trailerBytes {
				c.refuseBody(refusal(TrailerTooLarge, nil))
				return true
			}
			return false
		}
		end := k.search + i
		if end >= trailerBytes {
			c.refuseBody(refusal(TrailerTooLarge, nil))
			return true
		}
		line := b[k.held:end]
		if len(line) == 0 || line[len(line)-1] != '\r' {
			c.refuseBody(refusal(BareLF, line))
			return true
		}
		k.held, k.search = end+1, end+1
		if len(line) == 1 {
			c.hand(end + 1)
			c.finishBody()
			return true
		}
		if k.lines++; k.lines > trailerLines {
			c.refuseBody(refusal(TrailerTooLarge, nil))
			return true
		}
		if r := trailerLine(line[:len(line)-1]); r != nil {
			c.refuseBody(r)
			return true
		}
	}
}

// trailerLine judges one trailer line as a header line, and by its name.
func trailerLine(line []byte) *Refusal {
	var s scan
	s.field(line, 0)
	if s.bad != nil {
		return s.bad
	}
	name := string(line[:s.lines[0].colon])
	if !Plain(name) || hop(name) || reserved(name) {
		return refusal(TrailerForbidden, []byte(name))
	}
	return nil
}
