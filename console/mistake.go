package console

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/console/store"
	"github.com/qorgan/qorgan/event"
)

// otherIncidents is how many other incidents of the day a proposal is tried
// against.
const otherIncidents = 500

// maxWhy is the longest reason that is kept, in bytes.
const maxWhy = 500

type mistakePage struct {
	frame
	Event     event.Event
	Sentence  string
	Sent      []sentPart // what the rules matched on
	Reason    string     // key; why nothing is proposed
	Proposals []proposalView
	Opened    []openedView // attacks that the least bad exclusion would let pass
	Error     string       // key
	Why       string
}

// sentPart is a part of the request in which rules matched.
type sentPart struct {
	Where string
	Value []piece
}

type proposalView struct {
	Key   string
	First bool
	Tried int64
	Proof Proof
	Takes []takenView
	Stay  int64
	Same  []codeLink
	Alike []codeLink
}

// takenView is one exclusion in words.
type takenView struct {
	Method, Path string
	Numbers      bool // {n} in the path stands for any number
	Places       []string
	When         []string
	Who          string // anyone, member, author, admin
	Rules        []ruleName
}

type ruleName struct {
	Rule    int
	Message string
}

type codeLink struct{ Code, Link string }

type openedView struct{ Class, Value string }

// mistake shows what would let a refused request pass, once it is proved.
func (s *Server) mistake(w http.ResponseWriter, r *http.Request, v *visit) error {
	page, _, err := s.findMistake(r, v)
	if err != nil {
		return err
	}
	s.render(w, r, v, http.StatusOK, "mistake", page)
	return nil
}

// findMistake reads an incident and has an exclusion looked for.
func (s *Server) findMistake(r *http.Request, v *visit) (*mistakePage, Answer, error) {
	if s.options.Exclusions == nil {
		return nil, Answer{}, errNotFound
	}
	ctx := r.Context()
	e, err := s.db.Event(ctx, v.scope, r.PathValue("id"))
	if err == nil && !ownEvent(e) {
		err = errNotFound
	}
	if err != nil {
		return nil, Answer{}, err
	}
	others, err := s.db.Events(ctx, v.scope, store.Query{Site: e.Site, Kind: event.KindRule, Action: event.Blocked, From: v.now.Add(-48 * time.Hour), Limit: otherIncidents})
	if err != nil {
		return nil, Answer{}, err
	}
	select { // a proof takes a processor
	case s.proofs <- struct{}{}:
		defer func() { <-s.proofs }()
	case <-ctx.Done():
		return nil, Answer{}, ctx.Err()
	}
	answer, err := s.options.Exclusions.Propose(ctx, e, others.Events)
	if err != nil {
		return nil, Answer{}, err
	}
	page := &mistakePage{Event: e, Sentence: sentence(v.words, e), Sent: sentParts(v.words, e)}
	page.Section = "incidents"
	if len(answer.Proposals) == 0 {
		page.Reason = "mistake.why." + answer.Reason
		if !v.words.has(page.Reason) {
			page.Reason = "mistake.why.no-place"
		}
	}
	for i, p := range answer.Proposals {
		page.Proposals = append(page.Proposals, newProposalView(v.words, e, p, i == 0))
	}
	if len(answer.Proposals) == 0 && len(answer.Rejected) > 0 {
		shown := map[string]int{} // by class: a few of each say more than many of one
		for _, o := range answer.Rejected[0].Proof.Opened {
			if shown[o.Class]++; shown[o.Class] <= 2 && len(page.Opened) < 6 {
				page.Opened = append(page.Opened, openedView{capital(v.words.T("class." + className(o.Class) + ".name")), o.Value})
			}
		}
	}
	return page, answer, nil
}

// ownEvent reports whether the edge of this process wrote an event down: for
// others it can neither propose nor decide, whatever their sites are called.
func ownEvent(e event.Event) bool { return e.Edge == "" }

