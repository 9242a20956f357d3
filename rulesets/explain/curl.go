package explain

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/qorgan/qorgan/event"
)

func basic(userinfo string) string { return base64.StdEncoding.EncodeToString([]byte(userinfo)) }

// boundary of the multipart bodies made from -F.
const boundary = "------------------------qorganqorganqorgan00"

// finish makes the request from what was collected, with the headers that curl
// adds itself.
func (c *curl) finish() error {
	p := c.probe
	if c.target == "" {
		return errors.New("read command: no address")
	}
	if !strings.Contains(c.target, "://") {
		c.target = "http://" + c.target
	}
	_, rest, _ := strings.Cut(c.target, "://")
	authority, path := rest, "/"
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		authority, path = rest[:i], rest[i:]
	}
	path, _, _ = strings.Cut(path, "#")
	if path == "" || path[0] == '?' {
		path = "/" + path
	}
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		if user, err := url.PathUnescape(authority[:i]); err == nil {
			c.header("Authorization: Basic " + basic(user))
		}
		authority = authority[i+1:]
	}
	p.Target = path
	data := strings.Join(c.data, "&")
	if c.query && data != "" {
		sep := "?"
		if strings.Contains(path, "?") {
			sep = "&"
		}
		p.Target += sep + data
		c.data, data = nil, ""
	}
	typ := ""
	switch {
	case len(c.form) > 0:
		body, err := formBody(c.form)
		if err != nil {
			return err
		}
		p.Body, typ = []byte(body), "multipart/form-data; boundary="+boundary
	case len(c.data) > 0:
		p.Body, typ = []byte(data), "application/x-www-form-urlencoded"
	}
	if p.Method == "" {
		switch {
		case c.head:
			p.Method = "HEAD"
		case typ != "":
			p.Method = "POST"
		default:
			p.Method = "GET"
		}
	}
	for _, f := range []event.Field{{Name: "Host", Value: authority}, {Name: "User-Agent", Value: "curl/8.14.1"}, {Name: "Accept", Value: "*/*"}} {
		if !c.has(f.Name) {
			p.Fields = append(p.Fields, f)
		}
	}
	p.Fields = append(p.Fields, c.fields...)
	if typ != "" {
		if !c.has("Content-Type") {
			p.Fields = append(p.Fields, event.Field{Name: "Content-Type", Value: typ})
		}
		if !c.has("Content-Length") {
			p.Fields = append(p.Fields, event.Field{Name: "Content-Length", Value: strconv.Itoa(len(p.Body))})
		}
	}
	return nil
}

// has reports whether the command sets or removes a header itself.
func (c *curl) has(name string) bool {
	if c.dropped[strings.ToLower(name)] {
		return true
	}
	for _, f := range c.fields {
		if strings.EqualFold(f.Name, name) {
			return true
		}
	}
	return false
}

// formBody writes the parts of -F. A file's contents are not at hand; its name
// and type are what the rules look at.
func formBody(parts []string) (string, error) {
	var b strings.Builder
	for _, part := range parts {
		name, value, ok := strings.Cut(part, "=")
		if !ok {
			return "", fmt.Errorf("read command: -F %s has no value", part)
		}
		b.WriteString("--" + boundary + "\r\nContent-Disposition: form-data; name=\"" + name + "\"")
		if file, isFile := strings.CutPrefix(value, "@"); isFile {
			file, opts, _ := strings.Cut(file, ";")
			typ := "application/octet-stream"
			for opt := range strings.SplitSeq(opts, ";") {
				if v, ok := strings.CutPrefix(opt, "type="); ok {
					typ = v
				}
				if v, ok := strings.CutPrefix(opt, "filename="); ok {
					file = v
				}
			}
			if i := strings.LastIndexByte(file, '/'); i >= 0 {
				file = file[i+1:]
			}
			b.WriteString("; filename=\"" + file + "\"\r\nContent-Type: " + typ + "\r\n\r\n\r\n")
			continue
		}
		b.WriteString("\r\n\r\n" + value + "\r\n")
	}
	b.WriteString("--" + boundary + "--\r\n")
	return b.String(), nil
}

// shellWords splits a line as a POSIX shell does, with $'…' as bash has it.
// Nothing is expanded or run.
func shellWords(s string) ([]string, error) {
	var words []string
	var b strings.Builder
	inWord := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			if inWord {
				words = append(words, b.String())
				b.Reset()
				inWord = false
			}
		case c == '\\':
			if i++; i >= len(s) {
				return words, nil
			}
			if s[i] == '\r' && i+1 < len(s) && s[i+1] == '\n' {
				i++
			}
			if s[i] != '\n' { // a continued line
				b.WriteByte(s[i])
				inWord = true
			}
		case c == '\'':
			end := strings.IndexByte(s[i+1:], '\'')
			if end < 0 {
				return nil, errors.New("read command: a quote is left open")
			}
			b.WriteString(s[i+1 : i+1+end])
			i += end + 1
			inWord = true
		case c == '$' && i+1 < len(s) && s[i+1] == '\'':
			text, n, err := ansiQuoted(s[i+2:])
			if err != nil {
				return nil, err
			}
			b.WriteString(text)
			i += n + 1
			inWord = true
		case c == '"':
			n, err := doubleQuoted(&b, s[i+1:])
			if err != nil {
				return nil, err
			}
			i += n
			inWord = true
		default:
			b.WriteByte(c)
			inWord = true
		}
	}
	if inWord {
		words = append(words, b.String())
	}
	return words, nil
}

func doubleQuoted(b *strings.Builder, s string) (int, error) {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			return i + 1, nil
		case '\\':
			if i+1 < len(s) && strings.IndexByte("\"\\$`\n", s[i+1]) >= 0 {
				if i++; s[i] != '\n' {
					b.WriteByte(s[i])
				}
				continue
			}
			b.WriteByte('\\')
		default:
			b.WriteByte(s[i])
		}
	}
	return 0, errors.New("read command: a quote is left open")
}

// ansiQuoted reads the rest of a $'…' word and returns it with its length, the
// closing quote included.
func ansiQuoted(s string) (string, int, error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\'' {
			return b.String(), i + 1, nil
		}
		if s[i] != '\\' || i+1 >= len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		hexes := map[byte]int{'x': 2, 'u': 4, 'U': 8}[s[i]]
		switch {
		case hexes > 0:
			n := 0
			for n < hexes && i+1+n < len(s) && strings.IndexByte("0123456789abcdefABCDEF", s[i+1+n]) >= 0 {
				n++
			}
			v, err := strconv.ParseUint(s[i+1:i+1+n], 16, 32)
			if err != nil {
				return "", 0, fmt.Errorf("read command: \\%c without digits", s[i])
			}
			if hexes == 2 {
				b.WriteByte(byte(v))
			} else {
				b.WriteRune(rune(v))
			}
			i += n
		case strings.IndexByte("ntrabfve", s[i]) >= 0:
			b.WriteByte("\n\t\r\a\b\f\v\x1b"[strings.IndexByte("ntrabfve", s[i])])
		default:
			b.WriteByte(s[i])
		}
	}
	return "", 0, errors.New("read command: a quote is left open")
}
