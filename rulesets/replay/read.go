package replay

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/rulesets"
)

// Entry is one request of a file.
type Entry struct {
	Line     int    // where it stands, counted from 1; for HAR the entry's number
	ID       string // the corpus's own name for it
	Class    string
	Expected string // pass, block or any; empty when the file does not say
	Status   int    // what the server answered then; 0 when the file does not say
	Bodiless bool   // it had a body, which the file does not hold
	Stranger bool   // it went to another host than the first request of a HAR file
	Probe    rulesets.Probe
}

// maxLine bounds a line of JSON or of a log, maxHAR a whole HAR file.
const (
	maxLine = 64 << 20
	maxHAR  = 512 << 20
)

// Read yields the requests of r, which may be compressed with gzip. host stands
// where the file names none. A line that cannot be read yields an error with its
// number, and reading goes on; an error of r itself ends it.
func Read(r io.Reader, host string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		in := bufio.NewReaderSize(r, 64<<10)
		if magic, _ := in.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
			z, err := gzip.NewReader(in)
			if err != nil {
				yield(Entry{}, fmt.Errorf("read compressed file: %w", err))
				return
			}
			in = bufio.NewReaderSize(z, 64<<10)
		}
		start, _ := in.Peek(4096)
		switch trimmed := bytes.TrimLeft(bytes.TrimPrefix(start, []byte("\xef\xbb\xbf")), " \t\r\n"); {
		case harStart.Match(trimmed):
			readHAR(in, host, yield)
		case len(trimmed) > 0 && trimmed[0] == '{':
			readLines(in, func(line string) (Entry, error) { return jsonLine(line, host) }, yield)
		default:
			readLines(in, func(line string) (Entry, error) { return logLine(line, host) }, yield)
		}
	}
}

var harStart = regexp.MustCompile(`^\{\s*"log"\s*:\s*\{`)

func readLines(in *bufio.Reader, parse func(string) (Entry, error), yield func(Entry, error) bool) {
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 64<<10), maxLine)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" {
			continue
		}
		e, err := parse(line)
		e.Line = n
		if err != nil {
			err = fmt.Errorf("line %d: %w", n, err)
		}
		if !yield(e, err) {
			return
		}
	}
	if err := lines.Err(); err != nil {
		yield(Entry{}, fmt.Errorf("read requests: %w", err))
	}
}

// jsonLine reads one request of a corpus. {{HOST}} in it stands for the host.
func jsonLine(line, host string) (Entry, error) {
	var in struct {
		ID       string      `json:"id"`
		Class    string      `json:"class"`
		Expected string      `json:"expected"`
		Method   string      `json:"method"`
		Path     string      `json:"path"`
		Proto    string      `json:"proto"`
		Headers  [][2]string `json:"headers"`
		Body     string      `json:"body"`
		Base64   string      `json:"body_b64"`
	}
	if err := json.Unmarshal([]byte(line), &in); err != nil {
		return Entry{}, fmt.Errorf("read request: %w", err)
	}
	if in.Method == "" || in.Path == "" {
		return Entry{}, errors.New("read request: it has no method or no path")
	}
	fill := func(s string) string { return strings.ReplaceAll(s, "{{HOST}}", host) }
	e := Entry{ID: in.ID, Class: in.Class, Expected: in.Expected}
	e.Probe = rulesets.Probe{Method: in.Method, Target: fill(in.Path), Proto: in.Proto, Body: []byte(fill(in.Body))}
	if in.Base64 != "" {
		b, err := base64.StdEncoding.DecodeString(in.Base64)
		if err != nil {
			return e, fmt.Errorf("read body: %w", err)
		}
		e.Probe.Body = b
	}
	for _, h := range in.Headers {
		e.Probe.Fields = append(e.Probe.Fields, event.Field{Name: h[0], Value: fill(h[1])})
	}
	complete(&e.Probe, host)
	return e, nil
}

// complete adds the headers without which no client sends a request.
func complete(p *rulesets.Probe, host string) {
	has := func(name string) bool {
		for _, f := range p.Fields {
			if strings.EqualFold(f.Name, name) {
				return true
			}
		}
		return false
	}
	if !has("Host") {
		p.Fields = append([]event.Field{{Name: "Host", Value: host}}, p.Fields...)
	}
	if (len(p.Body) > 0 || writes(p.Method)) && !has("Content-Length") && !has("Transfer-Encoding") {
		p.Fields = append(p.Fields, event.Field{Name: "Content-Length", Value: strconv.Itoa(len(p.Body))})
	}
}

// writes reports whether a method comes with a body.
func writes(method string) bool {
	return method == "POST" || method == "PUT" || method == "PATCH"
}

