package witness

import (
	"net/http"
	"strings"

	"github.com/qorgan/qorgan/exchange"
)

// newBitrix reads 1C-Bitrix, whose session is PHP's own. Its admin pages have a
// frame of their own; a page that the user may not open is answered with the
// form of the login, status 200.
func newBitrix() *opaque {
	return &opaque{
		profile: "bitrix",
		cookie:  func(name string) bool { return name == "PHPSESSID" },
		ends:    []string{"logout=yes"},
		place: func(path, query string) exchange.Rank {
			file, ok := strings.CutPrefix(path, "/bitrix/admin/")
			name, php := strings.CutSuffix(file, ".php")
			switch {
			case !ok || file != "" && !php || strings.ContainsAny(file, "/%"):
				return exchange.Visitor
			case bitrixAdmin[name]:
				return exchange.Admin
			}
			return exchange.Author
		},
		shown: func(rank exchange.Rank, _ http.Header, page []byte) exchange.Rank {
			if !containsAny(page, []string{`class="adm-main-wrap`, `class="adm-workarea`}) {
				return exchange.Visitor
			}
			return rank
		},
		asks: []string{`name="form_auth"`, `id="login_wrapper"`, `login-main-wrapper`},
	}
}

// bitrixAdmin are admin pages, without .php, for which Bitrix asks the right to
// change the site.
var bitrixAdmin = map[string]bool{
	"settings": true, "user_admin": true, "user_edit": true, "group_admin": true, "module_admin": true, "site_admin": true,
	"php_command_line": true, "sql": true, "update_system": true, "cache": true,
}
