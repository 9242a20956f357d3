package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rs/zerolog"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/event"
)

// siteChoice says which site's rules judge a request that is only looked at.
type siteChoice struct {
	Config  string `short:"c" placeholder:"FILE" type:"path" help:"Judge as a site of this configuration does."`
	Site    string `placeholder:"NAME" help:"Which site of it, by name or host. The one the request names, or the first, by default."`
	Level   int    `placeholder:"1..4" help:"Paranoia level instead of the site's."`
	Profile string `placeholder:"NAME" help:"CMS profile instead of the site's: ${profiles}."`
}

// judge builds the rules of the site that is chosen, or that answers to host.
// The caller closes the edge, which has nothing but its judge.
func (x siteChoice) judge(ctx context.Context, host string) (*edge, *config.Site, error) {
	c, err := x.load()
	if err != nil {
		return nil, nil, err
	}
	site, err := x.choose(c, host)
	if err != nil {
		return nil, nil, err
	}
	c.Sites = []*config.Site{site}
	e := &edge{log: zerolog.Nop()}
	e.config.Store(c)
	var at state
	if x.Config != "" {
		at = state{patches: patchFolder(c.Data), book: c.Data, strict: true}
	}
	if err := e.buildRules(ctx, at, eventSink{masked: func(event.Event) {}}); err != nil {
		return nil, nil, errors.Join(err, e.close())
	}
	return e, site, nil
}

// load returns the configuration, or one of a site with every default.
func (x siteChoice) load() (*config.Config, error) {
	if x.Config != "" {
		return loadAll(config.Flags{File: x.Config})
	}
	c, s := config.Default(), config.DefaultSite()
	s.Name, s.Hosts = "default", []string{"*"}
	c.Sites = []*config.Site{s}
	return c, nil
}

// choose returns a copy of the site that judges, with the flags applied.
func (x siteChoice) choose(c *config.Config, host string) (*config.Site, error) {
	wanted := x.Site
	if wanted == "" {
		wanted = host
	}
	i := slices.IndexFunc(c.Sites, func(s *config.Site) bool { return s.Name == wanted || slices.Contains(s.Hosts, wanted) })
	if i < 0 && x.Site != "" {
		return nil, withHint(fmt.Errorf("find site %s: the configuration has none of that name or host", x.Site), "one that `qorgan check` lists")
	}
	site := *c.Sites[max(i, 0)]
	if x.Level != 0 {
		site.Level = x.Level
	}
	if x.Profile != "" {
		site.Profile = x.Profile
	}
	if site.Level < 1 || site.Level > 4 || !slices.Contains(config.Profiles(), site.Profile) {
		return nil, withHint(fmt.Errorf("level %d with profile %q is not known", site.Level, site.Profile),
			"a level of 1 to 4 and one of %s", strings.Join(config.Profiles(), ", "))
	}
	return &site, nil
}
