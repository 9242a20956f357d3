package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/qorgan/qorgan/config"
)

// sayHSTS says in a sentence what browsers are told, how it is taken back, and
// which step is next; nothing when they are told nothing.
func sayHSTS(h config.HSTS) string {
	if !h.Says() {
		return ""
	}
	if h.Step == config.HSTSEnd {
		return "browsers are told that plain HTTP is good again (max-age=0); leave it until every visitor has come once, then take it out"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "for %s after each visit browsers come over TLS only, and open nothing when the certificate is not good", inWords(h.Age()))
	if h.Subdomains {
		b.WriteString(", also for every name below the site's")
	}
	if h.Preload {
		b.WriteString("; browsers' makers may write the site into their lists, which takes months to undo")
	}
	b.WriteString("; hsts: end takes it back")
	if next := h.Next(); next != "" {
		fmt.Fprintf(&b, "; next, when nobody has complained for %s: hsts: %s", inWords(max(h.Age(), 24*time.Hour)), next)
	}
	return b.String()
}

func inWords(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d == 5*time.Minute:
		return "five minutes"
	case d == day:
		return "a day"
	case d%day == 0:
		return fmt.Sprintf("%d days", d/day)
	}
	return d.String()
}

// warnHSTS tells of sites that do not say any more what browsers go on
// believing.
func warnHSTS(log zerolog.Logger, was, is *config.Config) {
	now := map[string]config.HSTS{}
	for _, s := range is.Sites {
		now[s.Name] = s.HSTS
	}
	for _, s := range was.Sites {
		if h, there := now[s.Name]; there && s.HSTS.Age() > 0 && !h.Says() {
			log.Warn().Str("site", s.Name).Str("was", string(s.HSTS.Step)).Str("hint", "hsts: end takes it back from every browser that comes by").
				Msg("browsers that were told to come over TLS only go on doing so")
		}
	}
}
