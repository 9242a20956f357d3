package decisions

import (
	_ "embed"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/qorgan/qorgan/report/wire"
)

// The widest networks that a decision may name. What is wider hits whole
// providers.
const (
	Widest4 = 20
	Widest6 = 48
)

// How long a decision of a kind may hold.
var longest = map[wire.DecisionKind]time.Duration{
	wire.DecisionBan: 31 * day, wire.DecisionChallenge: 31 * day, wire.DecisionStrict: 31 * day,
	wire.DecisionMode: 31 * day, wire.DecisionMessage: 31 * day,
	wire.DecisionExclusion: 366 * day, wire.DecisionPatch: 366 * day,
}

const day = 24 * time.Hour

// crawlerText lists the networks from which search engines say that they read.
//
//go:embed crawlers.txt
var crawlerText string

type crawler struct {
	network netip.Prefix
	whose   string
}

var crawlers = sync.OnceValue(func() []crawler {
	var list []crawler
	whose := ""
	for line := range strings.Lines(crawlerText) {
		switch line = strings.TrimSpace(line); {
		case strings.HasPrefix(line, "# "):
			whose = line[2:]
		case line != "":
			list = append(list, crawler{netip.MustParsePrefix(line), whose})
		}
	}
	return list
})

// private are networks that are nobody's on the internet, or more than one's.
var private = prefixes("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
	"192.168.0.0/16", "224.0.0.0/3", "::/127", "::ffff:0:0/96", "64:ff9b::/96", "fc00::/7", "fe80::/10", "ff00::/8")

func prefixes(texts ...string) []netip.Prefix {
	list := make([]netip.Prefix, len(texts))
	for i, s := range texts {
		list[i] = netip.MustParsePrefix(s)
	}
	return list
}

// Check says what speaks against a decision, whoever has signed it; nil when
// nothing does. protected are networks that are never to be hit: the console's
// own, those of proxies that are believed.
func Check(d wire.Decision, now time.Time, protected []netip.Prefix) *wire.Objection {
	object := func(reason, format string, args ...any) *wire.Objection {
		return &wire.Objection{ID: d.ID, Reason: reason, Detail: fmt.Sprintf(format, args...)}
	}
	most, known := longest[d.Kind]
	switch {
	case d.ID == "" || len(d.ID) > 40:
		return object("no-name", "a decision without a name, or with one of %d bytes", len(d.ID))
	case !known:
		return object("unknown-kind", "this edge does not know decisions of the kind %.20q", d.Kind)
	case d.Until.IsZero():
		return object("no-end", "it would never end")
	case !d.Until.After(now):
		return object("over", "it ended %s", d.Until.UTC().Format(time.RFC3339))
	case d.Until.Sub(now) > most:
		return object("too-long", "it would hold for %d days, and a %s holds for %d at most", d.Until.Sub(now)/day, d.Kind, most/day)
	case len(d.Text) > wire.MaxDecisionText || len(d.Exclusion) > wire.MaxDecisionText:
		return object("too-big", "more than %d bytes", wire.MaxDecisionText)
	}
	if d.OnNetwork() {
		return checkNetwork(d, protected, object)
	}
	switch d.Kind {
	case wire.DecisionMode:
		if d.Mode != "block" && d.Mode != "detect" {
			return object("bad-mode", "an edge lets itself be told block or detect, and not %.20q", d.Mode)
		}
		if d.Site == "" {
			return object("no-site", "a mode is one site's")
		}
	case wire.DecisionExclusion:
		if d.Site == "" || len(d.Exclusion) == 0 {
			return object("no-site", "an exclusion is one site's")
		}
	case wire.DecisionPatch:
		if d.Name != filepath.Base(d.Name) || strings.HasPrefix(d.Name, ".") || d.Text == "" {
			return object("bad-patch", "a patch has a text and the name of a file, not %.40q", d.Name)
		}
	case wire.DecisionMessage:
		if strings.TrimSpace(d.Text) == "" {
			return object("bad-message", "it says nothing")
		}
	}
	return nil
}

func checkNetwork(d wire.Decision, protected []netip.Prefix, object func(string, string, ...any) *wire.Objection) *wire.Objection {
	n := d.Network
	if !n.IsValid() || n != n.Masked() || n.Addr().Is4In6() {
		return object("not-a-network", "%q is no network", n.String())
	}
	for _, p := range private {
		if p.Overlaps(n) {
			return object("private", "%s overlaps %s, which is nobody's on the internet", n, p)
		}
	}
	for _, p := range protected {
		if p.Overlaps(n) {
			return object("protected", "%s overlaps %s, which this edge depends on", n, p)
		}
	}
	for _, c := range crawlers() {
		if c.network.Overlaps(n) {
			return object("crawler", "%s overlaps %s, from which %s reads", n, c.network, c.whose)
		}
	}
	if widest := map[bool]int{true: Widest4, false: Widest6}[n.Addr().Is4()]; n.Bits() < widest {
		return object("too-wide", "%s is wider than a /%d", n, widest)
	}
	return nil
}
