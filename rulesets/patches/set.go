package patches

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/rulesets"
)

// Distinct returns an error for every patch of the list whose name or rule ids
// an earlier one has.
func Distinct(list []*Patch) error {
	var errs []error
	names, ids := map[string]bool{}, map[int]string{}
	for _, p := range list {
		if names[p.Name] {
			errs = append(errs, fmt.Errorf("%s: there is a patch of this name already", p.Name))
			continue
		}
		names[p.Name] = true
		for _, id := range p.Rules {
			if other, taken := ids[id]; taken {
				errs = append(errs, fmt.Errorf("%s: rule id %d is taken by %s", p.Name, id, other))
				continue
			}
			ids[id] = p.Name
		}
	}
	return errors.Join(errs...)
}

// Find returns the patches that id names: one by its name, or all of its CVE.
func Find(list []*Patch, id string) []*Patch {
	var found []*Patch
	for _, p := range list {
		if p.ID() == id || p.Name == id {
			return []*Patch{p}
		}
		if strings.EqualFold(p.CVE, id) {
			found = append(found, p)
		}
	}
	return found
}

// Add puts patches into every profile: their rules, whom each spares, and the
// hole each closes.
func Add(profiles map[string]rulesets.Profile, list []*Patch) {
	// Coraza includes at most a hundred files, so all patches are one.
	var text strings.Builder
	var spared []config.Exclusion
	holes := map[int]event.Hole{}
	for _, p := range list {
		fmt.Fprintf(&text, "# %s\n%s\n", p.Name, p.Text)
		for _, id := range p.Rules {
			holes[id] = event.Hole{CVE: p.CVE, Product: p.Product, Affected: p.Affected}
		}
		if p.Spares == "" {
			continue
		}
		x := config.Exclusion{Who: p.Spares, Reason: p.CVE + " is a hole for those who may not do this"}
		for _, id := range p.Rules {
			x.Rules = append(x.Rules, config.RuleRange{First: id, Last: id})
		}
		spared = append(spared, x)
	}
	source := rulesets.Source{Name: "patches", Text: text.String()}
	for name, p := range profiles {
		p.Rules = append(slices.Clip(p.Rules), source)
		p.Exclusions = slices.Concat(p.Exclusions, spared)
		p.Holes = holes
		profiles[name] = p
	}
}
