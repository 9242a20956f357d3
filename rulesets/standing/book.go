package standing

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/internal/replace"
)

// ErrNotFound says that there is no decision of that name.
var ErrNotFound = errors.New("no such exclusion")

// version is the form of the file.
const version = 1

// lapsed is how long a decision that ended by itself is still listed.
const lapsed = 30 * 24 * time.Hour

// file is what stands in the file. Revision grows with each change.
type file struct {
	Version    int         `json:"version"`
	Revision   int64       `json:"revision"`
	Exclusions []Exclusion `json:"exclusions"`
}

// Book is the file of decisions below a data folder.
type Book struct {
	path string
	now  func() time.Time
}

// In returns the book of a data folder. Nothing is opened or made yet.
func In(data string) *Book {
	return &Book{path: filepath.Join(data, "exclusions", "exclusions.json"), now: time.Now}
}

// Path is the book's file, in a folder of its own: whoever watches it hears of
// nothing else.
func (b *Book) Path() string { return b.path }

// Prepare makes the book's folder.
func (b *Book) Prepare() error {
	if err := os.MkdirAll(filepath.Dir(b.path), 0o700); err != nil {
		return fmt.Errorf("make folder of exclusions: %w", err)
	}
	return nil
}

// List returns all decisions, the oldest first, those that lately ended by
// themselves among them; none when there is no file.
func (b *Book) List() ([]Exclusion, error) {
	content, err := os.ReadFile(b.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read exclusions: %w", err)
	}
	f, err := decode(content)
	if err != nil {
		return nil, fmt.Errorf("read exclusions: %s: %w", b.path, err)
	}
	return f.Exclusions, nil
}

func decode(content []byte) (file, error) {
	f := file{Version: version}
	if len(content) == 0 {
		return f, nil
	}
	if err := json.Unmarshal(content, &f); err != nil {
		return file{}, err
	}
	if f.Version != version {
		return file{}, fmt.Errorf("version %d is not known to this program", f.Version)
	}
	return f, nil
}

// Add writes a decision down and returns it with what the book gives it: name,
// time, end. One that may not be is refused.
func (b *Book) Add(x Exclusion) (Exclusion, error) {
	_, x.ID = event.NewID()
	x.Made = b.now().UTC().Truncate(time.Second)
	x.Expires = x.Made.Add(Trial)
	if err := x.Permitted(); err != nil {
		return Exclusion{}, fmt.Errorf("add exclusion: %w", err)
	}
	err := b.change(func(list []Exclusion) ([]Exclusion, error) { return append(list, x), nil })
	if err != nil {
		return Exclusion{}, fmt.Errorf("add exclusion: %w", err)
	}
	return x, nil
}

// Remove takes a decision back and returns it.
func (b *Book) Remove(id string) (x Exclusion, err error) {
	err = b.change(func(list []Exclusion) ([]Exclusion, error) {
		i := slices.IndexFunc(list, func(x Exclusion) bool { return x.ID == id })
		if i < 0 {
			return nil, ErrNotFound
		}
		x = list[i]
		return slices.Delete(list, i, i+1), nil
	})
	if err != nil {
		return Exclusion{}, fmt.Errorf("take back exclusion %s: %w", id, err)
	}
	return x, nil
}

// Confirm lets a decision hold for another [Term], also one that has ended.
func (b *Book) Confirm(id, by string) (Exclusion, error) {
	x, err := b.edit(id, func(x *Exclusion) {
		x.Confirmed, x.ConfirmedBy = b.now().UTC().Truncate(time.Second), by
		x.Expires = x.Confirmed.Add(Term)
	})
	if err != nil {
		return Exclusion{}, fmt.Errorf("confirm exclusion %s: %w", id, err)
	}
	return x, nil
}

// Proved writes down what a later proof of a decision found.
func (b *Book) Proved(id string, prove func(*Exclusion)) error {
	if _, err := b.edit(id, prove); err != nil {
		return fmt.Errorf("write down proof of exclusion %s: %w", id, err)
	}
	return nil
}

func (b *Book) edit(id string, change func(*Exclusion)) (x Exclusion, err error) {
	err = b.change(func(list []Exclusion) ([]Exclusion, error) {
		i := slices.IndexFunc(list, func(x Exclusion) bool { return x.ID == id })
		if i < 0 {
			return nil, ErrNotFound
		}
		change(&list[i])
		x = list[i]
		return list, nil
	})
	return x, err
}

// change rewrites the file.
func (b *Book) change(change func([]Exclusion) ([]Exclusion, error)) error {
	if err := b.Prepare(); err != nil {
		return err
	}
	return replace.Update(b.path, 0o600, func(old []byte) ([]byte, error) {
		f, err := decode(old)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", b.path, err)
		}
		if f.Exclusions, err = change(f.Exclusions); err != nil {
			return nil, err
		}
		now := b.now()
		f.Exclusions = slices.DeleteFunc(f.Exclusions, func(x Exclusion) bool { return now.Sub(x.Expires) > lapsed })
		f.Revision++
		content, err := json.MarshalIndent(f, "", "  ")
		return append(content, '\n'), err
	})
}
