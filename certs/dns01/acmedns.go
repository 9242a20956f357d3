package dns01

import (
	"context"
	"fmt"
	"net/http"
	"strings"
)

// ACMEDNS updates a server of acme-dns, to which _acme-challenge of a name leads
// by a CNAME record. It keeps the last two values of an account, which several
// names may lead to, so one is shown at a time.
type ACMEDNS struct {
	URL            string // of its API
	User, Password string // as registration answered
	Subdomain      string // likewise
}

// Alone keeps a third value from pushing out the first.
func (*ACMEDNS) Alone() bool { return true }

// Present sets the account's value.
func (p *ACMEDNS) Present(ctx context.Context, r Record) error {
	if first, _, _ := strings.Cut(r.Name, "."); !strings.EqualFold(first, p.Subdomain) {
		return fmt.Errorf("no CNAME record leads to the account: let _acme-challenge.%s be one to %s.… of the server", r.Domain, p.Subdomain)
	}
	body := map[string]string{"subdomain": p.Subdomain, "txt": r.Value}
	return post(ctx, strings.TrimSuffix(p.URL, "/")+"/update", body, func(req *http.Request, _ []byte) {
		req.Header.Set("X-Api-User", p.User)
		req.Header.Set("X-Api-Key", p.Password)
	})
}

// CleanUp does nothing: acme-dns forgets no value before the next.
func (*ACMEDNS) CleanUp(context.Context, Record) error { return nil }
