package kept_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/qorgan/qorgan/guard/kept"
)

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "learned.json")
	f := &kept.File{Path: path}
	var got map[string]int
	if damaged, err := f.Load(&got); damaged != nil || err != nil || got != nil {
		t.Fatalf("a file that is not there: %v, %v, %v", got, damaged, err)
	}
	content := func() any { return map[string]int{"a": 1} }
	if err := f.Save(content); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("saved without a change")
	}
	f.Changed()
	if err := f.Save(content); err != nil {
		t.Fatal(err)
	}
	if damaged, err := f.Load(&got); damaged != nil || err != nil || got["a"] != 1 {
		t.Errorf("%v, %v, %v", got, damaged, err)
	}
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if damaged, err := f.Load(&got); damaged == nil || err != nil {
		t.Errorf("a damaged file: %v, %v", damaged, err)
	}
}

func TestSaveIsTriedAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "later")
	f := &kept.File{Path: filepath.Join(dir, "learned.json")}
	f.Changed()
	if err := f.Save(func() any { return 1 }); err == nil {
		t.Fatal("saved into a folder that is not there")
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := f.Save(func() any { return 1 }); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(f.Path); err != nil {
		t.Errorf("not tried again: %v", err)
	}
	if err := (&kept.File{}).Save(nil); err != nil {
		t.Errorf("nothing to keep: %v", err)
	}
}