// letPass decides: the proposal is proved anew, and put into force when it is
// still the one that was shown.
func (s *Server) letPass(w http.ResponseWriter, r *http.Request, v *visit) error {
	page, answer, err := s.findMistake(r, v)
	if err != nil {
		return err
	}
	page.Why = strings.TrimSpace(r.PostFormValue("why"))
	i := slices.IndexFunc(answer.Proposals, func(p Proposal) bool { return p.Key == r.PostFormValue("proposal") })
	switch {
	case i < 0:
		page.Error = "mistake.changed"
	case len(page.Why) > maxWhy:
		page.Error = "mistake.why-long"
	case len(answer.Proposals[i].Proof.Alike) > 0 && r.PostFormValue("alike") == "":
		page.Error = "mistake.alike-first"
	}
	if page.Error != "" {
		s.render(w, r, v, http.StatusUnprocessableEntity, "mistake", page)
		return nil
	}
	done, err := s.options.Exclusions.Decide(r.Context(), Decision{Event: page.Event, Proposal: answer.Proposals[i], By: v.session.Person.Name, Why: page.Why})
	if err != nil {
		return err
	}
	s.act(r, v.session.Person, ActExcluded, done.ID+" "+done.Site+" "+done.Incident)
	http.Redirect(w, r, "/exclusions?done=made#"+done.ID, http.StatusSeeOther)
	return nil
}

// sentParts are the values on which rules matched, each once, what they matched
// marked.
func sentParts(l *language, e event.Event) []sentPart {
	var parts []sentPart
	seen := map[string]bool{}
	for _, m := range e.Matches {
		if verdictRule(m.Rule) || m.Value == "" || seen[m.Variable+":"+m.Key+m.Value] {
			continue
		}
		seen[m.Variable+":"+m.Key+m.Value] = true
		parts = append(parts, sentPart{placeWords(l, m.Variable, m.Key), mark(m.Value, []string{m.Found()})})
	}
	return parts
}

// placeWords says where in a request something stands.
func placeWords(l *language, variable, key string) string {
	kind := place(event.Match{Variable: variable, Key: key})
	if strings.HasSuffix(variable, "_NAMES") {
		kind = "name"
	}
	if variable == "REQUEST_METHOD" {
		kind = "method"
	}
	if kind == "" {
		return strings.TrimSuffix(variable+":"+key, ":")
	}
	return l.T("place."+kind, "name", readableKey(key))
}

