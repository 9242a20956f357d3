package rulesets

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"time"

	coreruleset "github.com/corazawaf/coraza-coreruleset/v4"
	"github.com/corazawaf/coraza/v3/experimental"
	"github.com/rs/zerolog"
	"golang.org/x/sync/singleflight"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/rulesets/language"
)

// Profile is what a CMS profile brings: rules of its own and the exclusions
// under which the CMS works.
type Profile struct {
	Rules      []Source
	Exclusions []config.Exclusion

	// Holes are the known holes that rules of the profile close, by rule id:
	// what an event says of a virtual patch that matched.
	Holes map[int]event.Hole
}

// Options configure a Judge.
type Options struct {
	// Record takes every refusal and, in detect mode, every match. It must not
	// block: the hot path calls it.
	Record func(event.Event)

	// Keep, when not nil, is given each request for which the rules made an
	// event, byte for byte, under the event's code and before Record has the
	// event. Bodies beyond [MaxKept] bytes are left out with their request. What
	// it is given holds the visitor's secrets: it must not leave the process's
	// memory unmasked. It must not block: the hot path calls it.
	Keep func(code string, p Probe)

	// Redact masks secrets in events before Record sees them. Without one,
	// equal secrets show equal marks until the process ends.
	Redact *event.Redactor

	// Profiles by the name that Exchange.Profile carries. A name without an
	// entry is judged by the rule set alone.
	Profiles map[string]Profile

	// Extra are rules for all sites: the owner's files and virtual patches.
	Extra []Source

	// RulesDir holds another release of the Core Rule Set, as its archives or
	// its Go module lay it out. It is used only when it passes the self-test;
	// otherwise the release built in judges, and New says so in the log. Empty
	// is the release built in.
	RulesDir string

	// FastPath lets requests pass without Coraza that provably match no rule.
	FastPath bool
	// Rehearse has a few attacks judged, off the hot path, by whatever comes into
	// force, so that the first real one does not wait for what is made on demand.
	Rehearse bool
	// AuditEvery has Coraza repeat one in so many judgements of the fast path,
	// off the hot path; 1000 by default, negative for none.
	AuditEvery int
	// Disagree hears of a judgement in which the two differed. The fast path is
	// then off for that profile until ResetFastPath. It may be nil.
	Disagree func(Disagreement)

	// Budget bounds the time spent judging one request; 5 seconds by default.
	Budget time.Duration

	// Spool is the folder, which must exist, for multipart bodies too large for
	// memory; the system's temporary folder by default, which may itself be
	// memory.
	Spool string

	Log zerolog.Logger
}

// Judge judges the requests of all sites. It is safe for concurrent use.
//
// What it judges by is changed in two steps: SetExtra, SetProfiles and LoadRules
// note what is wanted, [Judge.Prepare] compiles it, and [Judge.Use] puts it into
// force for requests that begin afterwards.
type Judge struct {
	opts    Options
	watch   *watch
	built   singleflight.Group
	engines sync.Map // [32]byte → *engine
	current atomic.Pointer[Build]
	pool    bufferPool
	observe func(*event.Event) // sees events before secrets are masked; for tests

	audit          *auditor   // nil without the fast path
	rehearsal      *rehearsal // nil for none
	count          counters
	countResponses counters
	disputes       disputes
	closed         sync.Once

	mu       sync.Mutex
	wanted   inputs
	standing *standing // beside the configuration; never nil
}

// inputs are what engines are compiled from.
type inputs struct {
	release  *release
	profiles map[string]Profile
	extra    []Source
}

// release is one release of the Core Rule Set.
type release struct {
	files fs.FS
	name  string // "built in", or the folder
	sum   [32]byte
}

// New returns a judge with no sites prepared. The rule set is compiled by
// Prepare, or when it is first needed.
func New(o Options) (*Judge, error) {
	if o.Record == nil {
		o.Record = func(event.Event) {}
	}
	if o.Budget <= 0 {
		o.Budget = 5 * time.Second
	}
	if o.Spool == "" {
		o.Spool = os.TempDir()
	}
	if o.Redact == nil {
		key := make([]byte, 32)
		_, _ = rand.Read(key) // never fails
		o.Redact = event.NewRedactor(key)
	}
	language.Register()
	register()
	builtIn, err := readRelease(coreruleset.FS, "built in")
	if err != nil {
		return nil, err
	}
	j := &Judge{opts: o, watch: &watch{budget: o.Budget}}
	j.standing = &standing{}
	j.wanted = inputs{release: builtIn, profiles: o.Profiles, extra: o.Extra}
	if o.RulesDir != "" {
		if err := j.LoadRules(context.Background(), o.RulesDir); err != nil {
			o.Log.Error().Err(err).Str("hint", "the rule set built in goes on judging").Msg("newer rule set not loaded")
		}
	}
	j.current.Store(newBuild(j, j.wanted))
	if o.FastPath && o.AuditEvery >= 0 {
		every := o.AuditEvery
		if every == 0 {
			every = 1000
		}
		j.startAudit(every)
	}
	if o.FastPath && o.Rehearse {
		j.startRehearsal()
	}
	return j, nil
}

