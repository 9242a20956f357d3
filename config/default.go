package config

import (
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Default returns the configuration of a process that was told nothing. It has
// no sites. Data, HTTP and HTTPS depend on what the process may do: see their
// comments.
func Default() *Config {
	c := &Config{
		Data:  dataFolder(),
		HTTP:  []string{":8880"},
		HTTPS: []string{":8443"},
		Console: Console{Listen: "127.0.0.1:9443", TLS: "internal", Keep: 90 * 24 * time.Hour, Space: 4 << 30,
			Telegram: Telegram{API: &url.URL{Scheme: "https", Host: "api.telegram.org"}}},
		TLS:   TLS{Mode: "internal"},
		Log:   Log{Level: "info", Access: true},
		Drain: 30 * time.Second,
	}
	if mayBindLowPorts() {
		c.HTTP, c.HTTPS = []string{":80"}, []string{":443"}
	}
	return c
}

// DefaultSite returns a site with every default filled and no name, host or
// upstream.
func DefaultSite() *Site {
	return &Site{
		Mode:      Block,
		Level:     1,
		Threshold: Threshold{Inbound: 5, Outbound: 4},
		Profile:   "auto",
		FailMode:  FailClosed,
		Patches:   Everywhere,
		Limits: Limits{
			HeaderBytes: 64 << 10,
			Headers:     100,
			Inspect:     1 << 20,
			Args:        1000,
			HeaderTime:  10 * time.Second,
			BodyRate:    500,
		},
		Timeouts: Timeouts{Dial: 5 * time.Second, Header: 60 * time.Second},
	}
}

func dataFolder() string {
	if os.Geteuid() == 0 {
		return "/var/lib/qorgan"
	}
	if state := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(state) {
		return filepath.Join(state, "qorgan")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "qorgan-data"
	}
	return filepath.Join(home, ".local", "state", "qorgan")
}

// mayBindLowPorts reports whether the process may open port 80: as root, with
// CAP_NET_BIND_SERVICE, or where the kernel lets everybody (as in most
// containers).
func mayBindLowPorts() bool {
	if os.Geteuid() == 0 {
		return true
	}
	if b, err := os.ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start"); err == nil {
		if start, err := strconv.Atoi(strings.TrimSpace(string(b))); err == nil && start <= 80 {
			return true
		}
	}
	const bindService = 1 << 10 // capability 10 of capabilities(7)
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(b)) {
		if hex, ok := strings.CutPrefix(line, "CapEff:"); ok {
			caps, err := strconv.ParseUint(strings.TrimSpace(hex), 16, 64)
			return err == nil && caps&bindService != 0
		}
	}
	return false
}
