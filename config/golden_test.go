package config

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "write what the tests see into the golden files")

// TestGolden loads the configuration of each archive in testdata. The archive's
// section "mistakes" holds every error line, or "effective" what is in force.
func TestGolden(t *testing.T) {
	archives, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatal("no archives", err)
	}
	for _, file := range archives {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			dir, want := t.TempDir(), txtar.File{}
			t.Setenv("XDG_STATE_HOME", dir)
			kept := archive.Files[:0]
			for _, f := range archive.Files {
				if f.Name == "mistakes" || f.Name == "effective" {
					want = f
					continue
				}
				kept = append(kept, f)
				path := filepath.Join(dir, f.Name)
				if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, f.Data, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			got := txtar.File{Name: "effective"}
			c, err := Load(filepath.Join(dir, "qorgan.yaml"))
			if err != nil {
				got.Name = "mistakes"
				var lines []string
				for _, e := range Mistakes(err) {
					lines = append(lines, e.Error())
				}
				if strings.Join(lines, "\n") != err.Error() {
					t.Errorf("Mistakes and Error differ:\n%s\n%s", strings.Join(lines, "\n"), err)
				}
				got.Data = []byte(strings.ReplaceAll(err.Error()+"\n", dir+"/", ""))
			} else {
				got.Data = []byte(dump(reflect.ValueOf(c).Elem(), ""))
			}
			if *update {
				archive.Files = append(kept, got)
				if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got.Name != want.Name || string(got.Data) != string(want.Data) {
				t.Errorf("got %s:\n%s\nwant %s:\n%s", got.Name, got.Data, want.Name, want.Data)
			}
		})
	}
}

// dump writes every key with a value, a line each.
func dump(v reflect.Value, path string) string {
	if s, ok := v.Interface().(fmt.Stringer); ok && (v.Kind() != reflect.Pointer || !v.IsNil()) {
		return fmt.Sprintf("%s: %s\n", path, s)
	}
	var b strings.Builder
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			b.WriteString(dump(v.Elem(), path))
		}
	case reflect.Slice:
		for i := range v.Len() {
			b.WriteString(dump(v.Index(i), fmt.Sprintf("%s[%d]", path, i)))
		}
	case reflect.Struct:
		if r, ok := v.Interface().(RuleRange); ok {
			return fmt.Sprintf("%s: %d-%d\n", path, r.First, r.Last)
		}
		for _, key := range keysOf(v.Type()) {
			f, _ := fieldOf(v.Type(), key)
			b.WriteString(dump(v.FieldByIndex(f.Index), strings.TrimPrefix(path+"."+key, ".")))
		}
	default:
		if !v.IsZero() {
			fmt.Fprintf(&b, "%s: %v\n", path, v.Interface())
		}
	}
	return b.String()
}
