package config

import (
	"fmt"
	"net/netip"
	"net/url"
	"reflect"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// decoder fills Go values from the nodes of one file. It goes on after a
// mistake, so that all of them are found, and notes where each value stands.
type decoder struct {
	file    string
	root    string // the path of the document in the whole configuration
	origin  origin
	anchors map[string]ast.Node
	m       *mistakes
}

func newDecoder(file, root string, o origin, m *mistakes) *decoder {
	return &decoder{file: file, root: root, origin: o, anchors: map[string]ast.Node{}, m: m}
}

// wrongAt notes a mistake and that the value at path is not usable.
func (d *decoder) wrongAt(at position, path, hint, format string, args ...any) {
	d.m.spoil(path)
	d.m.add(&Error{File: d.file, Line: at.line, Column: at.column, Path: relative(path, d.root),
		Message: fmt.Sprintf(format, args...), Hint: hint})
}

func (d *decoder) wrong(n ast.Node, path, hint, format string, args ...any) {
	d.wrongAt(place(n), path, hint, format, args...)
}

// relative is path as seen from root.
func relative(path, root string) string {
	return strings.TrimPrefix(strings.TrimPrefix(path, root), ".")
}

// resolve follows anchors, aliases and tags to the value itself.
func (d *decoder) resolve(n ast.Node) ast.Node {
	for range 32 {
		switch v := n.(type) {
		case *ast.AnchorNode:
			n = v.Value
		case *ast.TagNode:
			n = v.Value
		case *ast.AliasNode:
			target, ok := d.anchors[v.Value.GetToken().Value]
			if !ok {
				return v
			}
			n = target
		default:
			return n
		}
	}
	return n
}

var (
	typeDuration = reflect.TypeFor[time.Duration]()
	typePrefix   = reflect.TypeFor[netip.Prefix]()
	typeURL      = reflect.TypeFor[*url.URL]()
	typeTime     = reflect.TypeFor[time.Time]()
	typeRules    = reflect.TypeFor[RuleRange]()
	typeSecret   = reflect.TypeFor[Secret]()
	typeUpstream = reflect.TypeFor[Upstream]()
	typeHSTS     = reflect.TypeFor[HSTS]()
	typeStep     = reflect.TypeFor[HSTSStep]()
	typeSite     = reflect.TypeFor[*Site]()
)

// value decodes n into v. unit is the field's unit tag.
func (d *decoder) value(n ast.Node, path string, v reflect.Value, unit string) {
	if v.Type() == typeSite { // even where there is nothing to read: the checks look at every site
		v.Set(reflect.ValueOf(DefaultSite()))
		v = v.Elem()
	}
	n = d.resolve(n)
	if n == nil {
		return
	}
	at := place(n)
	at.file, at.root = d.file, d.root
	d.origin[path] = at
	if a, ok := n.(*ast.AliasNode); ok {
		d.wrong(n, path, "an anchor that stands in this file", "there is no anchor %q", a.Value.GetToken().Value)
		return
	}
	_, null := n.(*ast.NullNode)
	switch v.Type() {
	case typeDuration, typePrefix, typeURL, typeTime, typeRules, typeSecret, typeStep:
		d.scalar(n, path, v, unit)
		return
	case typeUpstream:
		if _, ok := n.(ast.MapNode); !ok {
			d.value(n, path+".url", v.FieldByName("URL"), "")
			return
		}
	case typeHSTS:
		if _, ok := n.(ast.MapNode); !ok {
			d.value(n, path+".step", v.FieldByName("Step"), "")
			return
		}
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.value(n, path, v.Elem(), unit)
	case reflect.Struct:
		if !null {
			d.mapping(n, path, v)
		}
	case reflect.Slice:
		if !null {
			d.sequence(n, path, v, unit)
		}
	default:
		d.scalar(n, path, v, unit)
	}
}

// sequence decodes a list; anything else is a list of one.
func (d *decoder) sequence(n ast.Node, path string, v reflect.Value, unit string) {
	items := []ast.Node{n}
	if s, ok := n.(*ast.SequenceNode); ok {
		items = s.Values
	}
	list := reflect.MakeSlice(v.Type(), len(items), len(items))
	for i, item := range items {
		d.value(item, fmt.Sprintf("%s[%d]", path, i), list.Index(i), unit)
	}
	v.Set(list)
}

// mapping decodes a mapping into a struct; keys that are not written keep what
// v holds.
func (d *decoder) mapping(n ast.Node, path string, v reflect.Value) {
	m, ok := n.(ast.MapNode)
	if !ok {
		d.wrong(n, path, "key: value, a line each: "+strings.Join(keysOf(v.Type()), ", "), "%s stands where a mapping is needed", kindOf(n))
		return
	}
	seen := map[string]position{}
	for it := m.MapRange(); it.Next(); {
		key, value := it.Key(), it.Value()
		if key.IsMergeKey() {
			d.mapping(d.resolve(value), path, v)
			continue
		}
		name, at := key.GetToken().Value, place(key)
		field, ok := fieldOf(v.Type(), name)
		sub := strings.TrimPrefix(path+"."+name, ".")
		others, open := fieldOf(v.Type(), anyKey)
		if !ok && !open || name == anyKey {
			d.wrong(key, sub, d.known(name, v.Type()), "there is no such key")
			continue
		}
		if first, twice := seen[name]; twice {
			d.wrong(key, sub, "one of the two", "the key stands in line %d already", first.line)
			continue
		}
		seen[name] = at
		if !ok {
			d.other(name, value, sub, v.FieldByIndex(others.Index))
			continue
		}
		d.value(value, sub, v.FieldByIndex(field.Index), field.Tag.Get("unit"))
		if _, scalar := d.resolve(value).(ast.ScalarNode); !scalar {
			at.file, at.root = d.file, d.root
			d.origin[sub] = at
		}
	}
}

// anyKey is the tag of a map that takes the keys no other field has.
const anyKey = "*"

// other decodes the value of a key that has no field into a map.
func (d *decoder) other(name string, n ast.Node, path string, m reflect.Value) {
	if m.IsNil() {
		m.Set(reflect.MakeMap(m.Type()))
	}
	v := reflect.New(m.Type().Elem()).Elem()
	d.value(n, path, v, "")
	m.SetMapIndex(reflect.ValueOf(name), v)
}

// synonyms are keys that people who know other servers write.
var synonyms = map[string]string{
	"to": "upstreams", "upstream": "upstreams", "backend": "upstreams", "origin": "upstreams",
	"host": "hosts", "domain": "hosts", "domains": "hosts", "server_name": "hosts",
	"paranoia": "level", "paranoia_level": "level", "cms": "profile", "engine": "mode",
	"site": "sites", "data_dir": "data", "admins": "admin", "rule": "rules", "target": "targets", "method": "methods",
}

// known is the hint for an unknown key.
func (d *decoder) known(name string, t reflect.Type) string {
	keys := keysOf(t)
	if s, ok := synonyms[strings.ToLower(name)]; ok {
		for _, k := range keys {
			if k == s {
				return k
			}
		}
	}
	if near := nearest(name, keys); near != "" {
		return near
	}
	return "one of " + strings.Join(keys, ", ")
}

// keysOf lists the keys of a struct in the order of its fields.
func keysOf(t reflect.Type) []string {
	var keys []string
	for i := range t.NumField() {
		if key := t.Field(i).Tag.Get("yaml"); key != "" && key != anyKey {
			keys = append(keys, key)
		}
	}
	return keys
}

func fieldOf(t reflect.Type, key string) (reflect.StructField, bool) {
	for i := range t.NumField() {
		if f := t.Field(i); key != "" && f.Tag.Get("yaml") == key {
			return f, true
		}
	}
	return reflect.StructField{}, false
}

// kindOf says in words what a node is.
func kindOf(n ast.Node) string {
	switch n.(type) {
	case *ast.NullNode:
		return "nothing"
	case *ast.BoolNode:
		return "true or false"
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return "a number"
	case *ast.StringNode, *ast.LiteralNode:
		return "a text"
	case *ast.SequenceNode:
		return "a list"
	case ast.MapNode:
		return "a mapping"
	}
	return "something else"
}
