package console

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/qorgan/qorgan/console/store"
	"github.com/qorgan/qorgan/event"
)

type incidentPage struct {
	frame
	Event     event.Event
	Class     string
	ClassName string
	Sentence  string
	Client    string
	Target    []piece
	Headers   []header
	Rules     []ruleHit
	Others    []row
	OthersURL string
	Twins     []row  // other incidents with the same code
	Exclusion string // configuration that would let it pass; empty when there is none to offer
	Refusal   string // key: why none is offered
	Score     int64
	Record    string // the whole event, JSON
	Judge     string // how long judging took
}

// piece is a part of a text; the rules matched on those that are marked.
type piece struct {
	Text   string
	Marked bool
}

type header struct {
	Name  string
	Value []piece
}

// ruleHit is one rule's say, with every place in which it matched.
type ruleHit struct {
	Rule    int
	Message string
	Score   int
	Places  []ruleHitPlace
	Tags    []string
	CVE     string
}

type ruleHitPlace struct {
	Where string
	Value []piece
	Data  string
}

func (s *Server) incident(w http.ResponseWriter, r *http.Request, v *visit) error {
	ctx := r.Context()
	e, err := s.db.Event(ctx, r.PathValue("id"))
	if err != nil {
		return err
	}
	class := className(string(e.Class()))
	page := &incidentPage{
		Event: e, Class: class, ClassName: capital(v.words.T("class." + class + ".name")), Sentence: sentence(v.words, e),
	}
	page.Section = "incidents"
	page.show(e)
	page.Exclusion, page.Refusal = exclusion(e)
	twins, err := s.db.EventsByCode(ctx, e.Code)
	if err != nil {
		return err
	}
	for _, t := range twins {
		if t.ID != e.ID {
			page.Twins = append(page.Twins, newRow(v, t))
		}
	}
	if e.Client.Addr.IsValid() {
		page.Client = e.Client.Addr.String()
		others, err := s.db.Events(ctx, store.Query{Client: netip.PrefixFrom(e.Client.Addr, e.Client.Addr.BitLen()), Limit: 7})
		if err != nil {
			return err
		}
		for _, o := range others.Events {
			if o.ID != e.ID && len(page.Others) < 6 {
				page.Others = append(page.Others, newRow(v, o))
			}
		}
		page.OthersURL = listURL(filters{Client: page.Client})
	}
	s.render(w, r, v, http.StatusOK, "incident", page)
	return nil
}

// show fills in the request with the matched parts marked, and the rules.
func (p *incidentPage) show(e event.Event) {
	var parts []string
	perHeader := map[string][]string{}
	for _, m := range e.Matches {
		found := matchedPart(m)
		switch m.Variable {
		case "REQUEST_HEADERS", "REQUEST_COOKIES":
			key := strings.ToLower(m.Key)
			if m.Variable == "REQUEST_COOKIES" {
				key = "cookie"
			}
			perHeader[key] = append(perHeader[key], found)
		default:
			parts = append(parts, found)
		}
	}
	p.Target = mark(e.Request.Target, parts)
	for _, f := range e.Request.Headers {
		p.Headers = append(p.Headers, header{f.Name, mark(f.Value, perHeader[strings.ToLower(f.Name)])})
	}
	for _, m := range e.Matches {
		i := slices.IndexFunc(p.Rules, func(h ruleHit) bool { return h.Rule == m.Rule })
		if i < 0 {
			i = len(p.Rules)
			p.Rules = append(p.Rules, ruleHit{Rule: m.Rule, Message: m.Message, Tags: m.Tags, CVE: cve(m.Tags)})
		}
		where := m.Variable
		if m.Key != "" {
			where += ":" + m.Key
		}
		p.Rules[i].Score += m.Score
		p.Rules[i].Places = append(p.Rules[i].Places, ruleHitPlace{where, mark(m.Value, []string{m.Found()}), m.Data})
	}
	var record bytes.Buffer
	encoder := json.NewEncoder(&record)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(e); err == nil {
		p.Record = record.String()
	}
	p.Score = int64(e.Score)
	p.Judge = e.Judge.Round(time.Microsecond).String()
}

