package streams

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// given is a connection from which given bytes come, so many at a time.
type given struct {
	net.Conn
	b     []byte
	piece int
	said  bytes.Buffer
}

func (g *given) Read(p []byte) (int, error) {
	if len(g.b) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), g.piece)], g.b)
	g.b = g.b[n:]
	return n, nil
}

func (g *given) Write(p []byte) (int, error)      { return g.said.Write(p) }
func (g *given) SetWriteDeadline(time.Time) error { return nil }

// client writes frames.
type client struct {
	*http2.Framer
	out   bytes.Buffer
	block bytes.Buffer
	enc   *hpack.Encoder
	id    uint32
}

func newClient() *client {
	c := &client{id: 1}
	c.Framer = http2.NewFramer(&c.out, nil)
	c.AllowIllegalWrites = true
	c.enc = hpack.NewEncoder(&c.block)
	c.out.WriteString(http2.ClientPreface)
	return c
}

// ask writes a head of n fields in frames of at most so many bytes.
func (c *client) ask(n int, f hpack.HeaderField, frame int, pad uint8) {
	c.block.Reset()
	for range n {
		_ = c.enc.WriteField(f)
	}
	b := c.block.Bytes()
	k := min(len(b), frame)
	_ = c.WriteHeaders(http2.HeadersFrameParam{StreamID: c.id, BlockFragment: b[:k], EndHeaders: k == len(b), EndStream: true,
		PadLength: pad, Priority: http2.PriorityParam{Weight: uint8(c.id)}})
	for b = b[k:]; len(b) > 0; b = b[k:] {
		k = min(len(b), frame)
		_ = c.WriteContinuation(c.id, k == len(b), b[:k])
	}
	_ = c.WriteData(c.id, false, []byte("\x00\x00\x00\x01data that looks like a frame"))
	c.id += 2
}

func TestHeads(t *testing.T) {
	tiny := hpack.HeaderField{Name: "x", Value: "a"}
	large := hpack.HeaderField{Name: "x", Value: strings.Repeat("a", 3000)}
	for _, tc := range []struct {
		name string
		send func(*client)
		want string // in the error; empty for none
	}{
		{"ordinary", func(c *client) {
			for range 100 {
				c.ask(20, tiny, 1<<14, 0)
			}
		}, ""},
		{"padded, with priority, in pieces", func(c *client) {
			for range 100 {
				c.ask(20, large, 700, 200)
			}
		}, ""},
		{"as many fields as there may be", func(c *client) { c.ask(512, tiny, 1<<14, 0) }, ""},
		{"one field too many", func(c *client) { c.ask(513, tiny, 1<<14, 0) }, "more than 512 fields"},
		{"one field too many, in pieces", func(c *client) { c.ask(513, tiny, 10, 7) }, "more than 512 fields"},
		{"three large heads", func(c *client) {
			for range largeHeads {
				c.ask(30, large, 1<<14, 0)
			}
		}, ""},
		{"one large head more", func(c *client) {
			for range largeHeads + 1 {
				c.ask(30, large, 1<<14, 0)
			}
		}, "4 of more than 65536 bytes"},
		{"a field beyond all measure", func(c *client) {
			c.ask(1, hpack.HeaderField{Name: "x", Value: strings.Repeat("a", 70000), Sensitive: true}, 1<<14, 0)
		}, "a field of more than 65536 bytes"},
		{"compression that is broken", func(c *client) {
			_ = c.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{0xff, 0xff, 0xff, 0xff}, EndHeaders: true})
			c.ask(600, tiny, 1<<14, 0)
		}, ""}, // net/http ends it at the first of these
		{"trailers count by themselves", func(c *client) { c.ask(500, tiny, 1<<14, 0); c.id -= 2; c.ask(500, tiny, 1<<14, 0) }, ""},
	} {
		for _, piece := range []int{1, 2, 13, 1 << 20} {
			c := newClient()
			tc.send(c)
			sent := bytes.Clone(c.out.Bytes())
			g := &given{b: sent, piece: piece}
			k := NewConn(g, Limits{})
			got, err := io.ReadAll(k)
			switch {
			case tc.want == "":
				if err != nil || !bytes.Equal(got, sent) {
					t.Errorf("%s, %d at a time: %v, %d of %d bytes", tc.name, piece, err, len(got), len(sent))
				}
			case !errors.Is(err, ErrHead) || !strings.Contains(err.Error(), tc.want):
				t.Errorf("%s, %d at a time: %v, want %s", tc.name, piece, err, tc.want)
			default:
				f, err := http2.NewFramer(nil, &g.said).ReadFrame()
				if away, ok := f.(*http2.GoAwayFrame); !ok || away.ErrCode != http2.ErrCodeEnhanceYourCalm {
					t.Errorf("%s: said %v, %v", tc.name, f, err)
				}
				if _, err := k.Read(make([]byte, 1)); !errors.Is(err, ErrHead) {
					t.Errorf("%s: read on: %v", tc.name, err)
				}
			}
		}
	}
}

// FuzzHeads holds that whatever comes goes through unchanged until it is ended,
// that it makes no difference in which pieces it comes, and that what
// golang.org/x/net reads of a head within the limits is not ended.
func FuzzHeads(f *testing.F) {
	for _, n := range []int{1, 20, 513} {
		c := newClient()
		c.ask(n, hpack.HeaderField{Name: "x", Value: "a"}, 100, 3)
		f.Add(c.out.Bytes()[len(http2.ClientPreface):], uint8(3))
	}
	f.Fuzz(func(t *testing.T, frames []byte, piece uint8) {
		sent := append([]byte(http2.ClientPreface), frames...)
		read := func(piece int) bool {
			got, err := io.ReadAll(NewConn(&given{b: bytes.Clone(sent), piece: piece}, Limits{}))
			if err != nil && !errors.Is(err, ErrHead) {
				t.Fatal(err)
			}
			if !bytes.HasPrefix(sent, got) || err == nil && len(got) != len(sent) {
				t.Fatalf("%d bytes went in, others came out", len(sent))
			}
			return err == nil
		}
		whole := read(len(sent))
		if pieces := read(int(piece) + 1); pieces != whole {
			t.Fatalf("in one piece %t, in pieces of %d %t", whole, piece+1, pieces)
		}
		fr := http2.NewFramer(io.Discard, bytes.NewReader(frames))
		fr.ReadMetaHeaders = hpack.NewDecoder(tableBytes, nil)
		fr.MaxHeaderListSize = 1 << 30
		for !whole {
			frame, err := fr.ReadFrame()
			if err == io.EOF {
				t.Fatal("ended, though every head is in proportion")
			}
			if err != nil {
				return // the frames are broken in some way
			}
			if h, ok := frame.(*http2.MetaHeadersFrame); ok && len(h.Fields) > 512 {
				return
			}
			var size uint32
			if h, ok := frame.(*http2.MetaHeadersFrame); ok {
				for _, f := range h.Fields {
					size += f.Size()
				}
				if size > 64<<10 {
					return
				}
			}
		}
	})
}
