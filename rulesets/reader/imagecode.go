package reader

import (
	"bytes"
	"strings"
)

// codeFinder looks for PHP code in a picture that arrives in pieces. A picture
// is a picture to every reader but one: PHP runs what stands between its tags,
// wherever in the file, once some hole or setting has it read the file as a
// script. No camera and no editor writes such tags.
type codeFinder struct {
	tail []byte // the last bytes of what came before, too few to tell
}

// codeTail is how many bytes behind "<?" are looked at.
const codeTail = 32

// pictures are the endings of names that promise no code.
var pictures = map[string]bool{
	"jpg": true, "jpeg": true, "jpe": true, "png": true, "gif": true, "webp": true, "avif": true, "heic": true,
	"bmp": true, "ico": true, "tif": true, "tiff": true, "svg": true,
}

func isPicture(f *File) bool {
	for _, name := range [...]string{f.Name, f.Alt} {
		if i := strings.LastIndexByte(name, '.'); i >= 0 && pictures[lower(name[i+1:])] {
			return true
		}
	}
	return false
}

// finds reports whether code begins in the piece, or in the piece before and
// goes on in this one.
func (c *codeFinder) finds(piece []byte) bool {
	if len(c.tail) > 0 {
		seam := append(c.tail, piece[:min(len(piece), codeTail)]...)
		if hasCode(seam) {
			return true
		}
	}
	if hasCode(piece) {
		return true
	}
	if len(piece) >= codeTail {
		c.tail = append(c.tail[:0], piece[len(piece)-codeTail:]...)
		return false
	}
	c.tail = append(c.tail, piece...)
	c.tail = c.tail[max(0, len(c.tail)-codeTail):]
	return false
}

func hasCode(b []byte) bool {
	for {
		i := bytes.Index(b, []byte("<?"))
		if i < 0 {
			return false
		}
		b = b[i+2:]
		if isCode(b) {
			return true
		}
	}
}

// isCode looks at what follows "<?". The long tag needs white space behind it.
// The short one is three bytes, which every tenth large picture has by chance:
// what it prints must be a variable of the request or a call.
func isCode(b []byte) bool {
	if len(b) > 3 && bytes.EqualFold(b[:3], []byte("php")) {
		return isSpace(b[3])
	}
	if len(b) == 0 || b[0] != '=' {
		return false
	}
	b = bytes.TrimLeft(b[1:min(len(b), codeTail)], " \t\r\n@`")
	if bytes.HasPrefix(b, []byte("$_")) {
		return true
	}
	n := 0
	for n < len(b) && (b[n] == '_' || 'a' <= b[n]|0x20 && b[n]|0x20 <= 'z') {
		n++
	}
	return n >= 4 && n < len(b) && b[n] == '('
}
