package config

import (
	"net"
	"net/mail"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// Name is the name under which people reach the console, of which a public
// authority issues a certificate: empty unless TLS is acme.
func (c Console) Name() string {
	if c.TLS != "acme" || c.Listen == "" || c.URL == nil {
		return ""
	}
	return strings.ToLower(c.URL.Hostname())
}

// address is the console's URL when it is reached under host: at the
// listener's own port, or, without TLS, behind a proxy that speaks it.
func (c Console) address(host string) *url.URL {
	_, port, err := net.SplitHostPort(c.Listen)
	if err == nil && port != "443" && port != "0" && c.TLS != "off" && !strings.Contains(host, ":") {
		host = net.JoinHostPort(host, port)
	}
	return &url.URL{Scheme: "https", Host: host}
}

// consoleName checks the console's URL, and that a public authority can
// certify its host.
func (k checker) consoleName() {
	u, acme := k.Console.URL, k.Console.TLS == "acme" && k.Console.Listen != ""
	if u == nil {
		if acme {
			example := "url: https://console.example.kz"
			if k.origin["console.url"].flag != "" {
				example = "--host console.example.kz"
			}
			k.wrong("console.url", example, "a public authority certifies a name, and the console has none")
		}
		return
	}
	if message, hint := checkURL(u); message != "" {
		k.wrong("console.url", hint, "%s", message)
		return
	}
	if !acme {
		return
	}
	name, message, _ := normalHost(u.Hostname())
	_, err := netip.ParseAddr(name)
	switch {
	case message != "", err == nil, !strings.Contains(name, "."), strings.HasSuffix(name, ".localhost"), strings.HasPrefix(name, "*"):
		k.wrong("console.url", "the console's public name such as console.example.kz, or console: {tls: internal}",
			"a public authority issues no certificate for %q", u.Hostname())
	case u.Scheme != "https":
		k.wrong("console.url", "https://"+u.Host, "the console serves TLS, and %s is not https", u)
	}
}

// alerts checks how alerts go out.
func (k checker) alerts() {
	m := k.Console.Mail
	if m.Server != "" {
		host, port, err := net.SplitHostPort(m.Server)
		if n, bad := strconv.Atoi(port); err != nil || host == "" || bad != nil || n < 1 || n > 65535 {
			k.wrong("console.mail.server", "mail.example.kz:587", "%q is not host:port", m.Server)
		}
		if a, err := mail.ParseAddress(m.From); err != nil || a.Address != m.From {
			k.wrong("console.mail.from", "qorgan@example.kz", "%q is no e-mail address, and letters need a sender", m.From)
		}
	} else if m.From != "" || m.User != "" {
		k.wrong("console.mail.server", "server: mail.example.kz:587", "letters need a mail server")
	}
	if (m.User == "") != (m.Password.Reveal() == "") {
		k.wrong("console.mail.password", "user and password, or neither", "a user without a password, or a password without a user")
	}
	if message, hint := checkURL(k.Console.Telegram.API); message != "" {
		k.wrong("console.telegram.api", hint, "%s", message)
	}
}
