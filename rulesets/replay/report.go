package replay

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/qorgan/qorgan/exchange"
	"github.com/qorgan/qorgan/rulesets/explain"
)

// maxCauses is how many causes a report prints.
const maxCauses = 40

// Write prints the report for a person.
func (r Report) Write(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%d requests: %d would pass, %d would be refused, at level %d with the profile %s%s.\n", r.Requests, r.Passed, r.Refused, r.Level, r.Profile, rankWords[r.Rank])
	if r.Bodiless > 0 {
		fmt.Fprintf(&b, "Of %d the file holds no body: what was posted was not tried.\n", r.Bodiless)
	}
	if r.Strangers > 0 {
		fmt.Fprintf(&b, "%d went to other hosts and were left out.\n", r.Strangers)
	}
	if r.Surprises > 0 {
		fmt.Fprintf(&b, "%d went otherwise than the file expects.\n", r.Surprises)
	}
	if r.Unread > 0 {
		fmt.Fprintf(&b, "%d could not be read:\n", r.Unread)
		for _, p := range r.Problems {
			fmt.Fprintf(&b, "  %s\n", p)
		}
	}
	if len(r.Classes) > 1 {
		b.WriteString("\nBy class (passed, refused):\n")
		for _, class := range slices.Sorted(maps.Keys(r.Classes)) {
			t := r.Classes[class]
			if class == "" {
				class = "(none)"
			}
			fmt.Fprintf(&b, "  %-28s %7d %7d\n", class, t.Passed, t.Refused)
		}
	}
	if len(r.Causes) > 0 {
		b.WriteString("\nRefused for (requests, rule, where, what it means, an example):\n")
	}
	for i, c := range r.Causes {
		if i == maxCauses {
			fmt.Fprintf(&b, "  and %d more causes\n", len(r.Causes)-maxCauses)
			break
		}
		if c.Rule == 0 {
			fmt.Fprintf(&b, "  %6d  %s  %s %s: %s  [%s]\n", c.Requests, c.Reason, c.Method, c.Path, explain.AmbiguityWords(c.Reason), c.Example)
			continue
		}
		where := c.Variable
		if c.Key != "" {
			where += ":" + c.Key
		}
		fmt.Fprintf(&b, "  %6d  %d  %s %s %s: %s  [%s]\n", c.Requests, c.Rule, c.Method, c.Path, where, explain.Words(c.Rule, c.Message), c.Example)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// rankWords say as whom every request was judged.
var rankWords = map[exchange.Rank]string{
	exchange.Member: ", as of a member who signed in", exchange.Author: ", as of an author who signed in", exchange.Admin: ", as of an administrator who signed in",
}

// name is what an entry is called in a report.
func name(e Entry) string {
	if e.ID != "" {
		return e.ID
	}
	return "line " + strconv.Itoa(e.Line)
}

// general replaces runs of digits, so that pages and array elements that differ
// in their number alone count as one.
func general(s string) string {
	var b strings.Builder
	digits := false
	for i := 0; i < len(s); i++ {
		if c := s[i]; c >= '0' && c <= '9' {
			if !digits {
				b.WriteString("{n}")
			}
			digits = true
			continue
		}
		digits = false
		if c := s[i]; c < ' ' || c == 0x7f {
			b.WriteByte('?')
			continue
		}
		b.WriteByte(s[i])
	}
	if s = b.String(); len(s) > 120 {
		s = s[:120] + "…"
	}
	return s
}
