package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/qorgan/qorgan/internal/replace"
	"github.com/qorgan/qorgan/rulesets/patches"
	"github.com/qorgan/qorgan/rulesets/profiles"
)

type patchCmd struct {
	Add    patchAddCmd    `cmd:"" help:"Put virtual patches into force, on a running edge without a restart."`
	List   patchListCmd   `cmd:"" help:"List the virtual patches."`
	Show   patchShowCmd   `cmd:"" help:"Print a virtual patch."`
	Test   patchTestCmd   `cmd:"" help:"Say whether a file is a good virtual patch."`
	Remove patchRemoveCmd `cmd:"" help:"Take an added virtual patch out of force again."`
}

// patchData says where added patches lie.
type patchData struct {
	Data string `placeholder:"DIR" type:"path" default:"${data}" help:"Folder for state of the edge, which may be running. ${default} by default here."`
}

type patchAddCmd struct {
	File string `arg:"" type:"path" help:"The patch, or a folder of them."`
	patchData
}

// Run tries the patches, puts them where the edge looks, and waits until it says
// that they are in force.
func (a patchAddCmd) Run(p *process) error {
	ctx := context.Background()
	fresh, err := patchFiles(a.File)
	if err != nil {
		return err
	}
	if _, err := os.Stat(a.Data); err != nil {
		return withHint(fmt.Errorf("find data folder: %w", err), "the folder that `qorgan run` was given with --data")
	}
	if err := tryPatches(ctx, a.Data, fresh); err != nil {
		return err
	}
	folder := patchFolder(a.Data)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fmt.Errorf("make folder for patches: %w", err)
	}
	undo, want := map[string][]byte{}, map[string]string{}
	for _, f := range fresh {
		was, err := os.ReadFile(filepath.Join(folder, f.Name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("read patch: %w", err)
		}
		undo[f.Name], want[f.Name] = was, sum([]byte(f.Raw))
	}
	for _, f := range fresh {
		if err := replace.Bytes(filepath.Join(folder, f.Name), 0o644, []byte(f.Raw)); err != nil {
			return errors.Join(fmt.Errorf("write patch: %w", err), restorePatches(folder, undo))
		}
	}
	state, err := a.settled(ctx, want)
	if err != nil {
		return errors.Join(err, restorePatches(folder, undo))
	}
	for _, f := range fresh {
		fmt.Fprintf(p.out, "%s (%s): %s\n", f.ID(), f.Product, state)
	}
	return nil
}

// restorePatches puts files back as they were; nil is no file.
func restorePatches(folder string, files map[string][]byte) error {
	var errs []error
	for name, text := range files {
		path := filepath.Join(folder, name)
		if text == nil {
			errs = append(errs, os.Remove(path))
			continue
		}
		errs = append(errs, replace.Bytes(path, 0o644, text))
	}
	return errors.Join(errs...)
}

// patchFiles reads a patch, or every one of a folder.
func patchFiles(path string) ([]*patches.Patch, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read patch: %w", err)
	}
	if info.IsDir() {
		list, err := patches.Load(os.DirFS(path))
		if err == nil && len(list) == 0 {
			err = withHint(fmt.Errorf("read patches: no file in %s ends in %s", path, patches.Ending), "docs/patches.md says what a patch looks like")
		}
		return list, err
	}
	if !isPatchFile(filepath.Base(path)) {
		return nil, withHint(fmt.Errorf("read patch: the name of %s does not end in %s", path, patches.Ending), "name it after its hole: cve-2026-0001-name%s", patches.Ending)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read patch: %w", err)
	}
	one, err := patches.Parse(filepath.Base(path), string(text))
	return []*patches.Patch{one}, err
}

// tryPatches tries new patches beside those that are there.
func tryPatches(ctx context.Context, data string, fresh []*patches.Patch) (err error) {
	builtin, err := patches.Builtin()
	if err != nil {
		return fmt.Errorf("load virtual patches: %w", err)
	}
	added, _, err := readPatches(patchFolder(data))
	if err != nil {
		return withHint(err, "correct or remove it first; until then the edge takes no change of %s", patchFolder(data))
	}
	added = slices.DeleteFunc(added, func(old *patches.Patch) bool {
		return slices.ContainsFunc(fresh, func(f *patches.Patch) bool { return f.Name == old.Name })
	})
	all := slices.Concat(builtin, added, fresh)
	if err := patches.Distinct(all); err != nil {
		return withHint(err, "rule ids from %d on are free for your own; `qorgan patch list` names what is there", patches.OwnRule)
	}
	known, err := profiles.Load()
	if err != nil {
		return fmt.Errorf("load profiles: %w", err)
	}
	bench, err := patches.NewBench(ctx, known["wordpress"], all)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, bench.Close()) }()
	var errs []error
	for _, f := range fresh {
		errs = append(errs, bench.Try(ctx, f))
	}
	return errors.Join(errs...)
}

const (
	inForce = "in force on the running edge"

	// edgePatience is how long a running edge may take to say what became of a
	// change, deadPatience what is waited for one that seems not to run.
	edgePatience = 60 * time.Second
	deadPatience = 2 * time.Second
)

// settled waits until the running edge has read the folder as it is wanted,
// file name → SHA-256, empty for none, and says what that means. Its error is
// what the edge has against it.
func (d patchData) settled(ctx context.Context, want map[string]string) (state string, err error) {
	ctx, cancel := context.WithTimeout(ctx, edgePatience)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	began := time.Now()
	for {
		a, err := readArmed(d.Data)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return "no edge runs over " + d.Data + "; it counts from the next start on", nil
		case err != nil:
			return "", err
		case a.has(want):
			if len(a.Mistakes) > 0 {
				return "", fmt.Errorf("the running edge does not take it: %s", strings.Join(a.Mistakes, "; "))
			}
			return inForce, nil
		case !alive(a.Process) && time.Since(began) > deadPatience:
			return "no edge runs over " + d.Data + "; it counts from the next start on", nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return "", withHint(fmt.Errorf("the running edge has not read %s within %s", patchFolder(d.Data), edgePatience),
				"send it SIGHUP (process %d), and look into its log", a.Process)
		}
	}
}

