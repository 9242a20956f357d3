package mistake

import (
	"context"
	"net/url"
	"strings"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/exchange"
	"github.com/qorgan/qorgan/rulesets"
)

// Recheck proves exclusions again, by the rules of today. others are all that
// the site has beside them. Of a request without a method only the profile
// counts: the attacks are carried by one that the exclusions themselves
// describe.
func Recheck(ctx context.Context, j *rulesets.Judge, site *config.Site, list, others []config.Exclusion, request rulesets.Probe) (Proof, error) {
	if err := permitted(list); err != nil {
		return Proof{}, err
	}
	corpus, err := readCorpora()
	if err != nil {
		return Proof{}, err
	}
	p := prover{j: j, corpus: corpus, c: Case{Site: site, InForce: others}}
	if p.c.Request = request; request.Method == "" {
		p.c.Request, p.c.carrier = carrier(list), true
		p.c.Request.Profile = request.Profile
	}
	return p.prove(ctx, list)
}

// carrier is a request for which the exclusions hold.
func carrier(list []config.Exclusion) rulesets.Probe {
	p := rulesets.Probe{Method: "GET", Target: "/", Fields: plainFields(rulesets.Probe{Fields: []event.Field{{Name: "Host", Value: "localhost"}}})}
	values := url.Values{}
	cookies := ""
	for _, x := range list {
		p.Method, p.Target = x.Methods[0], strings.ReplaceAll(x.Path, "{n}", "1")
		p.Rank = max(p.Rank, least(x.Who))
		for _, w := range x.When {
			name, value, _ := strings.Cut(w, "=")
			values.Set(name, strings.ReplaceAll(value, "{n}", "1"))
		}
		for _, t := range x.Targets {
			variable, key, _ := strings.Cut(t, ":")
			if rx, ok := strings.CutPrefix(key, "/^"); ok { // as Propose writes it
				key = strings.ReplaceAll(strings.ReplaceAll(strings.TrimSuffix(rx, "$/"), `\d+`, "1"), `\`, "")
			}
			switch {
			case variable == "ARGS" && !values.Has(key):
				values.Set(key, "1")
			case variable == "REQUEST_COOKIES":
				cookies += key + "=1; "
			case variable == "REQUEST_HEADERS" && header(p, key) == "":
				p.Fields = append(p.Fields, event.Field{Name: key, Value: "1"})
			}
		}
	}
	if cookies != "" {
		p.Fields = append(p.Fields, event.Field{Name: "Cookie", Value: strings.TrimSuffix(cookies, "; ")})
	}
	switch p.Method {
	case "GET", "HEAD", "DELETE":
		if len(values) > 0 {
			p.Target += "?" + values.Encode()
		}
	default:
		p.Fields = append(p.Fields, event.Field{Name: "Content-Type", Value: "application/x-www-form-urlencoded"}, event.Field{Name: "Content-Length", Value: "0"})
		p = withBody(p, []byte(values.Encode()))
	}
	return p
}

func least(who config.Who) exchange.Rank {
	switch who {
	case config.Member:
		return exchange.Member
	case config.Author:
		return exchange.Author
	case config.Admin:
		return exchange.Admin
	}
	return exchange.Visitor
}
