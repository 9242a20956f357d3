package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/qorgan/qorgan/config"
)

// TestSayHSTS: whoever turns it on is told what it does, how it is taken back,
// and what comes next.
func TestSayHSTS(t *testing.T) {
	for _, tc := range []struct {
		h    config.HSTS
		says []string
		not  string
	}{
		{config.HSTS{}, nil, "browsers"},
		{config.HSTS{Step: "off"}, nil, "browsers"},
		{config.HSTS{Step: "trial"}, []string{"for five minutes after each visit", "hsts: end takes it back", "next", "hsts: week"}, "below"},
		{config.HSTS{Step: "10d"}, []string{"for 10 days", "hsts: month"}, "below"},
		{config.HSTS{Step: "month", Subdomains: true}, []string{"for 30 days", "every name below the site's", "hsts: year"}, "lists"},
		{config.HSTS{Step: "year", Subdomains: true, Preload: true}, []string{"for 365 days", "takes months to undo", "hsts: end takes it back"}, "next"},
		{config.HSTS{Step: "end"}, []string{"plain HTTP is good again (max-age=0)", "until every visitor has come once"}, "next"},
	} {
		got := sayHSTS(tc.h)
		for _, want := range tc.says {
			if !strings.Contains(got, want) {
				t.Errorf("%+v: %q does not say %q", tc.h, got, want)
			}
		}
		if strings.Contains(got, tc.not) {
			t.Errorf("%+v: %q says %q", tc.h, got, tc.not)
		}
	}
}

// TestHSTSTakenOut: a reload that only stops saying it is warned of.
func TestHSTSTakenOut(t *testing.T) {
	with := func(step config.HSTSStep) *config.Config {
		return &config.Config{Sites: []*config.Site{{Name: "shop", HSTS: config.HSTS{Step: step}}}}
	}
	for _, tc := range []struct {
		was, is config.HSTSStep
		warns   bool
	}{{"year", "", true}, {"trial", "off", true}, {"year", "end", false}, {"end", "", false}, {"", "", false}, {"week", "month", false}} {
		var said bytes.Buffer
		warnHSTS(zerolog.New(&said), with(tc.was), with(tc.is))
		if (said.Len() > 0) != tc.warns {
			t.Errorf("%q to %q: %s", tc.was, tc.is, &said)
		}
	}
}
