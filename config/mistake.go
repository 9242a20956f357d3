package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Error is one mistake in a configuration, with what to write instead. Load
// returns all of them joined; [Mistakes] takes them apart again.
type Error struct {
	File    string // as it was opened; empty for a flag
	Line    int    // from 1; 0 when the mistake is not in a file
	Column  int    // from 1, in characters
	Path    string // "sites[2].upstreams[0].url", or the flag: "--to"
	Message string // what is wrong
	Hint    string // what to write; may be empty
}

// Error returns "file:line:col: path: what is wrong. Write: hint".
func (e *Error) Error() string {
	var b strings.Builder
	if e.File != "" {
		fmt.Fprintf(&b, "%s:%d:%d: ", e.File, e.Line, e.Column)
	}
	if e.Path != "" {
		b.WriteString(e.Path + ": ")
	}
	b.WriteString(e.Message)
	if e.Hint != "" {
		b.WriteString(". Write: " + e.Hint)
	}
	return b.String()
}

// Mistakes returns every [Error] in err's tree, in the order of the files and
// what is said twice once.
func Mistakes(err error) []*Error {
	var list []*Error
	var walk func(error)
	walk = func(err error) {
		switch e := err.(type) {
		case nil:
		case *Error:
			list = append(list, e)
		case interface{ Unwrap() []error }:
			for _, err := range e.Unwrap() {
				walk(err)
			}
		case interface{ Unwrap() error }:
			walk(e.Unwrap())
		}
	}
	walk(err)
	slices.SortStableFunc(list, func(a, b *Error) int {
		return cmp.Or(
			cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return slices.CompactFunc(list, func(a, b *Error) bool { return *a == *b })
}

// Mistake returns an error about the value at path, positioned where the file
// (or the flag) says it, or where its nearest parent stands when the value is a
// default. Rooms whose constructors refuse a value use it, so that their
// refusals read like the parser's own.
func (c *Config) Mistake(path, message, hint string) *Error {
	e := &Error{Path: path, Message: message, Hint: hint}
	at, known := c.origin.find(path)
	switch {
	case !known:
	case at.flag != "":
		e.Path = at.flag
	default:
		e.File, e.Line, e.Column = at.file, at.line, at.column
		e.Path = relative(path, at.root)
	}
	return e
}

// position is where a value was written.
type position struct {
	file         string
	line, column int
	root         string // the path of the file's document: "sites[7]" in sites.d
	flag         string // instead of the rest: the flag that set it
}

// where names the place of the value at path in another value's message.
func (c *Config) where(path string) string {
	if at, ok := c.origin[path]; ok && at.flag == "" {
		return fmt.Sprintf("%s:%d", at.file, at.line)
	}
	return path
}

// origin maps the path of a value to where it was written.
type origin map[string]position

// find returns the position of path or of its nearest known parent.
func (o origin) find(path string) (position, bool) {
	for {
		if at, ok := o[path]; ok {
			return at, true
		}
		if path == "" {
			return position{}, false
		}
		path = parent(path)
	}
}

// parent is the path of the mapping or list that holds the value at path.
func parent(path string) string { return path[:max(strings.LastIndexAny(path, ".["), 0)] }

// mistakes collects errors while a configuration is read.
type mistakes struct {
	list    []*Error
	spoiled map[string]bool // paths whose value could not be read at all
}

func (m *mistakes) add(e *Error) { m.list = append(m.list, e) }

// spoil notes that the value at path is not what was written, so that nobody
// complains about it a second time.
func (m *mistakes) spoil(path string) {
	if m.spoiled == nil {
		m.spoiled = map[string]bool{}
	}
	m.spoiled[path] = true
}

// isSpoiled reports whether path, or a parent of it in the same document, was
// spoiled.
func (m *mistakes) isSpoiled(path, root string) bool {
	for {
		if m.spoiled[path] {
			return true
		}
		if path == root || path == "" {
			return false
		}
		path = parent(path)
	}
}

// err returns all mistakes joined in the order of the files, or nil.
func (m *mistakes) err() error {
	errs := make([]error, len(m.list))
	for i, e := range m.list {
		errs[i] = e
	}
	sorted := Mistakes(errors.Join(errs...))
	for i, e := range sorted {
		errs[i] = e
	}
	return errors.Join(errs[:len(sorted)]...)
}
