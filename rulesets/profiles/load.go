package profiles

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/rulesets"
)

//go:embed data
var data embed.FS

const (
	// common is the file whose exclusions and rules belong to every profile.
	common = "common"
	// shields are WordPress's that also stand before a site whose system is not
	// known yet: most sites behind an edge are one, and an attacker does not wait.
	shields = "shields"
	// first and last are the ids of shields.
	firstShield, lastShield = 2001000, 2001999
)

// Load returns the built-in profiles by the name that a site's configuration
// uses. "generic" is what visitors of any of them may do; "auto", until the
// system behind a site was recognised, has WordPress's shields besides.
func Load() (map[string]rulesets.Profile, error) { return load(data) }

// file is one profile as it is written.
type file struct {
	// Groups give lists of rules a name, for the exclusions of this file and, if
	// it is the common one, of all.
	Groups []group `yaml:"groups"`
	// Exclusions are the profile's rule exclusions.
	Exclusions []exclusion `yaml:"exclusions"`
}

type group struct {
	// Name is what exclusions call it.
	Name string `yaml:"name"`
	// Rules are rule ids and ranges.
	Rules []config.RuleRange `yaml:"rules"`
}

// exclusion is a config.Exclusion whose rules may be named by group.
type exclusion struct {
	// Reason says why, for whoever reviews it.
	Reason string `yaml:"reason"`
	// Who is the least a requester must be.
	Who config.Who `yaml:"who"`
	// Methods, Path, When and Targets are those of config.Exclusion.
	Methods []string `yaml:"methods"`
	Path    string   `yaml:"path"`
	When    []string `yaml:"when"`
	Targets []string `yaml:"targets"`
	// Groups are names of groups of rules, Rules further ids and ranges.
	Groups []string           `yaml:"groups"`
	Rules  []config.RuleRange `yaml:"rules"`
}

func load(files fs.FS) (map[string]rulesets.Profile, error) {
	shared, err := read(files, common, nil)
	if err != nil {
		return nil, err
	}
	profiles := map[string]rulesets.Profile{}
	unknown := shared.Profile // a site whose system is not known, or not yet
	guard, err := rulesOf(files, shields)
	if err != nil {
		return nil, err
	}
	auto := rulesets.Profile{}
	names, err := fs.Glob(files, "data/*.yaml")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		name = strings.TrimSuffix(path.Base(name), ".yaml")
		if name == common {
			continue
		}
		own, err := read(files, name, shared.groups)
		if err != nil {
			return nil, err
		}
		unknown.Exclusions = append(unknown.Exclusions[:len(unknown.Exclusions):len(unknown.Exclusions)], forAnyone(own.Exclusions)...)
		if name == "wordpress" {
			own.Rules = append(guard[:len(guard):len(guard)], own.Rules...)
			auto.Exclusions = ofShields(own.Exclusions)
		}
		profiles[name] = rulesets.Profile{
			Rules:      append(shared.Rules[:len(shared.Rules):len(shared.Rules)], own.Rules...),
			Exclusions: append(shared.Exclusions[:len(shared.Exclusions):len(shared.Exclusions)], own.Exclusions...),
		}
	}
	auto.Rules = append(unknown.Rules[:len(unknown.Rules):len(unknown.Rules)], guard...)
	auto.Exclusions = append(unknown.Exclusions[:len(unknown.Exclusions):len(unknown.Exclusions)], auto.Exclusions...)
	profiles["auto"], profiles["generic"] = auto, unknown
	return profiles, nil
}

// ofShields returns the exclusions that are about nothing but shields.
func ofShields(list []config.Exclusion) []config.Exclusion {
	var all []config.Exclusion
	for _, x := range list {
		if !slices.ContainsFunc(x.Rules, func(r config.RuleRange) bool { return r.First < firstShield || r.Last > lastShield }) {
			all = append(all, x)
		}
	}
	return all
}

// forAnyone returns the exclusions that ask for no witness: what a visitor of
// one system may type does no harm on a path that another does not have.
func forAnyone(list []config.Exclusion) []config.Exclusion {
	var all []config.Exclusion
	for _, x := range list {
		if x.Who == "" || x.Who == config.Anyone {
			all = append(all, x)
		}
	}
	return all
}

// loaded is one file, and the groups that it and the common file define.
type loaded struct {
	rulesets.Profile
	groups map[string][]config.RuleRange
}

func read(files fs.FS, name string, groups map[string][]config.RuleRange) (*loaded, error) {
	yaml := "data/" + name + ".yaml"
	text, err := fs.ReadFile(files, yaml)
	if err != nil {
		return nil, fmt.Errorf("read profile: %w", err)
	}
	var f file
	if err := config.Decode(yaml, text, &f); err != nil {
		return nil, err
	}
	p := &loaded{groups: map[string][]config.RuleRange{}}
	for k, v := range groups {
		p.groups[k] = v
	}
	for _, g := range f.Groups {
		p.groups[g.Name] = g.Rules
	}
	var errs []error
	for i, x := range f.Exclusions {
		rules, err := p.expand(x)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: exclusion %d (%s): %w", yaml, i+1, x.Reason, err))
			continue
		}
		if x.Reason == "" {
			errs = append(errs, fmt.Errorf("%s: exclusion %d gives no reason", yaml, i+1))
		}
		p.Exclusions = append(p.Exclusions, config.Exclusion{
			Rules: rules, Methods: x.Methods, Path: x.Path, When: x.When, Targets: x.Targets, Who: x.Who, Reason: x.Reason,
		})
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	p.Rules, err = rulesOf(files, name)
	return p, err
}

// rulesOf reads the rules beside a profile and what the rule set is to be told
// before it begins; neither need be.
func rulesOf(files fs.FS, name string) ([]rulesets.Source, error) {
	var all []rulesets.Source
	for _, f := range []rulesets.Source{{Name: name + "-setup.conf", Setup: true}, {Name: name + ".conf"}} {
		text, err := fs.ReadFile(files, "data/"+f.Name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return nil, fmt.Errorf("read profile: %w", err)
		}
		f.Text = string(text)
		all = append(all, f)
	}
	return all, nil
}

// expand returns the rules of an exclusion, those of its groups included.
func (l *loaded) expand(x exclusion) ([]config.RuleRange, error) {
	var all []config.RuleRange
	for _, name := range x.Groups {
		g, ok := l.groups[name]
		if !ok {
			return nil, fmt.Errorf("no group of rules is called %q", name)
		}
		all = append(all, g...)
	}
	return append(all, x.Rules...), nil
}
