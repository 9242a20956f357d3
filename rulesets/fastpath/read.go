package fastpath

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/corazawaf/coraza/v3"
)

// Directives returns the directives of a configuration one by one, as Coraza
// reads them: continued lines joined, comments dropped, Include followed in
// root, which may be nil when nothing is included.
func Directives(root fs.FS, text string) ([]string, error) {
	d := directives{root: root}
	if err := d.read(text, ""); err != nil {
		return nil, err
	}
	return d.out, nil
}

type directives struct {
	root  fs.FS
	out   []string
	depth int
}

func (d *directives) read(text, dir string) error {
	var line strings.Builder
	quoted := false // in a list between backticks
	for raw := range strings.Lines(text) {
		s := strings.TrimSpace(raw)
		switch {
		case s == "" || s[0] == '#':
			continue
		case !quoted && strings.HasSuffix(s, "`"):
			quoted = true
		case quoted && s[0] == '`':
			quoted = false
		}
		if quoted {
			line.WriteString(s + "\n")
			continue
		}
		line.WriteString(strings.TrimSuffix(s, "\\"))
		if strings.HasSuffix(s, "\\") {
			continue
		}
		if err := d.add(line.String(), dir); err != nil {
			return err
		}
		line.Reset()
	}
	return nil
}

func (d *directives) add(line, dir string) error {
	name, arg, _ := strings.Cut(line, " ")
	if !strings.EqualFold(name, "include") {
		d.out = append(d.out, line)
		return nil
	}
	arg = strings.Trim(strings.TrimSpace(arg), `"`)
	if d.root == nil {
		return fmt.Errorf("include %s: no files are given", arg)
	}
	if d.depth++; d.depth > maxIncludes {
		return fmt.Errorf("include %s: more than %d files", arg, maxIncludes)
	}
	files := []string{arg}
	if strings.Contains(arg, "*") {
		var err error
		if files, err = fs.Glob(d.root, arg); err != nil {
			return fmt.Errorf("include %s: %w", arg, err)
		}
	} else if !path.IsAbs(arg) {
		files[0] = path.Join(dir, arg)
	}
	for _, f := range files {
		text, err := fs.ReadFile(d.root, f)
		if err != nil {
			return fmt.Errorf("include %s: %w", arg, err)
		}
		if err := d.read(string(text), path.Dir(f)); err != nil {
			return err
		}
	}
	return nil
}

const maxIncludes = 100

// read parses the directives and carries out those that change earlier rules.
func (c *compiler) read(raws []string) {
	for _, raw := range raws {
		name, rest, _ := strings.Cut(strings.TrimSpace(raw), " ")
		switch name = strings.ToLower(name); name {
		case "secruleremovebyid", "secruleremovebytag", "secruleremovebymsg":
			c.remove(name, rest)
			continue
		case "secruleupdatetargetbyid":
			if !c.updateTarget(rest) {
				c.giveUp(raw, "the directive changes rules in a way that is not followed")
			}
			continue
		case "secrule", "secaction", "secmarker":
		default:
			if strings.HasPrefix(name, "secruleupdate") || name == "secrulescript" {
				c.giveUp(raw, "the directive changes rules in a way that is not followed")
			}
			continue
		}
		r, err := parseRule(raw)
		if err != nil {
			c.giveUp(raw, err.Error())
			continue
		}
		if n := len(c.rules); n > 0 && c.rules[n-1].open && r.marker == "" {
			last := c.rules[n-1]
			last.links = append(last.links, r.links...)
			last.removes = append(last.removes, r.removes...)
			last.harmless = last.harmless && r.harmless
			last.open = r.open
			last.raw += " \n" + r.raw
			continue
		}
		if r.marker == "" {
			c.report.Rules++
		}
		c.rules = append(c.rules, r)
	}
}

// giveUp makes the program ask Coraza about every request.
func (c *compiler) giveUp(raw, reason string) {
	c.unknown(0, raw, "%s", reason)
	c.prog.blind = true
}

func (c *compiler) remove(name, args string) {
	for _, arg := range strings.Fields(args) {
		var m removal
		switch name {
		case "secruleremovebytag":
			m.tag = unquote(strings.TrimSpace(args))
		case "secruleremovebymsg":
			m.msg = unquote(strings.TrimSpace(args))
		default:
			from, to, ok := strings.Cut(unquote(arg), "-")
			a, err := strconv.Atoi(from)
			b := a
			if ok && err == nil {
				b, err = strconv.Atoi(to)
			}
			if err != nil {
				c.giveUp(name+" "+args, "read the rule ids")
				return
			}
			m.from, m.to = a, b
		}
		c.rules = slices.DeleteFunc(c.rules, func(r *rule) bool { return r.marker == "" && m.hits(r) })
	}
}

// updateTarget adds the exclusions of a SecRuleUpdateTargetById. Nothing else
// is understood.
func (c *compiler) updateTarget(args string) bool {
	id, vars, ok := strings.Cut(args, " ")
	n, err := strconv.Atoi(unquote(id))
	vars = unquote(strings.TrimSpace(vars))
	if !ok || err != nil || !strings.HasPrefix(vars, "!") {
		return false
	}
	for _, r := range c.rules {
		if r.id != n || r.marker != "" {
			continue
		}
		for _, v := range strings.Split(vars, "|") {
			if !strings.HasPrefix(v, "!") {
				return false
			}
			name, _, _ := strings.Cut(v[1:], ":")
			t, err := parseTargets(strings.ToUpper(name) + "|" + v)
			if err != nil {
				return false
			}
			l := &r.links[0]
			for i := range l.targets {
				if l.targets[i].variable == t[0].variable && !l.targets[i].count {
					l.targets[i].except = append(l.targets[i].except, t[0].except...)
				}
			}
		}
	}
	return true
}

// bestFit is the byte that urlDecodeUni makes of each %uHHHH. It is asked of
// Coraza itself, so that it is always the table of the version in use.
var bestFit = sync.OnceValue(func() *[1 << 16]byte {
	waf, err := coraza.NewWAF(coraza.NewWAFConfig().WithDirectives(
		`SecRuleEngine DetectionOnly
SecRule ARGS_GET "@unconditionalMatch" "id:1,phase:1,log,pass,t:none,t:urlDecodeUni"`))
	if err != nil {
		panic("fastpath: Coraza refuses a rule: " + err.Error())
	}
	var b strings.Builder
	for i := range 1 << 16 {
		b.WriteString("%u")
		b.WriteString(strconv.FormatInt(int64(i)+1<<16, 16)[1:])
	}
	tx := waf.NewTransaction()
	defer func() { _ = tx.Close() }()
	tx.AddGetRequestArgument("v", b.String())
	tx.ProcessRequestHeaders()
	var table [1 << 16]byte
	for _, m := range tx.MatchedRules() {
		for _, d := range m.MatchedDatas() {
			if copy(table[:], d.Value()) != len(table) {
				panic("fastpath: Coraza decodes %uHHHH in a new way")
			}
		}
	}
	return &table
})