// has reports whether the edge has read the wanted files.
func (a armed) has(want map[string]string) bool {
	for name, s := range want {
		if a.Read[name] != s {
			return false
		}
	}
	return true
}

func readArmed(data string) (a armed, err error) {
	b, err := os.ReadFile(armedFile(data))
	if err != nil {
		return a, fmt.Errorf("ask running edge: %w", err)
	}
	if err := json.Unmarshal(b, &a); err != nil {
		return a, fmt.Errorf("ask running edge: %w", err)
	}
	return a, nil
}

// alive reports whether a process of this machine may be running.
func alive(id int) bool {
	p, err := os.FindProcess(id)
	return err == nil && !errors.Is(p.Signal(syscall.Signal(0)), os.ErrProcessDone)
}

type patchRemoveCmd struct {
	ID string `arg:"" help:"The patch's name, or its CVE."`
	patchData
}

// Run removes an added patch and waits until the edge has let go of it.
func (r patchRemoveCmd) Run(p *process) error {
	added, _, err := readPatches(patchFolder(r.Data))
	found := patches.Find(added, r.ID)
	if broken := filepath.Join(patchFolder(r.Data), filepath.Base(strings.TrimSuffix(r.ID, patches.Ending)+patches.Ending)); err != nil && len(found) == 0 && isFile(broken) {
		found = []*patches.Patch{{Name: filepath.Base(broken)}} // no patch, and the very file that is in the way
	}
	switch {
	case len(found) > 1:
		var names []string
		for _, f := range found {
			names = append(names, f.ID())
		}
		return withHint(fmt.Errorf("remove patch: %s names %d patches", r.ID, len(found)), "one of %s", strings.Join(names, ", "))
	case len(found) == 0:
		builtin, err := patches.Builtin()
		if err != nil {
			return fmt.Errorf("load virtual patches: %w", err)
		}
		if b := patches.Find(builtin, r.ID); len(b) > 0 {
			return withHint(fmt.Errorf("remove patch: %s comes with the program", b[0].ID()), "an exclusion of its rules under the site: rules: %v", b[0].Rules)
		}
		return withHint(fmt.Errorf("remove patch: none of those added is called %s", r.ID), "`qorgan patch list --added` names them")
	}
	name := found[0].Name
	if err := os.Remove(filepath.Join(patchFolder(r.Data), name)); err != nil {
		return fmt.Errorf("remove patch: %w", err)
	}
	state, err := r.settled(context.Background(), map[string]string{name: ""})
	if err != nil {
		return err
	}
	if state == inForce {
		state = "no longer " + inForce
	}
	_, err = fmt.Fprintf(p.out, "%s: removed; %s\n", found[0].ID(), state)
	return err
}

type patchListCmd struct {
	Added bool `help:"Only those that were added."`
	patchData
}

// Run lists the patches, the newest holes first.
func (l patchListCmd) Run(p *process) error {
	list, err := everyPatch(l.Data, l.Added)
	w := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
	for _, x := range list {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", x.ID(), x.from, x.Product, x.Affected, x.Title)
	}
	return errors.Join(w.Flush(), err)
}

// listed is a patch and where it is from.
type listed struct {
	*patches.Patch
	from string
}

// everyPatch returns the patches of the program and those added. Its error
// names added files that are no patches.
func everyPatch(data string, addedOnly bool) (all []listed, err error) {
	added, _, broken := readPatches(patchFolder(data))
	for _, a := range added {
		all = append(all, listed{a, "added"})
	}
	if !addedOnly {
		builtin, err := patches.Builtin()
		if err != nil {
			return nil, fmt.Errorf("load virtual patches: %w", err)
		}
		for _, b := range builtin {
			all = append(all, listed{b, "built in"})
		}
	}
	slices.SortStableFunc(all, func(a, b listed) int { return strings.Compare(b.ID(), a.ID()) })
	return all, broken
}

type patchShowCmd struct {
	ID string `arg:"" help:"The patch's name, or its CVE."`
	patchData
}

// Run prints the patch's file.
func (s patchShowCmd) Run(p *process) error {
	all, broken := everyPatch(s.Data, false)
	var list []*patches.Patch
	for _, a := range all {
		list = append(list, a.Patch)
	}
	found := patches.Find(list, s.ID)
	if len(found) == 0 {
		return errors.Join(withHint(fmt.Errorf("show patch: none is called %s", s.ID), "`qorgan patch list` names them"), broken)
	}
	for _, f := range found {
		if _, err := fmt.Fprintf(p.out, "# %s\n%s", f.Name, f.Raw); err != nil {
			return err
		}
	}
	return nil
}

type patchTestCmd struct {
	File string `arg:"" type:"path" help:"The patch, or a folder of them."`
	patchData
}

// Run does what add does before it changes anything.
func (t patchTestCmd) Run(p *process) error {
	fresh, err := patchFiles(t.File)
	if err == nil {
		err = tryPatches(context.Background(), t.Data, fresh)
	}
	if err != nil {
		return err
	}
	for _, f := range fresh {
		fmt.Fprintf(p.out, "%s: good: it refuses its exploit and lets its harmless request pass\n", f.Name)
	}
	return nil
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
