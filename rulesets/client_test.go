package rulesets

import (
	"context"
	"net/netip"
	"testing"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/event"
)

// TestClientIsAnAddressForTheRules: what the rules see of a client over IPv6
// has no brackets, or no range would ever contain it.
func TestClientIsAnAddressForTheRules(t *testing.T) {
	site := testSite()
	j := newJudge(t, Options{Extra: []Source{{Name: "own.conf", Text: `
SecRule REMOTE_ADDR "@ipMatch 2001:db8::/32,203.0.113.0/24" "id:4001,phase:1,deny,msg:'known'"`}}})
	b, err := j.Prepare(t.Context(), []*config.Site{site})
	if err != nil {
		t.Fatal(err)
	}
	j.Use(b)
	for _, c := range []struct {
		client string
		known  bool
	}{
		{"2001:db8::5", true}, {"203.0.113.9", true}, {"::ffff:203.0.113.9", true},
		{"2001:db9::5", false}, {"192.0.2.1", false},
	} {
		found, err := j.Probe(context.Background(), site, Probe{
			Method: "GET", Target: "/", Client: netip.MustParseAddr(c.client).Unmap(),
			Fields: []event.Field{{Name: "Host", Value: "shop.example.kz"}, {Name: "User-Agent", Value: "Mozilla/5.0"}, {Name: "Accept", Value: "*/*"}},
		}, false)
		if err != nil {
			t.Fatal(err)
		}
		if found.Verdict.Refused != c.known {
			t.Errorf("%s: %+v", c.client, found.Verdict)
		}
	}
}
