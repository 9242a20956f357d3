package mistake

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/exchange"
	"github.com/qorgan/qorgan/rulesets"
)

// Proof is what was tried of an exclusion, and how it went. Its JSON form is
// kept beside exclusions in force.
type Proof struct {
	At    time.Time `json:"at"`
	Rules string    `json:"rules"`           // what it was tried by, see [Judgement]
	Exact bool      `json:"exact,omitempty"` // with the request as it came; otherwise with one made from the record

	Passes    bool     `json:"passes,omitempty"`    // the refused request passes
	Untried   bool     `json:"untried,omitempty"`   // there was no request to try
	Attacks   []Tally  `json:"attacks,omitempty"`   // in the same place, by class, those that are refused today
	Elsewhere Tally    `json:"elsewhere"`           // in another parameter of the same request
	Opened    []Attack `json:"opened,omitempty"`    // those that would pass
	Unreached []string `json:"unreached,omitempty"` // places into which no attack could be put
	As        string   `json:"as,omitempty"`        // the requester whose attacks were tried, by rank; empty for a visitor

	Others Others `json:"others"`
}

// Tally counts attacks that the rules refuse without the exclusion, and how
// many of them they refuse with it.
type Tally struct {
	Class   event.Class `json:"class,omitempty"`
	Tried   int         `json:"tried"`
	Refused int         `json:"refused"`
}

// Others is what becomes of other incidents.
type Others struct {
	Tried int      `json:"tried"`           // how many were looked at
	Stay  int      `json:"stay"`            // how many stay refused
	Same  []string `json:"same,omitempty"`  // codes of those that would pass and came from the same client
	Alike []string `json:"alike,omitempty"` // codes of those that would pass and came from elsewhere
}

// Holds reports whether the exclusion may be offered: the request passes, no
// attack does that did not before, and enough was tried to say so. Whether the
// other incidents that it would let pass were mistakes too is for a person to
// say.
func (p Proof) Holds() bool {
	return (p.Passes || p.Untried) && len(p.Opened) == 0 && len(p.Unreached) == 0 && p.Tried() > 0
}

// Tried returns how many attacks were tried.
func (p Proof) Tried() int {
	n := p.Elsewhere.Tried
	for _, t := range p.Attacks {
		n += t.Tried
	}
	return n
}

// prover judges a case under exclusions that are not in force.
type prover struct {
	j      *rulesets.Judge
	c      Case
	corpus corpora

	today map[string]bool // attacks that were tried under what is in force, and whether they were refused
}

// judge judges a request under all that is in force and more.
func (p *prover) judge(ctx context.Context, r rulesets.Probe, more []config.Exclusion) (rulesets.Finding, error) {
	r.Exclusions = slices.Concat([]config.Exclusion{}, p.c.InForce, more)
	if r.Exclusions == nil {
		r.Exclusions = []config.Exclusion{}
	}
	f, err := p.j.Probe(ctx, p.c.Site, r, false)
	if err == nil {
		err = ctx.Err()
	}
	return f, err
}

// prove tries everything.
func (p *prover) prove(ctx context.Context, list []config.Exclusion) (Proof, error) {
	out := Proof{At: time.Now().UTC(), Rules: Judgement(p.j, p.c.Site, p.c.Request.Profile), Exact: p.c.Exact, Untried: p.c.carrier}
	if !out.Untried {
		f, err := p.judge(ctx, p.c.Request, list)
		if err != nil {
			return out, err
		}
		out.Passes = !f.Refused
	}
	rank := attackerRank(list)
	out.As = rank.String()
	if err := p.inPlace(ctx, list, rank, &out); err != nil {
		return out, err
	}
	if err := p.elsewhere(ctx, list, rank, &out); err != nil {
		return out, err
	}
	var err error
	out.Others, err = p.others(ctx, list)
	return out, err
}

// inPlace puts every attack into each place that the exclusions are about.
// What made the verdict is taken out of the other places, so that an attack
// counts for itself.
func (p *prover) inPlace(ctx context.Context, list []config.Exclusion, rank exchange.Rank, out *Proof) error {
	places := p.places(list)
	carrier := p.c.Request
	carrier.Rank = rank
	for _, at := range places {
		if r, ok := put(carrier, at, "1"); ok {
			carrier = r
		}
	}
	for _, at := range places {
		if _, ok := put(carrier, at, "1"); !ok {
			if at.holdsValue() {
				out.Unreached = append(out.Unreached, at.String())
			}
			continue
		}
		for _, a := range p.attacksIn(at) {
			r, ok := put(carrier, at, a.Value)
			if !ok {
				continue
			}
			refused, err := p.refusedToday(ctx, r, at.String()+"\x00"+a.Value)
			if err != nil {
				return err
			}
			if !refused {
				continue
			}
			f, err := p.judge(ctx, r, list)
			if err != nil {
				return err
			}
			i := slices.IndexFunc(out.Attacks, func(t Tally) bool { return t.Class == a.Class })
			if i < 0 {
				i = len(out.Attacks)
				out.Attacks = append(out.Attacks, Tally{Class: a.Class})
			}
			out.count(&out.Attacks[i], a, f.Refused)
		}
	}
	return nil
}

