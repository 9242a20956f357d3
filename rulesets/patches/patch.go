package patches

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/rulesets"
)

//go:embed data
var data embed.FS

// Patch is one virtual patch.
type Patch struct {
	Header
	Name  string // the file's name
	Rules []int  // ids of its rules
	Text  string // its rules in SecLang, parameter names as PHP spells them
	Raw   string // the file as it was written
}

// FirstRule and LastRule bound the rule ids of patches. Those that come with
// the program begin at the lower end, an owner's own at [OwnRule].
const (
	FirstRule = 2100000
	OwnRule   = 2150000
	LastRule  = 2199999
)

// ID is what a person calls the patch: its file's name without its ending.
func (p *Patch) ID() string { return strings.TrimSuffix(p.Name, Ending) }

// Ending is how the name of a patch's file ends.
const Ending = ".conf"

// Slug is the name of the product's folder.
func (p *Patch) Slug() string {
	_, slug, _ := strings.Cut(p.Product, "/")
	return slug
}

// Header is what a patch says about itself.
type Header struct {
	// CVE is the hole's number: CVE-2020-25213.
	CVE string `yaml:"cve"`
	// Product is what has the hole: core/wordpress, plugin/NAME or theme/NAME,
	// the name being that of its folder.
	Product string `yaml:"product"`
	// Affected are the versions that have it, in words.
	Affected string `yaml:"affected"`
	// Title says what an attacker gets.
	Title string `yaml:"title"`
	// Looks says what a request must look like to be refused.
	Looks string `yaml:"looks"`
	// Spares is the least a witnessed session must be to be left alone: member,
	// author or admin. Nobody by default.
	Spares config.Who `yaml:"spares"`
	// Exploit is a request that the patch must refuse.
	Exploit Request `yaml:"exploit"`
	// Harmless is one that looks like it and must pass the patch.
	Harmless Request `yaml:"harmless"`
}

// Request is an example.
type Request struct {
	// Request is the method and the target.
	Request string `yaml:"request"`
	// Header lines beside the ordinary ones.
	Header []string `yaml:"header"`
	// Type is the body's content type; a form's by default.
	Type string `yaml:"type"`
	// Body is the request's body.
	Body string `yaml:"body"`
}

// Builtin returns the patches that come with the program.
func Builtin() ([]*Patch, error) {
	sub, err := fs.Sub(data, "data")
	if err != nil {
		return nil, err
	}
	return Load(sub)
}

// Load reads every *.conf file of a folder. Its error joins one for each file
// that is no patch.
func Load(files fs.FS) ([]*Patch, error) {
	names, err := fs.Glob(files, "*"+Ending)
	if err != nil {
		return nil, err
	}
	var all []*Patch
	var errs []error
	for _, name := range names {
		text, err := fs.ReadFile(files, name)
		if err != nil {
			errs = append(errs, fmt.Errorf("read patch: %w", err))
			continue
		}
		p, err := Parse(path.Base(name), string(text))
		if err != nil {
			errs = append(errs, err)
			continue
		}
		all = append(all, p)
	}
	return all, errors.Join(errs...)
}

var (
	cveNumber = regexp.MustCompile(`^CVE-\d{4}-\d{4,}$`)
	product   = regexp.MustCompile(`^(core|plugin|theme)/[\w-]+$`)
)

// Parse reads one patch. name is used in errors.
func Parse(name, text string) (*Patch, error) {
	head, rules, ok := strings.Cut(strings.TrimPrefix(text, "---\n"), "\n---\n")
	if !ok || !strings.HasPrefix(text, "---\n") {
		return nil, fmt.Errorf("%s:1: no header: a patch begins with its header between two lines of ---", name)
	}
	p := &Patch{Name: name, Raw: text}
	if err := config.Decode(name, []byte(head), &p.Header); err != nil {
		return nil, err
	}
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(name+": "+format, args...)) }
	if !cveNumber.MatchString(p.CVE) {
		wrong("cve: %q is no number of a hole; write CVE-2020-25213", p.CVE)
	}
	if !product.MatchString(p.Product) {
		wrong("product: %q; write core/wordpress, plugin/NAME or theme/NAME", p.Product)
	}
	if p.Title == "" || p.Affected == "" || p.Looks == "" {
		wrong("title, affected and looks say what the patch is about; one is empty")
	}
	if p.Exploit.Request == "" || p.Harmless.Request == "" {
		wrong("a patch brings an exploit and a harmless request to be tried with")
	}
	if !slices.Contains([]config.Who{"", config.Member, config.Author, config.Admin}, p.Spares) {
		wrong("spares: %q; write member, author or admin, or leave it out", p.Spares)
	}
	ids, mistakes := readRules(rules)
	p.Rules = ids
	line := strings.Count(text[:len(text)-len(rules)], "\n")
	for _, m := range mistakes {
		errs = append(errs, fmt.Errorf("%s:%d: %s", name, line+m.line, m.what))
	}
	if len(p.Rules) == 0 {
		wrong("no rule with an id")
	}
	p.Text = rulesets.PHPNames(rules)
	return p, errors.Join(errs...)
}
