package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Profiles returns the names a site's profile may have.
func Profiles() []string {
	return []string{"auto", "generic", "wordpress", "joomla", "drupal", "bitrix", "opencart"}
}

// checker validates one configuration and collects what is wrong with it.
type checker struct {
	*Config
	m *mistakes
}

// wrong notes a mistake about the value at path, if it is the value that was
// written.
func (k checker) wrong(path, hint, format string, args ...any) {
	at, _ := k.origin.find(path)
	if k.m.isSpoiled(path, at.root) {
		return
	}
	k.m.add(k.Mistake(path, fmt.Sprintf(format, args...), hint))
}

// finish resolves "off", fills the defaults that depend on other values, and
// validates.
func (c *Config) finish(m *mistakes) {
	k := checker{c, m}
	if _, said := c.origin["https"]; c.TLS.Mode == "off" {
		if said && len(c.HTTPS) > 0 && !isOff(c.HTTPS) {
			k.wrong("https", "tls: {mode: internal}, or https: off", "TLS listeners while tls.mode is off")
		}
		c.HTTPS = nil
	}
	for _, list := range []*[]string{&c.HTTP, &c.HTTPS} {
		if isOff(*list) {
			*list = nil
		}
	}
	if c.Admin == "off" {
		c.Admin = ""
	}
	if c.Console.Listen == "off" {
		c.Console.Listen = ""
	}
	if c.Console.Store.Reveal() != "" {
		k.wrong("console.store", "leave it out, and `qorgan enroll` the edge at that console", "an edge keeps its incidents in its own folder")
	}
	k.process()
	if len(k.HTTP)+len(k.HTTPS) == 0 {
		k.wrong("http", "http: :80, or https: :443", "no listener is left to serve sites on")
	}
	k.listeners()
	k.trusted("trusted", c.Trusted)
	k.sites()
}

// finishConsole is finish for a process without sites.
func (c *Config) finishConsole(m *mistakes) {
	k := checker{c, m}
	if c.Console.Listen == "off" || c.Console.Listen == "" {
		k.wrong("console.listen", "127.0.0.1:9443", "a console alone needs a listener")
		return
	}
	k.process()
	k.listeners()
	if at := c.Console.Store.Reveal(); at != "" && !strings.HasPrefix(at, "postgres://") && !strings.HasPrefix(at, "postgresql://") {
		k.wrong("console.store", storeExample, "it is no address of a PostgreSQL")
	}
}

const storeExample = "postgres://user:password@host/database, by file: or env:"

func isOff(listen []string) bool { return len(listen) == 1 && listen[0] == "off" }

// process checks what is not about sites or sockets.
func (k checker) process() {
	if k.Data == "" {
		k.wrong("data", "data: /var/lib/qorgan", "the folder for state is empty")
	} else {
		k.folders()
	}
	k.oneOf("tls.mode", k.TLS.Mode, "off", "internal", "acme")
	k.oneOf("console.tls", k.Console.TLS, "off", "internal", "acme")
	k.oneOf("log.level", k.Log.Level, "debug", "info", "warn", "error")
	if k.Log.Format != "" {
		k.oneOf("log.format", k.Log.Format, "json", "console")
	}
	k.tls()
	k.notNegative("drain", k.Drain)
	if k.Console.Keep <= 0 {
		k.wrong("console.keep", "90d", "%s keeps no incident", k.Console.Keep)
	}
	if k.Console.Space < 1<<20 {
		k.wrong("console.space", "4GiB", "%d bytes keep no incident", k.Console.Space)
	}
	k.consoleName()
	k.alerts()
	k.capacity()
	if k.HTTP3 && (k.TLS.Mode == "off" || isOff(k.HTTPS) || len(k.HTTPS) == 0) {
		k.wrong("http3", "https: :443 and tls: {mode: internal}, or leave it out", "HTTP/3 needs TLS listeners")
	}
}

// capacity checks what bounds all requests together; 0 is the default.
func (k checker) capacity() {
	c := k.Capacity
	if c.Memory != 0 && c.Memory < 64<<20 {
		k.wrong("capacity.memory", "512MiB", "the rules alone need more than %d bytes", c.Memory)
	}
	for _, n := range []struct {
		path  string
		value int64
	}{
		{"requests", int64(c.Requests)}, {"bodies", c.Bodies}, {"connections", int64(c.Connections)}, {"client_connections", int64(c.ClientConnections)},
	} {
		if n.value < 0 {
			k.wrong("capacity."+n.path, "a number above 0, or nothing", "%d is negative", n.value)
		}
	}
}

// oneOf checks that value is one of a few words.
func (k checker) oneOf(path, value string, words ...string) {
	if slices.Contains(words, value) {
		return
	}
	hint := strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
	if near := nearest(value, words); near != "" {
		hint = near
	}
	k.wrong(path, hint, "%q is not known", value)
}

func (k checker) notNegative(path string, d time.Duration) {
	if d < 0 {
		k.wrong(path, "a time such as 30s", "%s is negative", d)
	}
}

// listener is one address the process will listen on.
type listener struct {
	path, host string
	port       int
}

// overlaps reports whether two listeners cannot both be opened.
func (l listener) overlaps(o listener) bool {
	return l.port == o.port && l.port != 0 && (l.host == o.host || anyAddress(l.host) || anyAddress(o.host))
}

