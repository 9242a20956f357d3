package replace

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "state")
	for _, content := range []string{"old", "new, and longer"} {
		if err := Bytes(path, 0o600, []byte(content)); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil || string(got) != content {
			t.Errorf("%q, %v; want %q", got, err, content)
		}
	}
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("mode: %v, %v", st.Mode(), err)
	}

	broken := errors.New("half-way")
	err := File(path, 0o600, func(w io.Writer) error {
		io.WriteString(w, "ha")
		return broken
	})
	if !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "new, and longer" {
		t.Errorf("after a failure: %q, %v", got, err)
	}
	if err := Bytes(filepath.Join(dir, "no", "folder"), 0o600, nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a folder that is not there: %v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestUpdate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "count")
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			err := Update(path, 0o600, func(old []byte) ([]byte, error) { return append(old, 'x'), nil })
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got, err := os.ReadFile(path); err != nil || string(got) != strings.Repeat("x", 20) {
		t.Errorf("%q, %v", got, err)
	}
	refused := errors.New("no")
	if err := Update(path, 0o600, func([]byte) ([]byte, error) { return nil, refused }); !errors.Is(err, refused) {
		t.Errorf("error %v", err)
	}
	if got, err := os.ReadFile(path); err != nil || len(got) != 20 {
		t.Errorf("after a failure: %q, %v", got, err)
	}
}
