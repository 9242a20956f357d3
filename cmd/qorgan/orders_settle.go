package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/internal/replace"
	"github.com/qorgan/qorgan/report/wire"
	"github.com/qorgan/qorgan/rulesets/mistake"
	"github.com/qorgan/qorgan/rulesets/patches"
	"github.com/qorgan/qorgan/rulesets/standing"
)

// refuseFunc tells why a decision cannot be in force here.
type refuseFunc func(d wire.Decision, reason string, err error)

// inForceNow marks a decision in orders.done that holds.
const inForceNow = "in-force"

// settleExclusions puts exclusions into force that this edge's own rules prove
// harmless, whoever proved them elsewhere.
func (o *orders) settleExclusions(ctx context.Context, list map[string]wire.Decision, refuse refuseFunc) {
	var hold []standing.Exclusion
	for _, id := range slices.Sorted(maps.Keys(list)) {
		d := list[id]
		if d.Kind != wire.DecisionExclusion {
			continue
		}
		site := o.e.site(d.Site)
		if site == nil {
			continue // another edge's
		}
		var x standing.Exclusion
		if err := json.Unmarshal(d.Exclusion, &x); err != nil {
			if o.done[id] == "" {
				refuse(d, "unreadable", err)
			}
			continue
		}
		x.ID, x.Site, x.Expires, x.By = d.ID, d.Site, d.Until, "the console"
		if x.Profile == "" {
			x.Profile = site.Profile
		}
		switch o.done[id] {
		case "":
			reason, err := o.prove(ctx, site, x)
			if ctx.Err() != nil {
				return
			}
			if reason != "" {
				refuse(d, reason, err)
				continue
			}
			o.done[id] = inForceNow
			o.log.Info().Str("decision", id).Str("site", d.Site).Msg("an exclusion of the console was proved and is in force")
		case inForceNow:
		default:
			continue
		}
		hold = append(hold, x)
	}
	o.e.ordered.Store(&hold)
	if err := o.e.stand(); err != nil {
		o.log.Error().Strs("mistakes", messages(err)).Msg("not every exclusion is in force")
	}
}

// prove says why an exclusion may not hold; nothing when it may.
func (o *orders) prove(ctx context.Context, site *config.Site, x standing.Exclusion) (reason string, err error) {
	if err := x.Permitted(); err != nil {
		return "not-permitted", err
	}
	probe := x.Probe()
	if probe.Method == "" {
		if kept, ok := o.e.recent.Find(x.Incident); ok {
			probe = kept
		}
	}
	list, err := o.e.book.List()
	if err != nil {
		return "failed", err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	proof, err := mistake.Recheck(ctx, o.e.judge, site, x.Config(), slices.Concat(site.Exclusions, standing.Beside(list, x.Site, x.ID, time.Now())), probe)
	if err != nil {
		return "failed", err
	}
	if why := standing.Failure(proof); why != "" {
		return why, fmt.Errorf("of %d attacks in the same place %d would pass", proof.Tried(), len(proof.Opened))
	}
	return "", nil
}

// orderedPatch is how the file of a patch begins that a console decided on.
const orderedPatch = "fleet-"

// settlePatches adds and removes virtual patches, as `qorgan patch` does.
func (o *orders) settlePatches(ctx context.Context, list map[string]wire.Decision, refuse refuseFunc) {
	folder := patchFolder(o.data)
	want := map[string]wire.Decision{}
	for _, id := range slices.Sorted(maps.Keys(list)) {
		if d := list[id]; d.Kind == wire.DecisionPatch && (o.done[id] == "" || o.done[id] == inForceNow) {
			want[orderedPatch+strings.TrimSuffix(d.Name, patches.Ending)+patches.Ending] = d
		}
	}
	entries, err := os.ReadDir(folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		o.log.Error().Err(err).Msg("patches of the console are not looked at")
		return
	}
	for _, e := range entries {
		if _, ok := want[e.Name()]; !ok && strings.HasPrefix(e.Name(), orderedPatch) && isPatchFile(e.Name()) {
			if err := os.Remove(filepath.Join(folder, e.Name())); err != nil {
				o.log.Error().Err(err).Msg("a patch that was taken back is not removed")
			}
		}
	}
	for name, d := range want {
		if o.done[d.ID] != "" {
			continue
		}
		if err := o.addPatch(ctx, name, d.Text); err != nil {
			if ctx.Err() == nil {
				refuse(d, "bad-patch", err)
			}
			continue
		}
		o.done[d.ID] = inForceNow
		o.log.Info().Str("decision", d.ID).Str("patch", name).Msg("a patch of the console is in force")
	}
}

func (o *orders) addPatch(ctx context.Context, name, text string) error {
	path := filepath.Join(patchFolder(o.data), name)
	if was, err := os.ReadFile(path); err == nil && string(was) == text {
		return nil // since before the last start
	}
	p, err := patches.Parse(name, text)
	if err != nil {
		return err
	}
	if err := tryPatches(ctx, o.data, []*patches.Patch{p}); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := replace.Bytes(path, 0o644, []byte(text)); err != nil {
		return err
	}
	_, err = patchData{Data: o.data}.settled(ctx, map[string]string{name: sum([]byte(text))})
	if err != nil {
		err = errors.Join(err, os.Remove(path))
	}
	return err
}

// settleModes sets the modes of sites.
func (o *orders) settleModes(ctx context.Context, list map[string]wire.Decision) error {
	modes := map[string]config.Mode{}
	for _, id := range slices.Sorted(maps.Keys(list)) {
		if d := list[id]; d.Kind == wire.DecisionMode {
			if was, ok := modes[d.Site]; !ok || was == config.Detect {
				modes[d.Site] = config.Mode(d.Mode) // of two that block counts
			}
		}
	}
	if was := o.e.modes.Load(); was != nil && maps.Equal(*was, modes) || was == nil && len(modes) == 0 {
		return nil
	}
	return o.watcher.do(ctx, func(ctx context.Context) error {
		o.e.modes.Store(&modes)
		c := *o.e.config.Load()
		c.Sites = slices.Clone(c.Sites)
		err := o.e.reload(ctx, &c)
		if err == nil {
			o.log.Info().Int("sites", len(modes)).Msg("modes of the console are in force")
		}
		return err
	})
}

// overrule gives sites the modes that the console has decided, and those that
// it has let go of again the mode of the configuration.
func (e *edge) overrule(c *config.Config) {
	modes := e.modes.Load()
	if modes == nil {
		return
	}
	for i, s := range c.Sites {
		written, overruled := e.written[s]
		if !overruled {
			written = s.Mode
		}
		mode, ok := (*modes)[s.Name]
		if !ok {
			mode = written
		}
		if mode == s.Mode {
			continue
		}
		changed := *s
		changed.Mode = mode
		c.Sites[i] = &changed
		e.written[&changed] = written
	}
	for s := range e.written { // sites that are gone
		if !slices.Contains(c.Sites, s) {
			delete(e.written, s)
		}
	}
}
