package console

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/qorgan/qorgan/console/store"
	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/exchange"
	"github.com/qorgan/qorgan/report/decisions"
	"github.com/qorgan/qorgan/report/wire"
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
	MayBan    bool   // the client may be refused everywhere, by this person
	PassThere bool   // the edge elsewhere that refused it may be told to let it pass
	Proposes  bool   // this console finds and proves exclusions itself
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
	Hole    *event.Hole
}

// HoleName is the product's folder.
func (h ruleHit) HoleName() string {
	_, name, _ := strings.Cut(h.Hole.Product, "/")
	return name
}

type ruleHitPlace struct {
	Where string
	Value []piece
	Data  string
}

func (s *Server) incident(w http.ResponseWriter, r *http.Request, v *visit) error {
	ctx := r.Context()
	e, err := s.db.Event(ctx, v.scope, r.PathValue("id"))
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
	page.Proposes = s.options.Exclusions != nil && e.Kind == event.KindRule && ownEvent(e)
	if s.options.Fleet != nil {
		banned := decisions.Check(wire.Decision{ID: "try", Kind: wire.DecisionBan, Network: exchange.Network(e.Client.Addr), Until: s.now().Add(time.Hour)}, s.now(), nil)
		page.MayBan = v.may(operate) && e.Client.Addr.IsValid() && banned == nil
		page.PassThere = e.Edge != "" && page.Exclusion != "" && v.may(vouch)
	}
	twins, err := s.db.EventsByCode(ctx, v.scope, e.Code)
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
		others, err := s.db.Events(ctx, v.scope, store.Query{Client: netip.PrefixFrom(e.Client.Addr, e.Client.Addr.BitLen()), Limit: 7})
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
		if verdictRule(m.Rule) {
			continue
		}
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
		if verdictRule(m.Rule) {
			continue // the score says the same
		}
		i := slices.IndexFunc(p.Rules, func(h ruleHit) bool { return h.Rule == m.Rule })
		if i < 0 {
			i = len(p.Rules)
			p.Rules = append(p.Rules, ruleHit{Rule: m.Rule, Message: m.Message, Tags: m.Tags, CVE: cve(m.Tags), Hole: m.Hole})
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
// found where that is a part of the value, else the value when it is whole.
func matchedPart(m event.Match) string {
	found := m.Found()
	if _, _, ok := event.Locate(m.Value, found); ok && len(found) > 1 {
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
