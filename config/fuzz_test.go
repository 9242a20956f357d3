package config

import (
	"bytes"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// FuzzFile reads any bytes as a configuration. Every mistake must stand at a
// place of the file and say what to do; what is accepted must be in the form
// the other rooms rely on.
func FuzzFile(f *testing.F) {
	archives, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range archives {
		a, err := txtar.ParseFile(name)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range a.Files {
			if strings.HasSuffix(file.Name, ".yaml") {
				f.Add(file.Data)
			}
		}
	}
	f.Add([]byte("sites: &a [*a]"))
	f.Add([]byte("sites: [{<<: {hosts: x}, <<: 1}]\n? [a]\n: b"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 4096 {
			return
		}
		var m mistakes
		c := Default()
		c.Data = t.TempDir()
		c.origin = origin{"": {file: "qorgan.yaml", line: 1, column: 1}}
		newDecoder("qorgan.yaml", "", c.origin, &m).document(data, reflect.ValueOf(c).Elem())
		c.finish(&m)
		lines := bytes.Count(data, []byte("\n")) + bytes.Count(data, []byte("\r")) + 1
		for _, e := range m.list {
			if e.File != "qorgan.yaml" || e.Line < 1 || e.Line > lines+1 || e.Column < 1 || e.Message == "" || strings.ContainsAny(e.Message, "\n\r") {
				t.Errorf("mistake without a place or words: %#v", e)
			}
		}
		if len(m.list) > 0 {
			return
		}
		seen := map[string]bool{}
		for _, s := range c.Sites {
			if s.Name == "" || len(s.Hosts) == 0 || len(s.Upstreams) == 0 || s.Level < 1 || s.Level > 4 || s.Threshold.Inbound < 1 {
				t.Errorf("accepted: %+v", s)
			}
			for _, h := range s.Hosts {
				again, message, _ := normalHost(h)
				if again != h || message != "" {
					t.Errorf("host %q is not in its final form: %q %s", h, again, message)
				}
				if seen[h] {
					t.Errorf("host %q belongs to two sites", h)
				}
				seen[h] = true
			}
			for _, u := range s.Upstreams {
				if u.URL == nil || u.URL.Host == "" || u.URL.Path != "" {
					t.Errorf("upstream %v", u.URL)
				}
			}
		}
	})
}
