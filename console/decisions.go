package console

import (
	"cmp"
	"encoding/json"
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/console/fleet"
	"github.com/qorgan/qorgan/console/store"
	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/exchange"
	"github.com/qorgan/qorgan/report/wire"
)

// Lengths of what people decide, and the choice that a form offers.
var decisionTimes = map[string]time.Duration{"1h": time.Hour, "24h": 24 * time.Hour, "168h": 7 * 24 * time.Hour, "720h": 30 * 24 * time.Hour}

type decisionsPage struct {
	frame
	Holding []decisionCard
	Past    []decisionCard
	Count   int64
	Edges   int64 // that hold a stream at this node
	Batches []wire.Objection
	May     bool   // this person may decide
	Done    string // key of what was done just now
	Wrong   string // key of why it was not
	Detail  string
	Network string // what was typed
	Why     string
}

// decisionCard is a decision with what edges said of it.
type decisionCard struct {
	store.Decision
	About    string
	Own      bool // this person may take it back
	Refused  int64
	People   int64 // of people who are signed in, and were let through
	Objected []objectionLine
	EndedWhy string
}

type objectionLine struct {
	Reason string
	Detail string
	Edges  int64
}

func (s *Server) decisions(w http.ResponseWriter, r *http.Request, v *visit) error {
	page := &decisionsPage{}
	if done := r.FormValue("done"); done == "made" || done == "removed" {
		page.Done = "decisions.done." + done
	}
	return s.renderDecisions(w, r, v, http.StatusOK, page)
}

// decide takes a decision that was typed by hand.
func (s *Server) decide(w http.ResponseWriter, r *http.Request, v *visit) error {
	page := &decisionsPage{Network: strings.TrimSpace(r.PostFormValue("network")), Why: strings.TrimSpace(r.PostFormValue("why"))}
	n, err := netip.ParsePrefix(page.Network)
	if addr, errAddr := netip.ParseAddr(page.Network); err != nil && errAddr == nil {
		n, err = exchange.Network(addr), nil
	}
	kind := wire.DecisionKind(r.PostFormValue("kind"))
	length, known := decisionTimes[r.PostFormValue("for")]
	switch {
	case err != nil:
		page.Wrong = "decisions.wrong.not-a-network"
	case kind != wire.DecisionBan && kind != wire.DecisionChallenge && kind != wire.DecisionStrict, !known:
		return errBadInput
	case page.Why == "":
		page.Wrong = "decisions.wrong.no-why"
	}
	if page.Wrong != "" {
		return s.renderDecisions(w, r, v, http.StatusUnprocessableEntity, page)
	}
	one := store.Decision{Decision: wire.Decision{Kind: kind, Network: n, Until: s.now().Add(length).UTC()}, Reason: page.Why}
	return s.carryOut(w, r, v, one, page)
}

// banClient refuses the client of an incident wherever this person's word holds.
func (s *Server) banClient(w http.ResponseWriter, r *http.Request, v *visit) error {
	e, err := s.db.Event(r.Context(), v.scope, r.PathValue("id"))
	if err != nil {
		return err
	}
	if !e.Client.Addr.IsValid() {
		return errBadInput
	}
	one := store.Decision{
		Decision: wire.Decision{Kind: wire.DecisionBan, Network: exchange.Network(e.Client.Addr), Until: s.now().Add(24 * time.Hour).UTC()},
		Reason:   cmp.Or(strings.TrimSpace(r.PostFormValue("why")), string(e.Class())), Incident: e.Code,
	}
	return s.carryOut(w, r, v, one, &decisionsPage{Network: one.Network.String(), Why: one.Reason})
}

// letPassThere lets the request of an incident pass at the edge elsewhere that
// refused it, which proves by its own rules that no attack passes with it.
func (s *Server) letPassThere(w http.ResponseWriter, r *http.Request, v *visit) error {
	e, err := s.db.Event(r.Context(), v.scope, r.PathValue("id"))
	if err != nil {
		return err
	}
	list, refusal := exclusionsOf(e)
	if e.Edge == "" || refusal != "" {
		return errBadInput
	}
	body, err := exclusionBody(e, list)
	if err != nil {
		return err
	}
	one := store.Decision{
		Decision: wire.Decision{Kind: wire.DecisionExclusion, Site: e.Site, Exclusion: body, Until: s.now().Add(30 * 24 * time.Hour).UTC()},
		Reason:   strings.TrimSpace(r.PostFormValue("why")), Incident: e.Code, Audience: store.EdgeAudience(e.Edge),
	}
	return s.carryOut(w, r, v, one, &decisionsPage{})
}

// exclusionBody writes exclusions as an edge's book has them.
func exclusionBody(e event.Event, list []config.Exclusion) (json.RawMessage, error) {
	type rule struct {
		Rules   []int      `json:"rules"`
		Methods []string   `json:"methods"`
		Path    string     `json:"path"`
		When    []string   `json:"when,omitempty"`
		Targets []string   `json:"targets"`
		Who     config.Who `json:"who,omitempty"`
	}
	body := struct {
		Incident string `json:"incident"`
		Profile  string `json:"profile"`
		Rules    []rule `json:"exclusions"`
	}{Incident: e.Code, Profile: e.Profile}
	for _, x := range list {
		one := rule{Methods: x.Methods, Path: x.Path, When: x.When, Targets: x.Targets, Who: x.Who}
		for _, r := range x.Rules {
			one.Rules = append(one.Rules, r.First)
		}
		body.Rules = append(body.Rules, one)
	}
	return json.Marshal(body)
}

