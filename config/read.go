package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// maxFile bounds a configuration file, in bytes: ten thousand sites of a few
// lines each fit several times over.
const maxFile = 16 << 20

// read reads the file at path and every site in the folder sites.d beside it.
func read(path string, m *mistakes) *Config {
	c := Default()
	c.origin = origin{"": {file: path, line: 1, column: 1}}
	if data, ok := readFile(path, m); ok {
		newDecoder(path, "", c.origin, m).document(data, reflect.ValueOf(c).Elem())
	}
	if _, said := c.origin["data"]; said {
		c.Data = beside(path, c.Data)
	}
	c.TLS.Roots = beside(path, c.TLS.Roots)
	for i := range c.TLS.Fallback {
		c.TLS.Fallback[i].Roots = beside(path, c.TLS.Fallback[i].Roots)
	}
	c.Rules.CoreRuleSet = beside(path, c.Rules.CoreRuleSet)
	for _, s := range c.Sites {
		s.beside(path)
	}
	for i, extra := range c.Rules.Extra {
		c.Rules.Extra[i] = beside(path, extra)
	}
	folder := filepath.Join(filepath.Dir(path), "sites.d")
	entries, err := os.ReadDir(folder)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		m.add(&Error{File: folder, Line: 1, Column: 1, Message: reason(err), Hint: "a folder this user may read"})
	}
	for _, e := range entries { // in the order of names
		ext := filepath.Ext(e.Name())
		if e.IsDir() || strings.HasPrefix(e.Name(), ".") || !slices.Contains([]string{".yaml", ".yml"}, ext) {
			continue
		}
		file := filepath.Join(folder, e.Name())
		data, ok := readFile(file, m)
		if !ok {
			continue
		}
		s, root := DefaultSite(), fmt.Sprintf("sites[%d]", len(c.Sites))
		c.origin[root] = position{file: file, line: 1, column: 1, root: root}
		newDecoder(file, root, c.origin, m).document(data, reflect.ValueOf(s).Elem())
		s.beside(file)
		c.Sites = append(c.Sites, s)
	}
	return c
}

// Decode reads a data file of the program's own into v, a pointer to a struct,
// as strictly as a configuration: unknown keys and wrong types are errors with
// line and column. It does not validate what the values mean.
func Decode(name string, data []byte, v any) error {
	var m mistakes
	newDecoder(name, "", origin{}, &m).document(data, reflect.ValueOf(v).Elem())
	return m.err()
}

// beside returns a path that was written in the file at base.
func beside(base, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(base), path)
}

func readFile(path string, m *mistakes) ([]byte, bool) {
	f, err := os.Open(path)
	if err == nil {
		defer f.Close()
		var data []byte
		data, err = io.ReadAll(io.LimitReader(f, maxFile+1))
		if len(data) > maxFile {
			err = fmt.Errorf("the file is larger than %d MiB", maxFile>>20)
		}
		if err == nil {
			return data, true
		}
	}
	m.add(&Error{File: path, Line: 1, Column: 1, Message: reason(err), Hint: "the path of a file this user may read"})
	return nil, false
}

// reason is err without the path, which the error names itself.
func reason(err error) string {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err.Error()
	}
	return err.Error()
}

// document decodes a whole file into v, a struct that holds its defaults.
func (d *decoder) document(data []byte, v reflect.Value) {
	file, err := parse(data)
	if err != nil {
		at, message := syntaxError(err)
		hint := "YAML: brackets and quotes closed, the keys of one mapping below each other"
		if strings.Contains(message, "\t") {
			message, hint = "a tab stands in the indentation", "spaces"
		}
		d.wrongAt(at, d.root, hint, "%s", message)
		return
	}
	var bodies []ast.Node
	for _, doc := range file.Docs {
		if doc.Body != nil && doc.Body.Type() != ast.DirectiveType {
			bodies = append(bodies, doc.Body)
		}
	}
	if len(bodies) > 1 {
		d.wrongAt(place(bodies[1]), d.root, "one document a file", "a second document begins here")
	}
	if len(bodies) == 0 {
		return // validation says what is missing
	}
	ast.Walk(anchors(d.anchors), bodies[0])
	d.value(bodies[0], d.root, v, "")
}

// parse is the YAML parser, with a panic of its turned into an error: a file is
// anybody's bytes.
func parse(data []byte) (file *ast.File, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the YAML parser gave up: %v", p)
		}
	}()
	return parser.ParseBytes(data, 0, parser.AllowDuplicateMapKey())
}

// syntaxError takes the place and the words out of the parser's error.
func syntaxError(err error) (position, string) {
	at := position{line: 1, column: 1}
	var y yaml.Error
	if !errors.As(err, &y) {
		return at, err.Error()
	}
	if t := y.GetToken(); t != nil && t.Position != nil {
		at.line, at.column = max(t.Position.Line, 1), max(t.Position.Column, 1)
	}
	message, _, _ := strings.Cut(y.GetMessage(), "\n")
	return at, message
}

// anchors collects the nodes that have an anchor, by its name.
type anchors map[string]ast.Node

// Visit is called by ast.Walk.
func (a anchors) Visit(n ast.Node) ast.Visitor {
	if n, ok := n.(*ast.AnchorNode); ok && n.Name != nil && n.Value != nil {
		a[n.Name.GetToken().Value] = n.Value
	}
	return a
}

// place returns where a node begins.
func place(n ast.Node) position {
	switch m := n.(type) {
	case *ast.MappingNode:
		if len(m.Values) > 0 {
			n = m.Values[0].Key
		}
	case *ast.MappingValueNode:
		n = m.Key
	case *ast.SequenceNode:
		if len(m.Values) > 0 && m.Values[0] != nil && !m.IsFlowStyle {
			return place(m.Values[0])
		}
	}
	if t := n.GetToken(); t != nil && t.Position != nil {
		return position{line: max(t.Position.Line, 1), column: max(t.Position.Column, 1)}
	}
	return position{line: 1, column: 1}
}
