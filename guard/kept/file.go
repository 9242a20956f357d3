package kept

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync/atomic"

	"github.com/qorgan/qorgan/internal/replace"
)

// File is the file at Path; an empty Path keeps nothing.
type File struct {
	Path string

	changed atomic.Bool
}

// Load reads the file into v. A missing one leaves v alone. One that is there
// and holds something else is told as damaged, and v is then not to be used.
func (f *File) Load(v any) (damaged, err error) {
	if f.Path == "" {
		return nil, nil
	}
	raw, err := os.ReadFile(f.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return json.Unmarshal(raw, v), nil
}

// Changed says that there is something new to save.
func (f *File) Changed() { f.changed.Store(true) }

// Save writes what now returns if something changed since it was last written.
// After an error the next Save tries again.
func (f *File) Save(now func() any) (err error) {
	if f.Path == "" || !f.changed.Swap(false) {
		return nil
	}
	defer func() {
		if err != nil {
			f.changed.Store(true)
		}
	}()
	raw, err := json.MarshalIndent(now(), "", "\t")
	if err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	return replace.Bytes(f.Path, 0o600, raw)
}
