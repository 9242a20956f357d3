package witness

import (
	"net/http"
	"strings"

	"github.com/qorgan/qorgan/exchange"
)

// newOpenCart reads OpenCart 2 to 4. Admin pages carry a token in the query; a
// page that the user may not change is a note without a form.
func newOpenCart() *opaque {
	return &opaque{
		profile: "opencart",
		cookie:  func(name string) bool { return name == "OCSESSID" },
		ends:    []string{"route=common/logout"},
		place: func(path, query string) exchange.Rank {
			before, ok := strings.CutSuffix(path, "/index.php")
			if !ok || strings.Contains(before, ".php") || len(param(query, "user_token")) < 16 && len(param(query, "token")) < 16 {
				return exchange.Visitor
			}
			area, _, _ := strings.Cut(strings.ReplaceAll(param(query, "route"), "%2F", "/"), "/")
			switch area {
			case "catalog", "cms", "design":
				return exchange.Author
			case "setting", "user", "extension", "marketplace":
				return exchange.Admin
			}
			return exchange.Visitor
		},
		shown: func(rank exchange.Rank, _ http.Header, page []byte) exchange.Rank {
			if !containsAny(page, []string{`id="column-left"`}) || !containsAny(page, []string{` id="form-`}) {
				return exchange.Visitor
			}
			return rank
		},
		asks: []string{`route=common/login"`, `route=common/login.login`, `route=common/login|login`, `route=common/login%7Clogin`, `route=common/forgotten`},
	}
}
