package config

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"strings"
	"testing"
)

const (
	page    = "../docs/config.md"
	example = "../docs/qorgan.yaml"
)

// TestDocumentation compares the page of all keys with the comments of the
// structs, which are its only source; -update writes it anew. A key without a
// comment, or whose comment does not say what holds when it is not written,
// fails.
func TestDocumentation(t *testing.T) {
	text, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	d := documentation{t: t, comments: fieldComments(t)}
	fmt.Fprintf(&d.out, `<!-- Written by the test of package config from the comments of its structs: make docs. -->
# Configuration

`+"`qorgan run -c qorgan.yaml`"+` reads one YAML file and, beside it, the folder
`+"`sites.d`"+`: every `+"`*.yaml`"+` file in it holds the keys of one site. A list of one may
be written without brackets. Times are written 30s, 5m, 12h or 365d; sizes 64KiB,
10MB or 2GiB. Unknown keys, wrong values and dangerous combinations are errors:
`+"`qorgan check -c qorgan.yaml`"+` names all of them, each with its line, its column and
what to write instead. A change of a file is noticed and put into force when it
is good; otherwise the old configuration goes on serving.

`+"```yaml\n%s```\n", text)
	d.section("", reflect.TypeFor[Config]())
	if *update {
		if err := os.WriteFile(page, []byte(d.out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if string(have) != d.out.String() {
		t.Errorf("%s is stale; try: make docs", page)
	}
}

// TestExampleLoads keeps the page's example true.
func TestExampleLoads(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	if _, err := Load(example); err != nil {
		t.Error(err)
	}
}

type documentation struct {
	t        *testing.T
	comments map[string]string
	out      strings.Builder
}

// section writes the table of one struct and then those of the structs below.
func (d *documentation) section(path string, t reflect.Type) {
	title := "The file"
	if path != "" {
		title = "`" + path + "`"
	}
	fmt.Fprintf(&d.out, "\n## %s\n\n| key | value | meaning |\n|---|---|---|\n", title)
	type below struct {
		path string
		t    reflect.Type
	}
	var further []below
	for i := range t.NumField() {
		f := t.Field(i)
		key := f.Tag.Get("yaml")
		if key == "" {
			if f.IsExported() {
				d.t.Errorf("%s.%s has no yaml tag", t.Name(), f.Name)
			}
			continue
		}
		comment := d.comments[t.Name()+"."+f.Name]
		if comment == "" {
			d.t.Errorf("%s.%s has no comment", t.Name(), f.Name)
		}
		element, many := f.Type, f.Type.Kind() == reflect.Slice
		for element.Kind() == reflect.Slice || element.Kind() == reflect.Pointer && element != typeURL {
			element = element.Elem()
		}
		if element.Kind() == reflect.Map {
			element = element.Elem()
		}
		value, _ := describe(element, f.Tag.Get("unit"))
		sub := strings.TrimPrefix(path+"."+key, ".")
		if isSection(element) {
			value = "[below](#" + strings.NewReplacer(".", "", "[]", "").Replace(sub) + ")"
			if many {
				sub += "[]"
			}
			further = append(further, below{sub, element})
		} else if low := strings.ToLower(comment); !strings.Contains(low, "default") && !strings.Contains(low, "at least one") && key != "url" {
			d.t.Errorf("%s.%s: the comment does not say what holds when the key is not written", t.Name(), f.Name)
		}
		if many {
			value = "list: " + value
		}
		fmt.Fprintf(&d.out, "| `%s` | %s | %s |\n", key, value, strings.ReplaceAll(comment, "|", "\\|"))
	}
	for _, b := range further {
		d.section(b.path, b.t)
	}
}

// isSection reports whether a type is a mapping of its own in the file.
func isSection(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && len(keysOf(t)) > 0
}

// fieldComments reads the comment of every struct field of the package, without
// the name it begins with, by "Type.Field".
func fieldComments(t *testing.T) map[string]string {
	comments := map[string]string{}
	for _, name := range []string{"config.go", "tls.go", "dns.go", "hsts.go", "client.go"} {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		commentsOf(file, comments)
	}
	return comments
}

func commentsOf(file *ast.File, comments map[string]string) {
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok {
			return true
		}
		fields, ok := spec.Type.(*ast.StructType)
		if !ok {
			return true
		}
		for _, f := range fields.Fields.List {
			for _, name := range f.Names {
				comments[spec.Name.Name+"."+name.Name] = sentence(name.Name, f.Doc.Text())
			}
		}
		return true
	})
}

// sentence turns a Go comment into one of the page: without the field's name
// and its verb of being, on one line.
func sentence(name, comment string) string {
	s := strings.Join(strings.Fields(comment), " ")
	for _, verb := range []string{" is ", " are ", " "} {
		if rest, ok := strings.CutPrefix(s, name+verb); ok {
			return strings.ToUpper(rest[:1]) + rest[1:]
		}
	}
	return s
}
