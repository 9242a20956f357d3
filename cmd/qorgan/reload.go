package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/rs/zerolog"

	"github.com/qorgan/qorgan/config"
)

// settle is how long a changed file must be left alone before it is read:
// editors and templating tools write in several steps.
const settle = 250 * time.Millisecond

// watcher rereads the configuration and the folder of added patches, on SIGHUP
// and when a file of them changes, one change at a time.
// Folders are watched, not files: most tools replace a file by another of its
// name.
type watcher struct {
	file    string // empty: there is nothing to reread
	load    func() (*config.Config, error)
	apply   func(context.Context, *config.Config) error
	patches string                      // folder of added patches
	changed func() bool                 // that folder is not as it was read last
	rearm   func(context.Context) error // puts it into force
	log     zerolog.Logger
	asked   chan chan error // made by newWatcher
	jobs    chan func(context.Context)
}

func newWatcher(file string, load func() (*config.Config, error), e *edge, log zerolog.Logger) *watcher {
	return &watcher{file: file, load: load, apply: e.reload, patches: e.armory.folder, changed: e.armory.changed, rearm: e.rearm, log: log, asked: make(chan chan error), jobs: make(chan func(context.Context))}
}

// ask has the configuration reread and returns what was wrong with it. It
// waits for run, which rereads one at a time.
func (w *watcher) ask(ctx context.Context) error {
	answer := make(chan error, 1)
	select {
	case w.asked <- answer:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// do has run do a change between two others, and returns what came of it.
func (w *watcher) do(ctx context.Context, change func(context.Context) error) error {
	answer := make(chan error, 1)
	select {
	case w.jobs <- func(ctx context.Context) { answer <- change(ctx) }:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// run watches until ctx is done.
func (w *watcher) run(ctx context.Context) error {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	folders, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watch configuration: %w", err)
	}
	defer folders.Close()
	if w.file != "" {
		if err := folders.Add(filepath.Dir(w.file)); err != nil {
			w.log.Warn().Err(err).Msg("changes of the configuration are not noticed; SIGHUP rereads it")
		}
		w.watchSites(folders)
	}
	if err := w.watchPatches(folders); err != nil {
		w.log.Warn().Err(err).Msg("added patches are not noticed; SIGHUP takes them")
	}
	quiet, patched := time.NewTimer(time.Hour), time.NewTimer(time.Hour)
	quiet.Stop()
	patched.Stop()
	if w.changed() { // between the start and now
		patched.Reset(settle)
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-hup:
			w.reload(ctx, "signal")
		case job := <-w.jobs:
			job(ctx)
		case answer := <-w.asked:
			answer <- w.reload(ctx, "console")
		case change := <-folders.Events:
			if change.Name == w.sites() && change.Has(fsnotify.Create) {
				w.watchSites(folders)
			}
			switch {
			case filepath.Dir(change.Name) == w.patches && isPatchFile(filepath.Base(change.Name)) && change.Op != fsnotify.Chmod:
				patched.Reset(settle)
			case w.concerns(change):
				quiet.Reset(settle)
			}
		case err := <-folders.Errors:
			w.log.Warn().Err(err).Msg("changes of the configuration may have been missed")
			quiet.Reset(settle)
			patched.Reset(settle)
		case <-quiet.C:
			w.reload(ctx, "change")
		case <-patched.C:
			w.repatch(ctx)
		}
	}
}

// watchPatches watches the folder of added patches, making it.
func (w *watcher) watchPatches(folders *fsnotify.Watcher) error {
	if err := os.MkdirAll(w.patches, 0o755); err != nil {
		return err
	}
	return folders.Add(w.patches)
}

// repatch puts the added patches into force, or says why not.
func (w *watcher) repatch(ctx context.Context) error {
	began := time.Now()
	err := w.rearm(ctx)
	if err == nil {
		w.log.Info().Dur("took", time.Since(began)).Msg("added patches in force")
		return nil
	}
	w.log.Error().Strs("mistakes", messages(err)).Msg("added patches not put into force; what was in force goes on")
	return err
}

// messages are the causes of an error, one text each.
func messages(err error) []string {
	var said []string
	for _, cause := range causes(err) {
		said = append(said, cause.Error())
	}
	return said
}

func (w *watcher) sites() string { return filepath.Join(filepath.Dir(w.file), "sites.d") }

// watchSites adds the folder of sites, which need not exist.
func (w *watcher) watchSites(folders *fsnotify.Watcher) {
	if _, err := os.Stat(w.sites()); err != nil {
		return
	}
	if err := folders.Add(w.sites()); err != nil {
		w.log.Warn().Err(err).Msg("changes in sites.d are not noticed; SIGHUP rereads it")
	}
}

// concerns reports whether a change may be one of the configuration. "..data"
// is the link that Kubernetes moves when a mounted configuration changes.
func (w *watcher) concerns(change fsnotify.Event) bool {
	name := filepath.Base(change.Name)
	switch {
	case change.Op == fsnotify.Chmod:
		return false
	case change.Name == filepath.Clean(w.file), change.Name == w.sites(), name == "..data":
		return true
	}
	return filepath.Dir(change.Name) == w.sites() && !strings.HasPrefix(name, ".")
}

// reload reads the configuration and puts it into force, or says why the old
// one goes on serving: in the log, for whoever changed the file, and to whoever
// asked.
func (w *watcher) reload(ctx context.Context, cause string) error {
	if w.file == "" {
		w.log.Info().Msg("the configuration came from the command line: only added patches are read again")
		return w.repatch(ctx)
	}
	began := time.Now()
	c, err := w.load()
	if err == nil {
		err = w.apply(ctx, c)
	}
	if err == nil {
		w.log.Info().Str("cause", cause).Int("sites", len(c.Sites)).Dur("took", time.Since(began)).Msg("configuration reloaded")
		return nil
	}
	w.log.Error().Str("cause", cause).Strs("mistakes", messages(err)).Msg("configuration not reloaded; the old one goes on serving")
	return err
}
