package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rs/zerolog"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/rulesets"
	"github.com/qorgan/qorgan/rulesets/exclude"
)

// loadAll returns the configuration or every mistake in it: also those that
// only building the parts would find, and that nobody should have to learn of
// one start later.
func loadAll(f config.Flags) (*config.Config, error) {
	c, err := f.Draft()
	if err == nil {
		return c, nil
	}
	further := inScratch(c, func(at state) error {
		e, _, err := buildParts(context.Background(), c, at, zerolog.Nop(), nowhere())
		_, consoleErr := consoleTLS(c, at.certs, nil)
		return errors.Join(err, consoleErr, e.close())
	})
	said := config.Mistakes(err)
	for _, m := range config.Mistakes(further) {
		if !saidAlready(said, m) {
			said = append(said, m)
			err = errors.Join(err, m)
		}
	}
	return nil, err
}

// saidAlready reports whether a mistake was named where m stands, or inside of
// it.
func saidAlready(said []*config.Error, m *config.Error) bool {
	return slices.ContainsFunc(said, func(s *config.Error) bool {
		return s.File == m.File && (s.Path != "" && s.Path == m.Path || strings.HasPrefix(s.Path, m.Path+".") || *s == *m)
	})
}

// ruleMistakes gives what the judge says about an owner's rules and exclusions
// its place in the files. What is wrong in a rule file is said once, not for
// every engine that reads it.
func ruleMistakes(c *config.Config, err error) error {
	var list []error
	add := func(e error) {
		if !slices.ContainsFunc(list, func(o error) bool { return o.Error() == e.Error() }) {
			list = append(list, e)
		}
	}
	at := -1 // the site whose errors are walked through
	var walk func(error)
	walk = func(err error) {
		switch e := err.(type) {
		case nil:
		case *rulesets.SiteError:
			at = slices.Index(c.Sites, e.Site)
			walk(e.Err)
			at = -1
		case *exclude.Error:
			if at < 0 {
				add(e)
				return
			}
			add(c.Mistake(fmt.Sprintf("sites[%d].exclusions[%d]", at, e.Index), e.Err.Error(), "an exclusion that `qorgan explain` printed"))
		case *rulesets.SourceError:
			if !slices.Contains(c.Rules.Extra, e.File) {
				add(e)
				return
			}
			add(&config.Error{File: e.File, Line: e.Line, Column: e.Column, Message: e.Err.Error(), Hint: e.Hint})
		case interface{ Unwrap() []error }:
			for _, err := range e.Unwrap() {
				walk(err)
			}
		default:
			add(fmt.Errorf("build rules: %w", err))
		}
	}
	walk(err)
	return errors.Join(list...)
}
