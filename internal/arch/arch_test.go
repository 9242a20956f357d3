package arch

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/qorgan/qorgan"

// rooms says what each room may import of the others. Within itself a room may
// import anything; config, event and exchange are everybody's, but for what
// they say of each other.
var rooms = map[string][]string{
	"cmd":          nil, // everything: it is where parts meet
	"config":       {},
	"event":        {},
	"exchange":     {"config", "event"},
	"proxy":        {"config", "event", "exchange"},
	"certs":        {"config", "event", "exchange", "internal"},
	"guard":        {"config", "event", "exchange", "internal"},
	"rulesets":     {"config", "event", "exchange", "internal"},
	"integrity":    {"config", "event", "exchange"},
	"report":       {"config", "event", "exchange", "internal"},
	"console":      {"config", "event", "exchange", "internal", "report"},
	"sample":       {},
	"internal":     {},
	"differential": {"config", "event", "exchange", "rulesets"},
}

// doors are the only packages (and those below them) that may import a
// dependency, in what the program is built from.
var doors = []struct {
	dependency string
	packages   []string
	why        string
}{
	{"github.com/corazawaf", []string{"rulesets"}, "the engine's types stay where they are judged by"},
	{"github.com/caddyserver/certmagic", []string{"certs"}, "who issues certificates is nobody else's matter"},
	{"github.com/go-acme/lego", []string{"certs/dns01/providers"}, "a service is opened by its name in one place"},
	{"github.com/miekg/dns", []string{"certs"}, "who asks name servers is one room"},
	{"github.com/jackc/pgx", []string{"certs/postgres", "console/store", "internal/postgrestest"}, "what machines share stands in two places"},
	{"github.com/goccy/go-yaml", []string{"config"}, "one reader, one kind of mistake"},
	{"github.com/alecthomas/kong", []string{"cmd/qorgan"}, "only the command line reads the command line"},
	{"database/sql", []string{"console/store", "report"}, "SQL stands in two places"},
	{"modernc.org/sqlite", []string{"console/store", "report"}, "SQL stands in two places"},
	{"github.com/quic-go", []string{"proxy"}, "what comes in over a socket is one room's matter"},
	{"github.com/pires/go-proxyproto", []string{"proxy"}, "who the client is, is decided at the listener"},
}

// file is one Go file of the module.
type file struct {
	pkg     string // folder from the module's root, with slashes
	name    string
	imports []string
	doc     string // the package comment
}

func isTest(f file) bool { return strings.HasSuffix(f.name, "_test.go") }

// files reads every Go file of this module; nested modules are others'.
func files(t *testing.T) []file {
	t.Helper()
	root := filepath.Join("..", "..")
	var list []file
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			if path == root {
				return nil
			}
			nested, _ := filepath.Glob(filepath.Join(path, "go.mod"))
			if len(nested) > 0 || strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" {
				return filepath.SkipDir
			}
			return nil
		}
		if filepath.Ext(path) != ".go" || filepath.Dir(rel) == "." {
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			return err
		}
		f := file{pkg: filepath.ToSlash(filepath.Dir(rel)), name: d.Name(), doc: parsed.Doc.Text()}
		for _, i := range parsed.Imports {
			f.imports = append(f.imports, strings.Trim(i.Path.Value, `"`))
		}
		list = append(list, f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(list) < 50 {
		t.Fatalf("only %d files found: the test looks in the wrong place", len(list))
	}
	return list
}

func room(pkg string) string {
	first, _, _ := strings.Cut(pkg, "/")
	return first
}

// TestArrows fails when a room imports another that the table does not give it.
// Tests may string rooms together as the program does.
func TestArrows(t *testing.T) {
	for _, f := range files(t) {
		allowed, known := rooms[room(f.pkg)]
		if !known {
			t.Errorf("%s: the room %q is not in the table", f.pkg, room(f.pkg))
			continue
		}
		if isTest(f) || room(f.pkg) == "cmd" {
			continue
		}
		for _, i := range f.imports {
			ours, ok := strings.CutPrefix(i, module+"/")
			if !ok || room(ours) == room(f.pkg) || slices.Contains(allowed, room(ours)) {
				continue
			}
			t.Errorf("%s/%s imports %s: the table gives %s only %v", f.pkg, f.name, ours, room(f.pkg), allowed)
		}
	}
}

// TestDoors fails when a dependency comes in beside its door.
func TestDoors(t *testing.T) {
	for _, f := range files(t) {
		if isTest(f) {
			continue
		}
		for _, i := range f.imports {
			for _, d := range doors {
				if i != d.dependency && !strings.HasPrefix(i, d.dependency+"/") {
					continue
				}
				if !slices.ContainsFunc(d.packages, func(p string) bool { return f.pkg == p || strings.HasPrefix(f.pkg, p+"/") }) {
					t.Errorf("%s/%s imports %s, whose doors are %v: %s", f.pkg, f.name, i, d.packages, d.why)
				}
			}
		}
	}
}

// TestEveryPackageSaysWhatItIs wants a doc.go with a package comment in every
// package, and the comment nowhere else.
func TestEveryPackageSaysWhatItIs(t *testing.T) {
	docs := map[string]string{}
	for _, f := range files(t) {
		if _, seen := docs[f.pkg]; !seen {
			docs[f.pkg] = ""
		}
		switch {
		case f.name == "doc.go":
			docs[f.pkg] = f.doc
		case f.doc != "" && !isTest(f) && !strings.HasPrefix(f.doc, "Code generated"):
			t.Errorf("%s/%s has a package comment: it belongs into doc.go", f.pkg, f.name)
		}
	}
	for pkg, doc := range docs {
		if len(strings.Fields(doc)) < 20 {
			t.Errorf("%s: doc.go does not say what the package does, what it does not, and how it behaves under concurrency", pkg)
		}
	}
}

// TestMainIsSmall keeps the program's entry a page one sees at once.
func TestMainIsSmall(t *testing.T) {
	fset := token.NewFileSet()
	parsed, err := parser.ParseFile(fset, filepath.Join("..", "..", "cmd", "qorgan", "main.go"), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	if n := fset.Position(parsed.End()).Line; n > 40 {
		t.Errorf("main.go has %d lines", n)
	}
}