// reaches reports whether a connection to host and port ends at l.
func (l listener) reaches(host string, port int) bool {
	if l.port != port || port == 0 {
		return false
	}
	return l.host == host || isLoopback(host) && (anyAddress(l.host) || isLoopback(l.host))
}

func anyAddress(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "" || err == nil && a.IsUnspecified()
}

func isLoopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}

// listeners checks every address the process opens.
func (k checker) listeners() {
	var seen []listener
	for _, l := range k.addresses() {
		host, port, err := splitListener(l.host)
		if err != nil {
			k.wrong(l.path, ":8443 or 127.0.0.1:8443", "%q is not a listener: %s", l.host, err)
			continue
		}
		l.host, l.port = host, port
		for _, other := range seen {
			if l.overlaps(other) {
				k.wrong(l.path, "another port", "%s cannot be opened beside %s (%s)",
					net.JoinHostPort(l.host, strconv.Itoa(l.port)), other.path, net.JoinHostPort(other.host, strconv.Itoa(other.port)))
				break
			}
		}
		seen = append(seen, l)
		if l.path == "console.listen" && k.Console.TLS == "off" && !isLoopback(host) {
			k.wrong(l.path, "console: {tls: internal}, or listen: 127.0.0.1:"+strconv.Itoa(port),
				"a console that others can reach needs TLS")
		}
	}
}

// addresses lists the process's listeners, unparsed: host holds the whole
// address.
func (k checker) addresses() []listener {
	var list []listener
	for i, a := range k.HTTP {
		list = append(list, listener{path: fmt.Sprintf("http[%d]", i), host: a})
	}
	for i, a := range k.HTTPS {
		list = append(list, listener{path: fmt.Sprintf("https[%d]", i), host: a})
	}
	if k.Admin != "" {
		list = append(list, listener{path: "admin", host: k.Admin})
	}
	if k.Console.Listen != "" {
		list = append(list, listener{path: "console.listen", host: k.Console.Listen})
	}
	return list
}

func splitListener(s string) (host string, port int, err error) {
	host, p, err := net.SplitHostPort(s)
	if err != nil {
		return "", 0, fmt.Errorf("host:port is missing")
	}
	port, err = strconv.Atoi(p)
	if err != nil || port < 0 || port > 65535 {
		return "", 0, fmt.Errorf("%q is not a port", p)
	}
	if host == "" || host == "localhost" {
		return host, port, nil
	}
	if _, err := netip.ParseAddr(host); err != nil {
		return "", 0, fmt.Errorf("%q is not an IP address", host)
	}
	return host, port, nil
}

// trusted refuses ranges so wide that a stranger would be believed.
func (k checker) trusted(path string, t Trusted) {
	for _, list := range []struct {
		key    string
		ranges []netip.Prefix
	}{{"proxies", t.Proxies}, {"proxy_protocol", t.ProxyProtocol}} {
		for i, p := range list.ranges {
			at := fmt.Sprintf("%s.%s[%d]", path, list.key, i)
			switch {
			case !p.IsValid(): // the decoder has said so
			case p.Bits() == 0:
				k.wrong(at, "the addresses of your own proxies, such as 10.0.0.0/8",
					"%s is everybody: any visitor could choose his address", p)
			case p.Masked() != p:
				k.wrong(at, p.Masked().String()+" or "+p.Addr().String(), "%s has bits outside its mask", p)
			}
		}
	}
}

// checkURL says what is wrong with the address of a server, and a hint.
func checkURL(u *url.URL) (message, hint string) {
	if u == nil || u.Host == "" && u.Opaque == "" && u.Path == "" {
		return "there is no address", "url: http://127.0.0.1:8080"
	}
	bare := func(scheme string) string { return scheme + "://" + u.Host }
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		if u.Host == "" {
			return fmt.Sprintf("%q is not http or https", u), "http://127.0.0.1:8080"
		}
		return fmt.Sprintf("%q is not http or https", u), bare("http")
	case u.Hostname() == "":
		return fmt.Sprintf("%q has no host", u), "http://127.0.0.1:8080"
	case u.User != nil:
		return "the address takes no user and password", bare(u.Scheme)
	case u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.ForceQuery:
		return "the address takes no path, only scheme, host and port", bare(u.Scheme)
	}
	if p := u.Port(); p != "" {
		if n, err := strconv.Atoi(p); err != nil || n < 1 || n > 65535 {
			return fmt.Sprintf("%q is not a port", p), u.Scheme + "://" + u.Hostname() + ":8080"
		}
	} else if strings.HasSuffix(u.Host, ":") {
		return "the port is empty", u.Scheme + "://" + u.Hostname()
	}
	return "", ""
}

// urlPort returns the port u connects to.
func urlPort(u *url.URL) int {
	if n, err := strconv.Atoi(u.Port()); err == nil {
		return n
	}
	if u.Scheme == "https" {
		return 443
	}
	return 80
}

// nearest returns the one word that s was most likely meant to be, or nothing.
func nearest(s string, words []string) string {
	best, distance := "", len(s)/2+1
	for _, w := range words {
		if d := editDistance(strings.ToLower(s), w); d < distance {
			best, distance = w, d
		}
	}
	if distance > 3 {
		return ""
	}
	return best
}

// editDistance is the Levenshtein distance of two short words.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