// readableKey writes an expression of ours as a person would.
func readableKey(key string) string {
	if rx, ok := strings.CutPrefix(key, "/^"); ok {
		key = strings.ReplaceAll(strings.TrimSuffix(rx, "$/"), `\d+`, "{n}")
		key = strings.ReplaceAll(key, `\`, "")
	}
	return key
}

func newProposalView(l *language, e event.Event, p Proposal, first bool) proposalView {
	v := proposalView{Key: p.Key, First: first, Tried: int64(p.Proof.Tried), Proof: p.Proof, Stay: int64(p.Proof.Stay), Takes: takes(l, p.Exclusions, e.Matches)}
	for _, code := range p.Proof.Same {
		v.Same = append(v.Same, codeLink{code, "/incidents?text=" + code})
	}
	for _, code := range p.Proof.Alike {
		v.Alike = append(v.Alike, codeLink{code, "/incidents?text=" + code})
	}
	return v
}

// takes says what exclusions take away. matches name the rules.
func takes(l *language, list []config.Exclusion, matches []event.Match) []takenView {
	var out []takenView
	for _, x := range list {
		t := takenView{Method: strings.Join(x.Methods, ", "), Path: x.Path, Numbers: strings.Contains(x.Path, "{n}"), When: x.When, Who: string(x.Who)}
		if t.Who == "" {
			t.Who = string(config.Anyone)
		}
		for _, target := range x.Targets {
			variable, key, _ := strings.Cut(target, ":")
			t.Places = append(t.Places, placeWords(l, variable, key))
		}
		for _, r := range x.Rules {
			name := ruleName{Rule: r.First}
			for _, m := range matches {
				if m.Rule == r.First {
					name.Message = m.Message
				}
			}
			t.Rules = append(t.Rules, name)
		}
		out = append(out, t)
	}
	return out
}

type exclusionsPage struct {
	frame
	Standing []standingView
	Count    int64
	Done     string // key
}

type standingView struct {
	Standing
	Takes   []takenView
	Tried   int64
	Ended   bool
	EndsIn  int64 // days
	Soon    bool
	Failure string // key
}

// soon is how long before its end a person is asked about an exclusion.
const soon = 7 * 24 * time.Hour

// exclusionList shows what holds beside the configuration.
func (s *Server) exclusionList(w http.ResponseWriter, r *http.Request, v *visit) error {
	if s.options.Exclusions == nil {
		return errNotFound
	}
	list, err := s.standing(r, v)
	if err != nil {
		return err
	}
	page := &exclusionsPage{}
	page.Section = "sites"
	if done := "exclusions.done." + r.FormValue("done"); r.FormValue("done") != "" && v.words.has(done) {
		page.Done = done
	}
	for _, x := range slices.Backward(list) {
		var matches []event.Match // name the rules, as long as the incident is kept
		if found, err := s.db.EventsByCode(r.Context(), v.scope, x.Incident); err == nil && len(found) > 0 {
			matches = found[0].Matches
		}
		view := standingView{Standing: x, Takes: takes(v.words, x.Exclusions, matches), Tried: int64(x.Proof.Tried), Ended: !v.now.Before(x.Expires)}
		view.EndsIn = int64((x.Expires.Sub(v.now) + 12*time.Hour) / (24 * time.Hour))
		view.Soon = !view.Ended && x.Expires.Sub(v.now) < soon
		if x.Failed != "" {
			if view.Failure = "exclusions.failed." + x.Failed; !v.words.has(view.Failure) {
				view.Failure = "exclusions.failed.not-provable"
			}
		}
		if !view.Ended {
			page.Count++
		}
		page.Standing = append(page.Standing, view)
	}
	s.render(w, r, v, http.StatusOK, "exclusions", page)
	return nil
}

// standing returns the exclusions of sites that the visitor sees; none where
// this console knows of none.
func (s *Server) standing(r *http.Request, v *visit) ([]Standing, error) {
	if s.options.Exclusions == nil {
		return nil, nil
	}
	list, err := s.options.Exclusions.List(r.Context())
	if err != nil {
		return nil, err
	}
	sees, err := s.db.OwnSites(r.Context(), v.scope)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(slices.Clone(list), func(x Standing) bool { return !sees(x.Site) }), nil
}

// standsInScope fails with errNotFound unless the visitor sees the exclusion
// that the address names.
func (s *Server) standsInScope(r *http.Request, v *visit) error {
	list, err := s.standing(r, v)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(list, func(x Standing) bool { return x.ID == r.PathValue("id") }) {
		return errNotFound
	}
	return nil
}

func (s *Server) confirmExclusion(w http.ResponseWriter, r *http.Request, v *visit) error {
	if err := s.standsInScope(r, v); err != nil {
		return err
	}
	x, err := s.options.Exclusions.Confirm(r.Context(), r.PathValue("id"), v.session.Person.Name)
	return s.changed(w, r, v, x, err, ActConfirmed, "confirmed")
}

func (s *Server) removeExclusion(w http.ResponseWriter, r *http.Request, v *visit) error {
	if err := s.standsInScope(r, v); err != nil {
		return err
	}
	x, err := s.options.Exclusions.Remove(r.Context(), r.PathValue("id"))
	return s.changed(w, r, v, x, err, ActTookBack, "removed")
}

func (s *Server) changed(w http.ResponseWriter, r *http.Request, v *visit, x Standing, err error, act, done string) error {
	if err != nil {
		return noExclusion(err)
	}
	s.act(r, v.session.Person, act, x.ID+" "+x.Site+" "+x.Incident)
	http.Redirect(w, r, "/exclusions?done="+done, http.StatusSeeOther)
	return nil
}

// exclusionNeeds lists what a person should do about exclusions.
func (s *Server) exclusionNeeds(r *http.Request, v *visit) ([]need, error) {
	list, err := s.standing(r, v)
	if err != nil {
		return nil, err
	}
	now := s.now()
	var needs []need
	for _, x := range list {
		switch {
		case !now.Before(x.Expires):
		case x.Failed != "":
			needs = append(needs, need{Key: "need.exclusion-failed", Site: x.Site, Link: "/exclusions#" + x.ID})
		case x.Expires.Sub(now) < soon:
			needs = append(needs, need{Key: "need.exclusion-ends", Site: x.Site, N: int64((x.Expires.Sub(now) + 12*time.Hour) / (24 * time.Hour)), Link: "/exclusions#" + x.ID})
		}
	}
	return needs, nil
}

// standingBySite counts what holds beside the configuration.
func (s *Server) standingBySite(r *http.Request, v *visit) (map[string]int64, error) {
	list, err := s.standing(r, v)
	if err != nil {
		return nil, err
	}
	count := map[string]int64{}
	for _, x := range list {
		if s.now().Before(x.Expires) {
			count[x.Site]++
		}
	}
	return count, nil
}

// noExclusion is what a person is told of an error.
func noExclusion(err error) error {
	if errors.Is(err, ErrNoExclusion) {
		return errNotFound
	}
	return err
}
