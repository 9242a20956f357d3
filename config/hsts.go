package config

import (
	"fmt"
	"strings"
	"time"

	"golang.org/x/net/publicsuffix"
)

// HSTS is what browsers are told about coming over TLS only (RFC 6797). A bare
// step may stand for the whole mapping.
type HSTS struct {
	// Step is for how long: off (they are told nothing), trial (five minutes),
	// week, month, year, a time of your own (180d), or end (what they were told
	// before is over). off by default; take the others one after the other.
	Step HSTSStep `yaml:"step"`
	// Subdomains says the same of every name below the site's, whoever serves it.
	// false by default.
	Subdomains bool `yaml:"subdomains"`
	// Preload lets browsers' makers write the site into their lists, from which it
	// is removed in months. It needs a year, subdomains and redirect. false by
	// default.
	Preload bool `yaml:"preload"`
}

// HSTSStep is a word or a time.
type HSTSStep string

// The words. The empty step is off.
const (
	HSTSOff   HSTSStep = "off"
	HSTSTrial HSTSStep = "trial"
	HSTSWeek  HSTSStep = "week"
	HSTSMonth HSTSStep = "month"
	HSTSYear  HSTSStep = "year"
	HSTSEnd   HSTSStep = "end"
)

const day = 24 * time.Hour

// hstsSteps are the words for times, in the order they are taken.
var hstsSteps = []struct {
	word HSTSStep
	age  time.Duration
}{{HSTSTrial, 5 * time.Minute}, {HSTSWeek, 7 * day}, {HSTSMonth, 30 * day}, {HSTSYear, 365 * day}}

// Says reports whether browsers are told anything.
func (h HSTS) Says() bool { return h.Step != "" && h.Step != HSTSOff }

// Age is for how long browsers are told to come over TLS only; 0 ends it.
func (h HSTS) Age() time.Duration {
	for _, s := range hstsSteps {
		if s.word == h.Step {
			return s.age
		}
	}
	var age time.Duration
	if !h.Says() || h.Step == HSTSEnd || parseDuration(string(h.Step), &age) != nil {
		return 0
	}
	return age
}

// Next is the step after this one, empty after the last.
func (h HSTS) Next() HSTSStep {
	if !h.Says() || h.Step == HSTSEnd {
		return ""
	}
	for _, s := range hstsSteps {
		if s.age > h.Age() {
			return s.word
		}
	}
	return ""
}

// Header is the header's value, empty when nothing is said.
func (h HSTS) Header() string {
	if !h.Says() {
		return ""
	}
	v := fmt.Sprintf("max-age=%d", int64(h.Age()/time.Second))
	if h.Subdomains {
		v += "; includeSubDomains"
	}
	if h.Preload {
		v += "; preload"
	}
	return v
}

// setHSTSStep reads a word or a time.
func setHSTSStep(text string) (HSTSStep, error) {
	switch s := HSTSStep(text); s {
	case "0", HSTSOff:
		return HSTSOff, nil
	case HSTSTrial, HSTSWeek, HSTSMonth, HSTSYear, HSTSEnd:
		return s, nil
	}
	var age time.Duration
	if err := parseDuration(text, &age); err != nil {
		return "", fmt.Errorf("%q is neither a step nor a time", text)
	}
	return HSTSStep(text), nil
}

// hsts checks that what browsers are told for long can be kept.
func (k checker) hsts(at string, s *Site) {
	h := s.HSTS
	if !h.Says() {
		if h.Subdomains || h.Preload {
			k.wrong(at+".step", "step: trial", "subdomains and preload say nothing without a step")
		}
		return
	}
	trusted := k.Trusted
	if s.Trusted != nil {
		trusted = *s.Trusted
	}
	if k.TLS.Mode == "off" && len(trusted.Proxies) == 0 {
		k.wrong(at, "tls: {mode: acme}, or leave it out", "browsers are told to come over TLS, and there is none: tls.mode is off")
	}
	switch {
	case h.Step == HSTSEnd:
		if h.Subdomains || h.Preload {
			k.wrong(at, "hsts: end", "what ends has neither subdomains nor preload")
		}
		return
	case h.Age() < time.Second:
		k.wrong(at+".step", "end, which takes back what browsers were told, or off, which tells them nothing", "%s is no time to come over TLS for", h.Step)
	}
	if !h.Preload {
		return
	}
	if !h.Subdomains || h.Age() < 365*day {
		k.wrong(at, "{step: year, subdomains: true, preload: true}, or leave preload out", "browsers' lists take only what holds for a year and for subdomains")
	}
	if len(k.HTTP) > 0 && !k.TLS.Redirect {
		k.wrong(at+".preload", "tls: {redirect: true}", "browsers' lists take only sites that send visitors of plain HTTP to TLS")
	}
	for _, host := range s.Hosts {
		if domain, err := publicsuffix.EffectiveTLDPlusOne(strings.TrimPrefix(host, "*.")); err == nil && domain == host {
			return
		}
	}
	k.wrong(at+".preload", "the registered domain itself among the site's hosts, or leave preload out", "browsers' lists take registered domains only, and none of the site's hosts is one")
}