// Close stops the audit and the rehearsal and waits for them. Requests under way
// finish.
func (j *Judge) Close() error {
	j.closed.Do(func() {
		if j.audit != nil {
			close(j.audit.stop)
			j.audit.wg.Wait()
		}
		if j.rehearsal != nil {
			j.rehearsal.stop()
		}
	})
	return nil
}

// SetExtra replaces Options.Extra for the next Prepare. Parameters that they
// name are meant as PHP resolves them, see [PHPNames].
func (j *Judge) SetExtra(extra []Source) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.wanted.extra = make([]Source, len(extra))
	for i, e := range extra {
		e.Text = PHPNames(e.Text)
		j.wanted.extra[i] = e
	}
}

// SetProfiles replaces Options.Profiles for the next Prepare.
func (j *Judge) SetProfiles(profiles map[string]Profile) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.wanted.profiles = profiles
}

// RulesID names what a profile's requests are judged by at present: rule set,
// own rules and the profile's exclusions. It changes when any of them does.
func (j *Judge) RulesID(profile string) string {
	in := j.current.Load().in
	sum := sha256.New()
	key := engineKey(inbound, in, profile)
	sum.Write(key[:])
	fmt.Fprintf(sum, "%+v", in.profiles[profile].Exclusions)
	return hex.EncodeToString(sum.Sum(nil)[:8])
}

// LoadRules takes the Core Rule Set for the next Prepare from a folder, if that
// one compiles and passes the self-test. On an error nothing changes.
func (j *Judge) LoadRules(ctx context.Context, dir string) error {
	files, err := openRules(dir)
	if err != nil {
		return err
	}
	r, err := readRelease(files, dir)
	if err != nil {
		return err
	}
	if err := prove(ctx, r, j.watch); err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.wanted.release = r
	return nil
}

// Use puts a build into force. Requests under way finish under the old one.
func (j *Judge) Use(b *Build) {
	j.mu.Lock()
	if b.standing != j.standing { // it was prepared before they changed
		b = b.under(j.standing)
	}
	j.current.Store(b)
	j.mu.Unlock()
	if j.rehearsal != nil {
		j.rehearsal.want(b)
	}
	keep := map[[32]byte]bool{}
	for name := range b.in.profiles {
		keep[engineKey(inbound, b.in, name)], keep[engineKey(outbound, b.in, name)] = true, true
	}
	keep[engineKey(inbound, b.in, "")], keep[engineKey(outbound, b.in, "")] = true, true
	j.engines.Range(func(key, e any) bool {
		if !keep[key.([32]byte)] {
			j.engines.Delete(key)
			// Transactions under way hold what they need themselves.
			if c, ok := e.(*engine).waf.(experimental.WAFCloser); ok {
				_ = c.Close()
			}
		}
		return true
	})
}

// engine returns the engine for a profile, compiling it on first use. Profiles
// without rules of their own share one.
func (j *Judge) engine(h half, in inputs, profile string) (*engine, error) {
	key := engineKey(h, in, profile)
	if e, ok := j.engines.Load(key); ok {
		return e.(*engine), nil
	}
	e, err, _ := j.built.Do(string(key[:]), func() (any, error) {
		if e, ok := j.engines.Load(key); ok {
			return e, nil
		}
		e, err := newEngine(h, in.release.files, in.sources(profile), j.watch)
		if err != nil {
			return nil, err
		}
		if !j.opts.FastPath {
			e.fast = nil
		} else if j.disputes.isOff(engineOf{h, profile}) {
			e.fast.off.Store(true)
		}
		j.engines.Store(key, e)
		return e, nil
	})
	if err != nil {
		return nil, err
	}
	return e.(*engine), nil
}

// sources are the rules beside the rule set for a profile.
func (in inputs) sources(profile string) []Source {
	own := in.profiles[profile].Rules
	return append(append([]Source(nil), own...), in.extra...)
}

// engineKey identifies an engine by what it is compiled from.
func engineKey(h half, in inputs, profile string) [32]byte {
	sum := sha256.New()
	fmt.Fprintf(sum, "%d %x\x00", h, in.release.sum)
	for _, s := range in.sources(profile) {
		fmt.Fprintf(sum, "%q %t %d\x00%s\x00", s.Name, s.Setup, len(s.Text), s.Text)
	}
	return [32]byte(sum.Sum(nil))
}

// readRelease identifies a release by its files.
func readRelease(files fs.FS, name string) (*release, error) {
	sum := sha256.New()
	err := fs.WalkDir(files, "@owasp_crs", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := fs.ReadFile(files, path)
		fmt.Fprintf(sum, "%q %d\x00%s\x00", path, len(b), b)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read rule set (%s): %w", name, err)
	}
	return &release{files: files, name: name, sum: [32]byte(sum.Sum(nil))}, nil
}
