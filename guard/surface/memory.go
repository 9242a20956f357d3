package surface

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"sync"

	"github.com/rs/zerolog"

	"github.com/qorgan/qorgan/internal/replace"
)

// perSite bounds each list of a site; a scan must not fill the disk.
const perSite = 1000

// memory is what was seen of each site. It is safe for concurrent use.
type memory struct {
	path string

	mu    sync.RWMutex
	sites map[string]*seen
	dirty bool
}

type seen struct {
	Learned  map[string]bool `json:"learned,omitempty"`  // open to visitors
	Answered map[string]bool `json:"answered,omitempty"` // strangers that answered 200 once
	Bases    map[string]bool `json:"bases,omitempty"`    // folders in which a CMS has its root
}

// remember reads the file. One that cannot be read is set aside: what it held
// is learned again, and until then only refused.
func remember(path string, log zerolog.Logger) (*memory, error) {
	m := &memory{path: path, sites: map[string]*seen{}}
	if path == "" {
		return m, nil
	}
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return m, nil
	}
	if err != nil {
		return nil, fmt.Errorf("load learned paths: %w", err)
	}
	if err := json.Unmarshal(raw, &m.sites); err != nil {
		m.sites = map[string]*seen{}
		log.Warn().Err(err).Str("kept", path+".unreadable").Msg("learned PHP paths could not be read; starting with none")
		if err := os.Rename(path, path+".unreadable"); err != nil {
			return nil, fmt.Errorf("set unreadable paths aside: %w", err)
		}
	}
	return m, nil
}

func (m *memory) has(site string, list func(*seen) *map[string]bool, p string) bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	s := m.sites[site]
	return s != nil && (*list(s))[p]
}

// add reports whether p is new to the list.
func (m *memory) add(site string, list func(*seen) *map[string]bool, p string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.sites[site]
	if s == nil {
		s = &seen{}
		m.sites[site] = s
	}
	l := list(s)
	if *l == nil {
		*l = map[string]bool{}
	}
	if (*l)[p] || len(*l) >= perSite || len(p) > 1024 {
		return false
	}
	(*l)[p] = true
	m.dirty = true
	return true
}

func learnedOf(s *seen) *map[string]bool  { return &s.Learned }
func answeredOf(s *seen) *map[string]bool { return &s.Answered }
func basesOf(s *seen) *map[string]bool    { return &s.Bases }

func (m *memory) isLearned(site, p string) bool   { return m.has(site, learnedOf, p) }
func (m *memory) learn(site, p string) bool       { return m.add(site, learnedOf, p) }
func (m *memory) firstAnswer(site, p string) bool { return m.add(site, answeredOf, p) }
func (m *memory) isBase(site, base string) bool   { return m.has(site, basesOf, base) }
func (m *memory) addBase(site, base string)       { m.add(site, basesOf, base) }

func (m *memory) learned(site string) []string {
	m.mu.RLock()
	defer m.mu.RUnlock()
	var out []string
	if s := m.sites[site]; s != nil {
		for p := range s.Learned {
			out = append(out, p)
		}
	}
	slices.Sort(out)
	return out
}

// encode returns what to write, nil when nothing changed since the last time.
func (m *memory) encode() ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.dirty {
		return nil, nil
	}
	m.dirty = false
	return json.MarshalIndent(m.sites, "", "\t")
}

// save writes the file if something was learned since it was last written.
func (m *memory) save() (err error) {
	if m.path == "" {
		return nil
	}
	raw, err := m.encode()
	if err != nil {
		return fmt.Errorf("encode learned paths: %w", err)
	}
	if raw == nil {
		return nil
	}
	defer func() {
		if err != nil {
			m.mu.Lock()
			m.dirty = true
			m.mu.Unlock()
		}
	}()
	if err := replace.Bytes(m.path, 0o600, raw); err != nil {
		return fmt.Errorf("save learned paths: %w", err)
	}
	return nil
}
