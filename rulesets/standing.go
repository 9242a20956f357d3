package rulesets

import (
	"errors"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/rulesets/exclude"
)

// standing are the exclusions that hold beside the configuration, by site. It
// is immutable.
type standing struct {
	sets map[string]*exclude.Set
}

// Stand puts exclusions into force that hold beside those of the configuration,
// by the site's name, in place of those that stood before. No rule is compiled:
// requests that begin afterwards are judged under them, by what is in force and
// by whatever is put into force later. They are taken as they are: the package
// mistake says which may be. On an error everything stays as it was.
func (j *Judge) Stand(bySite map[string][]config.Exclusion) error {
	s := &standing{sets: make(map[string]*exclude.Set, len(bySite))}
	var errs []error
	for name, list := range bySite {
		set, err := exclude.Compile(list)
		if err != nil {
			errs = append(errs, &SiteError{Site: &config.Site{Name: name}, Err: err})
		}
		s.sets[name] = set
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.standing = s
	j.current.Store(j.current.Load().under(s))
	return nil
}

// under returns the build with other exclusions standing beside it.
func (b *Build) under(s *standing) *Build {
	out := &Build{j: b.j, in: b.in, sites: b.sites, profiles: b.profiles, levels: b.levels, standing: s}
	b.engines.Range(func(key, e any) bool {
		out.engines.Store(key, e)
		return true
	})
	return out
}