// carryOut has the fleet told what a person decided.
func (s *Server) carryOut(w http.ResponseWriter, r *http.Request, v *visit, one store.Decision, page *decisionsPage) error {
	if s.options.Fleet == nil {
		return errNotFound
	}
	audience, tenant, branch := v.scope.Audience()
	if one.Audience == "" {
		one.Audience = audience
	}
	one.Tenant, one.Branch, one.Person = tenant, branch, v.session.Person.Name
	if len(one.Reason) > 300 {
		return errBadInput
	}
	one, err := s.options.Fleet.Decide(r.Context(), one)
	var objection *fleet.Objection
	if errors.As(err, &objection) {
		page.Wrong, page.Detail = "decisions.wrong."+objection.Reason, objection.Detail
		return s.renderDecisions(w, r, v, http.StatusUnprocessableEntity, page)
	}
	if err != nil {
		return err
	}
	s.act(r, v.session.Person, ActDecided, DecisionObject(one))
	http.Redirect(w, r, "/decisions?done=made#"+one.ID, http.StatusSeeOther)
	return nil
}

// DecisionObject is what the trail says that was decided.
func DecisionObject(d store.Decision) string {
	return strings.TrimSpace(d.ID + " " + string(d.Kind) + " " + aboutDecision(d))
}

func aboutDecision(d store.Decision) string {
	switch {
	case d.OnNetwork():
		return d.Network.String()
	case d.Kind == wire.DecisionPatch:
		return d.Name
	case d.Kind == wire.DecisionMode:
		return d.Site + " " + d.Mode
	case d.Kind == wire.DecisionMessage:
		return d.Text
	}
	return d.Site
}

func (s *Server) takeBack(w http.ResponseWriter, r *http.Request, v *visit) error {
	if s.options.Fleet == nil {
		return errNotFound
	}
	one, err := s.db.Decision(r.Context(), r.PathValue("id"))
	if err == nil && !one.Of(v.scope) {
		err = store.ErrNotFound
	}
	if err == nil {
		err = s.options.Fleet.TakeBack(r.Context(), one.ID, v.session.Person.Name, "")
	}
	if err != nil {
		return err
	}
	s.act(r, v.session.Person, ActUndecided, DecisionObject(one))
	http.Redirect(w, r, "/decisions?done=removed", http.StatusSeeOther)
	return nil
}

func (s *Server) renderDecisions(w http.ResponseWriter, r *http.Request, v *visit, status int, page *decisionsPage) error {
	ctx, now := r.Context(), s.now().UTC()
	if s.options.Fleet == nil {
		return errNotFound
	}
	holding, err := s.db.Decisions(ctx, store.DecisionQuery{Scope: v.scope}, now)
	if err != nil {
		return err
	}
	past, err := s.db.Decisions(ctx, store.DecisionQuery{Scope: v.scope, Past: true, Limit: 20}, now)
	if err != nil {
		return err
	}
	if page.Holding, err = s.decisionCards(r, v, holding); err != nil {
		return err
	}
	if page.Past, err = s.decisionCards(r, v, past); err != nil {
		return err
	}
	if page.Count, err = s.db.CountDecisions(ctx, v.scope, now); err != nil {
		return err
	}
	if v.scope.Whole() {
		page.Edges = int64(len(s.options.Fleet.Connected()))
		said, err := s.db.Say(ctx, "")
		if err != nil {
			return err
		}
		for _, o := range said.Objected {
			if now.Sub(o.Seen) < 24*time.Hour {
				page.Batches = append(page.Batches, wire.Objection{ID: o.Edge, Reason: o.Reason, Detail: o.Detail})
			}
		}
	}
	page.May = v.may(operate)
	page.Section = "sites"
	s.render(w, r, v, status, "decisions", page)
	return nil
}

func (s *Server) decisionCards(r *http.Request, v *visit, list []store.Decision) ([]decisionCard, error) {
	var cards []decisionCard
	for _, d := range list {
		said, err := s.db.Say(r.Context(), d.ID)
		if err != nil {
			return nil, err
		}
		c := decisionCard{Decision: d, About: aboutDecision(d), Own: d.Of(v.scope) && v.may(operate), Refused: said.Refused, People: said.Witnessed, EndedWhy: d.EndedWhy}
		for _, o := range said.Objected {
			if !d.Of(v.scope) {
				break
			}
			if n := len(c.Objected); n > 0 && c.Objected[n-1].Reason == o.Reason {
				c.Objected[n-1].Edges++
				continue
			}
			c.Objected = append(c.Objected, objectionLine{o.Reason, o.Detail, 1})
		}
		cards = append(cards, c)
	}
	return cards, nil
}