// matchedPart returns what to look for in the request: what the rule says it
// found, else the value when that is short.
func matchedPart(m event.Match) string {
	if found := m.Found(); len(found) > 1 {
		return found
	}
	if len(m.Value) > 1 && !strings.Contains(m.Value, "…") {
		return m.Value
	}
	return ""
}

// mark cuts text where parts of it begin and end.
func mark(text string, parts []string) []piece {
	marked := make([]bool, len(text)+1)
	for _, part := range parts {
		if from, to, ok := event.Locate(text, part); ok {
			for i := from; i < to; i++ {
				marked[i] = true
			}
		}
	}
	var pieces []piece
	from := 0
	for i := 1; i <= len(text); i++ {
		if i == len(text) || marked[i] != marked[from] {
			pieces = append(pieces, piece{text[from:i], marked[from]})
			from = i
		}
	}
	return pieces
}

func cve(tags []string) string {
	for _, tag := range tags {
		if i := strings.Index(strings.ToUpper(tag), "CVE-"); i >= 0 {
			return strings.ToUpper(tag[i:])
		}
	}
	return ""
}

// exclusion returns the narrowest exclusion that would let the request pass,
// as it stands in a site's configuration, or the key of the reason why there
// is none. Rules that only add up the score are never excluded: that would
// disarm the verdict itself.
func exclusion(e event.Event) (text, refusal string) {
	switch {
	case e.Kind == event.KindProtocol:
		return "", "mistake.protocol"
	case e.Kind != event.KindRule:
		return "", "mistake.other-kind"
	}
	var rules []int
	var targets []string
	for _, m := range e.Matches {
		if verdictRule(m.Rule) || m.Rule <= 0 {
			continue
		}
		if !slices.Contains(rules, m.Rule) {
			rules = append(rules, m.Rule)
		}
		if target := exclusionTarget(m); target != "" && !slices.Contains(targets, target) {
			targets = append(targets, target)
		}
	}
	if len(rules) == 0 || len(targets) == 0 {
		return "", "mistake.no-place"
	}
	slices.Sort(rules)
	path, _, _ := strings.Cut(e.Request.Target, "?")
	if strings.Contains(path, "‹") || strings.Contains(path, "*") || !strings.HasPrefix(path, "/") {
		path = ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "exclusions:\n  - rules: [%s]\n", joinInts(rules))
	if path != "" {
		fmt.Fprintf(&b, "    path: %s\n", strconv.Quote(path))
	}
	fmt.Fprintf(&b, "    methods: [%s]\n", strconv.Quote(e.Request.Method))
	for i, t := range targets {
		targets[i] = strconv.Quote(t)
	}
	fmt.Fprintf(&b, "    targets: [%s]\n    reason: %s\n", strings.Join(targets, ", "), strconv.Quote("incident "+e.Code))
	return b.String(), ""
}

// exclusionTarget names the place of a match as an exclusion does.
func exclusionTarget(m event.Match) string {
	if m.Key == "" || strings.Contains(m.Key, "‹hidden:") || strings.Contains(m.Key, "…") {
		return ""
	}
	switch m.Variable {
	case "ARGS", "ARGS_GET", "ARGS_POST":
		return "ARGS:" + m.Key
	case "REQUEST_COOKIES", "REQUEST_HEADERS", "ARGS_NAMES", "FILES":
		return m.Variable + ":" + m.Key
	}
	return ""
}

// verdictRule reports whether a rule of the Core Rule Set adds up scores or
// reports them (901, 949, 959, 980) and matches nothing itself.
func verdictRule(id int) bool {
	switch id / 1000 {
	case 901, 905, 949, 959, 980:
		return true
	}
	return false
}

func joinInts(ids []int) string {
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = strconv.Itoa(id)
	}
	return strings.Join(texts, ", ")
}
