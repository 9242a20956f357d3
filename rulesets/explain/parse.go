package explain

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http/httputil"
	"net/url"
	"strings"

	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/rulesets"
)

// Parse reads a request as a person has it at hand: a line that begins with
// "curl", else raw HTTP, line ends with or without carriage return.
func Parse(text string) (rulesets.Probe, error) {
	if fields := strings.Fields(text); len(fields) > 0 && (fields[0] == "curl" || fields[0] == "$") {
		return Curl(text)
	}
	return Raw([]byte(text))
}

// Raw reads a raw HTTP/1 request. Without a Content-Length or chunks the body
// is all that follows the empty line.
func Raw(b []byte) (rulesets.Probe, error) {
	var p rulesets.Probe
	head, body, found := bytes.Cut(b, []byte("\r\n\r\n"))
	if !found {
		head, body, _ = bytes.Cut(b, []byte("\n\n"))
	}
	lines := strings.Split(strings.ReplaceAll(string(head), "\r\n", "\n"), "\n")
	first := strings.SplitN(strings.TrimRight(lines[0], "\r"), " ", 2)
	if len(first) != 2 || first[0] == "" {
		return p, fmt.Errorf("read request line %q: write for example GET /path HTTP/1.1", lines[0])
	}
	p.Method = first[0]
	if i := strings.LastIndex(first[1], " "); i >= 0 {
		p.Target, p.Proto = first[1][:i], first[1][i+1:]
	} else {
		p.Target, p.Proto = first[1], "HTTP/1.1"
	}
	if p.Target == "" {
		return p, fmt.Errorf("read request line %q: nothing is asked for", lines[0])
	}
	chunked := false
	for _, line := range lines[1:] {
		line = strings.TrimRight(line, "\r\n")
		if line == "" {
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok || name == "" {
			return p, fmt.Errorf("read header line %q: write Name: value", line)
		}
		value = strings.Trim(value, " \t")
		p.Fields = append(p.Fields, event.Field{Name: name, Value: value})
		chunked = chunked || strings.EqualFold(name, "Transfer-Encoding") && strings.EqualFold(value, "chunked")
	}
	if chunked && len(body) > 0 {
		whole, err := io.ReadAll(httputil.NewChunkedReader(bytes.NewReader(body)))
		if err != nil {
			return p, fmt.Errorf("read chunked body: %w", err)
		}
		body = whole
	}
	p.Body = body
	return p, nil
}

// Curl reads a curl command line as browsers copy it ("Copy as cURL") and
// people write it. Options that do not change the request are passed over;
// unknown ones are an error, because they might.
func Curl(line string) (rulesets.Probe, error) {
	p := rulesets.Probe{Proto: "HTTP/1.1"}
	words, err := shellWords(line)
	if err != nil {
		return p, err
	}
	if len(words) > 0 && words[0] == "$" {
		words = words[1:]
	}
	if len(words) == 0 || words[0] != "curl" {
		return p, errors.New("read command: it does not begin with curl")
	}
	c := curl{probe: &p}
	if err := c.options(words[1:]); err != nil {
		return p, err
	}
	return p, c.finish()
}

// curl collects what a command line says.
type curl struct {
	probe   *rulesets.Probe
	target  string
	data    []string
	form    []string
	query   bool // -G
	head    bool
	fields  []event.Field
	dropped map[string]bool
}

// Options that take a value and do not change what the rules see.
const ignoredWithValue = " -o --output -m --max-time --connect-timeout --retry -w --write-out --cacert --cert --key --resolve --proxy -x --limit-rate -D --dump-header -c --cookie-jar --interface --ciphers --tls-max "

// Options without a value that do not change what the rules see.
const ignored = " -s --silent -S --show-error -k --insecure -L --location -v --verbose -i --include -f --fail --compressed -4 -6 --ipv4 --ipv6 --http2 --http1.1 --globoff -g --path-as-is -N --no-buffer --progress-bar -# --fail-with-body "

func (c *curl) options(words []string) error {
	for i := 0; i < len(words); i++ {
		name, value, inline := words[i], "", false
		if strings.HasPrefix(name, "--") {
			name, value, inline = strings.Cut(name, "=")
		} else if len(name) > 2 && name[0] == '-' && strings.ContainsRune("XHdFAebuo", rune(name[1])) {
			name, value, inline = name[:2], name[2:], true
		}
		if !strings.HasPrefix(name, "-") || name == "-" {
			if c.target != "" {
				return fmt.Errorf("read command: two addresses, %q and %q", c.target, name)
			}
			c.target = name
			continue
		}
		if strings.Contains(ignored, " "+name+" ") {
			continue
		}
		take := func() (string, error) {
			if inline {
				return value, nil
			}
			if i++; i >= len(words) {
				return "", fmt.Errorf("read command: nothing after %s", name)
			}
			return words[i], nil
		}
		if strings.Contains(ignoredWithValue, " "+name+" ") {
			if _, err := take(); err != nil {
				return err
			}
			continue
		}
		if err := c.option(name, take); err != nil {
			return err
		}
	}
	return nil
}

func (c *curl) option(name string, take func() (string, error)) error {
	switch name {
	case "-G", "--get":
		c.query = true
		return nil
	case "-I", "--head":
		c.head = true
		return nil
	}
	value, err := take()
	if err != nil {
		return err
	}
	switch name {
	case "-X", "--request":
		c.probe.Method = value
	case "-H", "--header":
		c.header(value)
	case "-A", "--user-agent":
		c.header("User-Agent: " + value)
	case "-e", "--referer":
		c.header("Referer: " + value)
	case "-b", "--cookie":
		c.header("Cookie: " + value)
	case "-u", "--user":
		c.header("Authorization: Basic " + basic(value))
	case "--url":
		c.target = value
	case "-d", "--data", "--data-ascii", "--data-binary":
		if strings.HasPrefix(value, "@") {
			return fmt.Errorf("read command: %s names a file; paste its contents instead", value)
		}
		if name != "--data-binary" {
			value = strings.NewReplacer("\r", "", "\n", "").Replace(value)
		}
		c.data = append(c.data, value)
	case "--data-raw":
		c.data = append(c.data, value)
	case "--data-urlencode":
		n, v, ok := strings.Cut(value, "=")
		if !ok {
			n, v = "", value
		}
		if n != "" {
			n += "="
		}
		c.data = append(c.data, n+strings.ReplaceAll(url.QueryEscape(v), "+", "%20"))
	case "--json":
		c.data = append(c.data, value)
		c.header("Content-Type: application/json")
		c.header("Accept: application/json")
	case "-F", "--form", "--form-string":
		c.form = append(c.form, value)
	default:
		return fmt.Errorf("read command: option %s is not known; leave it out if it does not change the request", name)
	}
	return nil
}

func (c *curl) header(line string) {
	name, value, ok := strings.Cut(line, ":")
	name = strings.TrimSpace(name)
	if !ok {
		if n, empty := strings.CutSuffix(line, ";"); empty {
			c.fields = append(c.fields, event.Field{Name: n})
		}
		return
	}
	if value = strings.TrimSpace(value); value == "" { // curl takes the header out
		if c.dropped == nil {
			c.dropped = map[string]bool{}
		}
		c.dropped[strings.ToLower(name)] = true
		return
	}
	c.fields = append(c.fields, event.Field{Name: name, Value: value})
}