// elsewhere adds attacks to the request as it came, in a parameter of its own.
// Those count that are refused in a request with nothing else in it.
func (p *prover) elsewhere(ctx context.Context, list []config.Exclusion, rank exchange.Rank, out *Proof) error {
	plain := rulesets.Probe{Method: "GET", Target: "/", Profile: p.c.Request.Profile, Fields: plainFields(p.c.Request)}
	whole := p.c.Request
	whole.Rank = rank
	for _, a := range sample(p.corpus.values, 3) {
		refused, err := p.refusedToday(ctx, putElsewhere(plain, a.Value), "\x00"+a.Value)
		if err != nil {
			return err
		}
		if !refused {
			continue
		}
		f, err := p.judge(ctx, putElsewhere(whole, a.Value), list)
		if err != nil {
			return err
		}
		out.count(&out.Elsewhere, a, f.Refused)
	}
	return nil
}

func (p *Proof) count(t *Tally, a Attack, refused bool) {
	t.Tried++
	if refused {
		t.Refused++
	} else {
		p.Opened = append(p.Opened, a)
	}
}

// plainFields are what every client sends.
func plainFields(r rulesets.Probe) []event.Field {
	return []event.Field{
		{Name: "Host", Value: header(r, "Host")}, {Name: "User-Agent", Value: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"},
		{Name: "Accept", Value: "*/*"},
	}
}

// refusedToday judges an attack under what is in force, once for all drafts.
func (p *prover) refusedToday(ctx context.Context, r rulesets.Probe, key string) (bool, error) {
	key = r.Rank.String() + "\x00" + key
	if refused, known := p.today[key]; known {
		return refused, nil
	}
	f, err := p.judge(ctx, r, nil)
	if err != nil {
		return false, err
	}
	if p.today == nil {
		p.today = map[string]bool{}
	}
	p.today[key] = f.Refused
	return f.Refused, nil
}

// Judgement names what a site's requests are judged by under a profile, the
// site's own when it is empty. A proof holds for one.
func Judgement(j *rulesets.Judge, site *config.Site, profile string) string {
	if profile == "" {
		profile = site.Profile
	}
	return fmt.Sprintf("%s level %d threshold %d", j.RulesID(profile), site.Level, site.Threshold.Inbound)
}

// attackerRank is whose attacks are tried: nobody's, or those of the least that
// are not meant. Latitude for authors is for authors, so that a reader with an
// account is tried; latitude for readers must stand against readers, because
// anybody may become one.
func attackerRank(list []config.Exclusion) exchange.Rank {
	rank := exchange.Visitor
	for _, x := range list {
		switch x.Who {
		case config.Member, config.Author:
			rank = max(rank, exchange.Member)
		case config.Admin:
			rank = max(rank, exchange.Author)
		}
	}
	return rank
}

// places are what the exclusions take rules off, as the request has them: where
// an exclusion has an expression, the name that it is met by.
func (p *prover) places(list []config.Exclusion) []Place {
	var names []string
	if r, err := read(p.c.Request, p.c.Site); err == nil {
		for _, a := range slices.Concat(r.Get, r.Post) {
			names = append(names, a.Name)
		}
	}
	var out []Place
	for _, x := range list {
		for _, t := range x.Targets {
			variable, key, _ := strings.Cut(t, ":")
			if rx, ok := expression(key); ok {
				i := slices.IndexFunc(names, func(n string) bool { return rx.MatchString(strings.ToLower(n)) })
				if i >= 0 {
					key = names[i]
				}
			}
			if at := (Place{variable, key}); !slices.Contains(out, at) {
				out = append(out, at)
			}
		}
	}
	return out
}

// expression is a key between slashes.
func expression(key string) (*regexp.Regexp, bool) {
	if len(key) < 3 || key[0] != '/' || key[len(key)-1] != '/' {
		return nil, false
	}
	rx, err := regexp.Compile("(?i)" + key[1:len(key)-1])
	return rx, err == nil
}

// holdsValue reports whether a place is one that an attack can be put into.
func (p Place) holdsValue() bool {
	switch p.Variable {
	case "ARGS", "REQUEST_COOKIES", "REQUEST_HEADERS", "FILES":
		return true
	}
	return false
}

func (p *prover) attacksIn(at Place) []Attack {
	switch {
	case at.Variable == "FILES":
		return p.corpus.files
	case at.Variable == "REQUEST_HEADERS" && strings.EqualFold(at.Key, "User-Agent"):
		return slices.Concat(p.corpus.values, p.corpus.agents)
	}
	return p.corpus.values
}
