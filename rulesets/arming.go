package rulesets

import (
	"maps"
	"slices"
	"strings"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/exchange"
	"github.com/qorgan/qorgan/rulesets/exclude"
	"github.com/qorgan/qorgan/rulesets/reader"
)

// idleOf is for whom the idle patches were worked out.
type idleOf struct{ site, profile string }

// idle are the virtual patches that a site does not need.
type idle struct {
	runs *exchange.Runs // for which this holds
	set  *exclude.Set
}

// unarmed returns what takes the virtual patches off a site that it does not
// want armed; nil where all are.
//
// A site that wants those armed that it needs, and of which nothing was seen
// yet, gets all. So does a request that names the folder of a plugin or theme:
// whoever asks there knows, or wants to know, what runs.
func (b *Build) unarmed(x *exchange.Exchange, profile string, r *reader.Request) *exclude.Set {
	switch x.Site.Patches {
	case config.Unarmed:
	case config.Seen:
		if x.Runs == nil || strings.Contains(r.Path, "/plugins/") || strings.Contains(r.Path, "/themes/") {
			return nil
		}
	default:
		return nil
	}
	key := idleOf{x.Site.Name, profile}
	if known, ok := b.idle.Load(key); ok && known.(*idle).runs == x.Runs {
		return known.(*idle).set
	}
	out := config.Exclusion{Reason: "virtual patches are armed only for what the site was seen to run"}
	if x.Site.Patches == config.Unarmed {
		out.Reason = "virtual patches are off on this site"
	}
	holes := b.in.profiles[profile].Holes
	for _, id := range slices.Sorted(maps.Keys(holes)) {
		core := strings.HasPrefix(holes[id].Product, "core/")
		if x.Site.Patches == config.Unarmed || !core && !x.Runs.Has(holes[id].Product) {
			out.Rules = append(out.Rules, config.RuleRange{First: id, Last: id})
		}
	}
	now := &idle{runs: x.Runs}
	if len(out.Rules) > 0 {
		now.set, _ = exclude.Compile([]config.Exclusion{out}) // rule ids alone always compile
	}
	b.idle.Store(key, now)
	return now.set
}
