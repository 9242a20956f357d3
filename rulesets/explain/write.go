package explain

import (
	"fmt"
	"io"
	"strings"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/rulesets"
)

// Write explains a finding: the verdict, each match in plain words, what was
// excluded and why, and the configuration that would change it.
func Write(w io.Writer, site *config.Site, p rulesets.Probe, f rulesets.Finding) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\n", p.Method, clip(p.Target, 200))
	fmt.Fprintf(&b, "Site %s, profile %s, level %d, refused from %d points.\n\n", site.Name, f.Profile, f.Level, f.Threshold)
	verdict(&b, f)
	if len(f.Matches) > 0 {
		b.WriteString("\nWhat matched:\n")
		for _, m := range f.Matches {
			if !verdictRule(m.Rule) {
				match(&b, m)
			}
		}
	}
	if len(f.Excluded) > 0 {
		b.WriteString("\nWhat matched and does not count:\n")
		for _, x := range f.Excluded {
			match(&b, x.Match)
			if x.Exclusion != nil {
				fmt.Fprintf(&b, "         because: %s\n", reason(x.Exclusion))
			}
		}
	}
	if f.Refused {
		b.WriteString(suggest(site, p, f))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func verdict(b *strings.Builder, f rulesets.Finding) {
	switch {
	case f.Refused && f.Reason != "":
		fmt.Fprintf(b, "REFUSED with %d before any rule: %s (%s: %s).\n", f.Status, AmbiguityWords(f.Reason), f.Reason, f.Detail)
	case f.Refused && f.Score >= f.Threshold:
		fmt.Fprintf(b, "REFUSED with %d: %d points, %d are enough.\n", f.Status, f.Score, f.Threshold)
	case f.Refused:
		fmt.Fprintf(b, "REFUSED with %d by a rule that refuses by itself.\n", f.Status)
	case len(f.Matches) > 0:
		fmt.Fprintf(b, "PASSED: %d points, %d would refuse.\n", f.Score, f.Threshold)
	default:
		b.WriteString("PASSED: no rule matched.\n")
	}
	if !f.Refused && f.Reason != "" {
		fmt.Fprintf(b, "The site is lenient (compat): %s (%s).\n", AmbiguityWords(f.Reason), f.Reason)
	}
}

func match(b *strings.Builder, m event.Match) {
	points := ""
	if m.Score > 0 {
		points = fmt.Sprintf(", %d points", m.Score)
	}
	fmt.Fprintf(b, "  %6d %s%s\n", m.Rule, Words(m.Rule, m.Message), points)
	fmt.Fprintf(b, "         in %s: %s\n", place(m.Variable, m.Key), clip(m.Value, 120))
	if m.Hole != nil {
		fmt.Fprintf(b, "         %s\n", hole(m.Hole))
	}
}

// hole says which known hole a virtual patch closes, and what is known of this
// site.
func hole(h *event.Hole) string {
	kind, name, _ := strings.Cut(h.Product, "/")
	text := fmt.Sprintf("closes %s of the %s %s, versions: %s", h.CVE, kind, name, clip(h.Affected, 120))
	if h.Seen != "" {
		return text + "; this site answered as " + clip(h.Seen, 40)
	}
	return text + "; which version this site runs is not known"
}

func reason(x *config.Exclusion) string {
	if x.Reason != "" {
		return x.Reason
	}
	return "an exclusion of this site"
}

// verdictRule reports whether a rule only adds up what others found.
func verdictRule(id int) bool {
	return id/1000 == 949 || id/1000 == 959 || id/1000 == 980
}

// suggest writes the configuration that would let this request pass, as narrow
// as the evidence: these rules, these parameters, this path, this method.
func suggest(site *config.Site, p rulesets.Probe, f rulesets.Finding) string {
	var b strings.Builder
	if f.Reason != "" {
		fmt.Fprintf(&b, "\nTo have such requests reported instead of refused:\n\n  - name: %s\n    compat: true\n", site.Name)
	}
	rules, targets := evidence(f.Matches)
	if len(rules) == 0 {
		return b.String()
	}
	path, _, _ := strings.Cut(p.Target, "?")
	fmt.Fprintf(&b, "\nIf this request is honest, this lets it pass and little else:\n\n  - name: %s\n    exclusions:\n", site.Name)
	fmt.Fprintf(&b, "      - rules: [%s]\n", strings.Join(rules, ", "))
	fmt.Fprintf(&b, "        methods: [%s]\n", p.Method)
	fmt.Fprintf(&b, "        path: %s\n", yamlText(path))
	if len(targets) > 0 {
		fmt.Fprintf(&b, "        targets: [%s]\n", strings.Join(targets, ", "))
	}
	fmt.Fprintf(&b, "        who: author   # leave this out only if anonymous visitors must be allowed to\n")
	fmt.Fprintf(&b, "        reason: \"say why, for whoever reviews this\"\n")
	if f.Score >= f.Threshold {
		fmt.Fprintf(&b, "\nOr, for every request of the site and so with less protection:\n\n  - name: %s\n    threshold:\n      inbound: %d\n", site.Name, f.Score+1)
	}
	return b.String()
}

// evidence lists the rules that scored or refused, and what they looked at. It
// gives no targets when a match has none that an exclusion could name.
func evidence(matches []event.Match) (rules, targets []string) {
	seen := map[string]bool{}
	add := func(list []string, s string) []string {
		if seen[s] {
			return list
		}
		seen[s] = true
		return append(list, s)
	}
	whole := false
	for _, m := range matches {
		if verdictRule(m.Rule) {
			continue
		}
		rules = add(rules, fmt.Sprint(m.Rule))
		switch {
		case m.Variable == "" || m.Variable == "TX" || strings.HasPrefix(m.Variable, "MATCHED_VAR"):
			whole = true
		case m.Key == "":
			targets = add(targets, yamlText(m.Variable))
		default:
			targets = add(targets, yamlText(m.Variable+":"+m.Key))
		}
	}
	if whole {
		targets = nil
	}
	return rules, targets
}

// yamlText writes a string as YAML reads it back.
func yamlText(s string) string {
	return fmt.Sprintf("%q", s)
}

// clip shortens a text for one line of a terminal and shows control characters
// instead of sending them.
func clip(s string, n int) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return '·'
		}
		return r
	}, s)
	if r := []rune(s); len(r) > n {
		return string(r[:n]) + "…"
	}
	return s
}
