package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/internal/replace"
	"github.com/qorgan/qorgan/rulesets"
	"github.com/qorgan/qorgan/rulesets/patches"
)

// The files of added virtual patches below the data folder: the folder of the
// patches themselves, and what the running edge says about it.
func patchFolder(data string) string { return filepath.Join(data, "patches") }
func armedFile(data string) string   { return filepath.Join(data, "patches.json") }

// armed is what a running edge says about the folder of added patches, in the
// file patches.json below the data folder, there while it serves.
type armed struct {
	Process  int               `json:"process"`
	Read     map[string]string `json:"read"`               // the folder as last read: file name → SHA-256 of its content
	Mistakes []string          `json:"mistakes,omitempty"` // why the folder as read is not in force, but what was before
}

// readPatches reads the patches of a folder, which need not exist, and what it
// holds. Its error joins one for each file that is no patch.
func readPatches(folder string) (list []*patches.Patch, sums map[string]string, err error) {
	sums = map[string]string{}
	entries, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, sums, nil
	}
	if err != nil {
		return nil, sums, fmt.Errorf("read added patches: %w", err)
	}
	var errs []error
	for _, entry := range entries {
		if !isPatchFile(entry.Name()) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(folder, entry.Name()))
		if err != nil {
			errs = append(errs, fmt.Errorf("read added patch: %w", err))
			continue
		}
		sums[entry.Name()] = sum(text)
		p, err := patches.Parse(entry.Name(), string(text))
		if err != nil {
			errs = append(errs, err)
			continue
		}
		list = append(list, p)
	}
	return list, sums, errors.Join(errs...)
}

func isPatchFile(name string) bool { return filepath.Ext(name) == patches.Ending && name[0] != '.' }

func sum(text []byte) string {
	s := sha256.Sum256(text)
	return hex.EncodeToString(s[:])
}

// armory is the edge's virtual patches: those that come with the program and
// those of a folder. Used by one goroutine.
type armory struct {
	folder   string                      // empty: only those of the program
	profiles map[string]rulesets.Profile // without patches
	builtin  []*patches.Patch
	read     map[string]string // the folder as last read
}

// prepare compiles the rules for c with the patches, those that were added
// among them if they are wanted, and proves the added ones.
func (a *armory) prepare(ctx context.Context, judge *rulesets.Judge, c *config.Config, wanted bool) (*rulesets.Build, error) {
	var added []*patches.Patch
	if a.folder != "" && wanted {
		var err error
		if added, a.read, err = readPatches(a.folder); err != nil {
			return nil, err
		}
	}
	all := slices.Concat(a.builtin, added)
	if err := patches.Distinct(all); err != nil {
		return nil, err
	}
	profiles := maps.Clone(a.profiles)
	patches.Add(profiles, all)
	judge.SetProfiles(profiles)
	build, err := judge.Prepare(ctx, c.Sites)
	if err != nil || len(added) == 0 {
		return build, err
	}
	var errs []error
	bench := patches.BenchOf(build, c.Sites[0])
	for _, p := range added {
		errs = append(errs, bench.Try(ctx, p))
	}
	return build, errors.Join(errs...)
}

// changed reports whether the folder is another than when it was last read.
func (a *armory) changed() bool {
	_, now, _ := readPatches(a.folder)
	return !maps.Equal(now, a.read)
}

// rearm puts the folder of added patches into force as it is now, under the
// configuration in force; on an error everything stays as it was.
func (e *edge) rearm(ctx context.Context) error {
	rules, err := e.prepareRules(ctx, e.config.Load(), true)
	if err == nil {
		e.judge.Use(rules)
	}
	return errors.Join(err, e.tellArmed(err))
}

// tellArmed writes what became of the folder of added patches.
func (e *edge) tellArmed(problem error) error {
	if e.armory.folder == "" {
		return nil
	}
	a := armed{Process: os.Getpid(), Read: e.armory.read}
	if problem != nil {
		a.Mistakes = messages(problem)
	}
	b, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("encode armed patches: %w", err)
	}
	if err := replace.Bytes(armedFile(filepath.Dir(e.armory.folder)), 0o644, append(b, '\n')); err != nil {
		return fmt.Errorf("say which patches are armed: %w", err)
	}
	return nil
}