// readHAR reads a HAR 1.2 file.
func readHAR(in io.Reader, host string, yield func(Entry, error) bool) {
	var file struct {
		Log struct {
			Entries []struct {
				Request struct {
					Method  string `json:"method"`
					URL     string `json:"url"`
					Version string `json:"httpVersion"`
					Headers []struct {
						Name  string `json:"name"`
						Value string `json:"value"`
					} `json:"headers"`
					Post struct {
						Type string `json:"mimeType"`
						Text string `json:"text"`
					} `json:"postData"`
				} `json:"request"`
				Response struct {
					Status int `json:"status"`
				} `json:"response"`
			} `json:"entries"`
		} `json:"log"`
	}
	if err := json.NewDecoder(io.LimitReader(in, maxHAR)).Decode(&file); err != nil {
		yield(Entry{}, fmt.Errorf("read HAR file: %w", err))
		return
	}
	own := ""
	for i, h := range file.Log.Entries {
		e := Entry{Line: i + 1, Status: h.Response.Status}
		u, err := url.Parse(h.Request.URL)
		if err != nil || u.Host == "" || h.Request.Method == "" {
			if !yield(e, fmt.Errorf("entry %d: read address %q", i+1, h.Request.URL)) {
				return
			}
			continue
		}
		if own == "" {
			own = u.Host
		}
		// A page's pictures, fonts and counters come from everywhere.
		e.Stranger = !strings.EqualFold(u.Host, own) && !strings.EqualFold(u.Host, host)
		e.Bodiless = writes(h.Request.Method) && h.Request.Post.Text == "" && h.Request.Post.Type != ""
		e.Probe = rulesets.Probe{Method: h.Request.Method, Target: u.RequestURI(), Proto: "HTTP/1.1", Body: []byte(h.Request.Post.Text)}
		if strings.Contains(h.Request.Version, "2") || strings.EqualFold(h.Request.Version, "h2") {
			e.Probe.Proto = "HTTP/2.0"
		}
		for _, f := range h.Request.Headers {
			if !strings.HasPrefix(f.Name, ":") {
				e.Probe.Fields = append(e.Probe.Fields, event.Field{Name: f.Name, Value: f.Value})
			}
		}
		name := u.Host
		if host != "" {
			name = host
		}
		complete(&e.Probe, name)
		if !yield(e, nil) {
			return
		}
	}
}

// combined is a line of the combined log format, as Apache and nginx write it,
// perhaps with the host before it, as Debian's Apache does for many sites.
var combined = regexp.MustCompile(`^(?:([\w.*-]+)(?::\d+)? )?(\S+) \S+ (?:\S+|"[^"]*") \[[^\]]*\] "((?:[^"\\]|\\.)*)" (\d{3}|-) (?:\d+|-)(?: "((?:[^"\\]|\\.)*)" "((?:[^"\\]|\\.)*)")?`)

func logLine(line, host string) (Entry, error) {
	m := combined.FindStringSubmatch(line)
	if m == nil {
		return Entry{}, errors.New("read log line: it is not in the combined format")
	}
	e := Entry{}
	e.Status, _ = strconv.Atoi(m[4])
	parts := strings.SplitN(unescape(m[3]), " ", 2)
	if len(parts) != 2 || parts[0] == "" || strings.TrimSpace(parts[1]) == "" {
		return e, errors.New("read log line: its request is not whole")
	}
	target, proto := parts[1], "HTTP/1.1"
	if i := strings.LastIndexByte(target, ' '); i >= 0 {
		target, proto = target[:i], target[i+1:]
	}
	if target == "" {
		return e, errors.New("read log line: its request is not whole")
	}
	e.Probe = rulesets.Probe{Method: parts[0], Target: target, Proto: proto}
	e.Probe.Client, _ = netip.ParseAddr(m[2])
	for _, f := range []event.Field{{Name: "Referer", Value: unescape(m[5])}, {Name: "User-Agent", Value: unescape(m[6])}} {
		if f.Value != "" && f.Value != "-" {
			e.Probe.Fields = append(e.Probe.Fields, f)
		}
	}
	// What a log does not keep must not count against the request: every client
	// sends an Accept, and a body of unknown text has a length.
	e.Probe.Fields = append(e.Probe.Fields, event.Field{Name: "Accept", Value: "*/*"})
	e.Bodiless = writes(e.Probe.Method)
	if m[1] != "" {
		host = m[1]
	}
	complete(&e.Probe, host)
	return e, nil
}

// unescape undoes the escapes of Apache's and nginx's logs.
func unescape(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 >= len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		switch s[i] {
		case 'x':
			if i+2 < len(s) {
				if v, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
					b.WriteByte(byte(v))
					i += 2
					continue
				}
			}
			b.WriteString(`\x`)
		case 'n':
			b.WriteByte('\n')
		case 't':
			b.WriteByte('\t')
		case 'r':
			b.WriteByte('\r')
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String()
}
