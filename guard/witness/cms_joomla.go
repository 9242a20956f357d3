package witness

import (
	"bytes"
	"net/http"
	"strings"

	"github.com/qorgan/qorgan/exchange"
)

// newJoomla reads Joomla 3 to 5. The site and its administrator area have a
// session cookie each, whose names are MD5 sums. Every page of the area names
// its component in the class of its body (templates isis and atum); the login
// form stands at the same address as the area itself.
func newJoomla() *opaque {
	return &opaque{
		profile: "joomla",
		cookie:  func(name string) bool { return isHex(name, 32) },
		ends:    []string{"task=logout", "task=user.logout"},
		place: func(path, query string) exchange.Rank {
			before, file, ok := strings.Cut(path, "/administrator/")
			if !ok || strings.Contains(before, ".php") || file != "" && file != "index.php" {
				return exchange.Visitor
			}
			return exchange.Admin
		},
		shown: func(_ exchange.Rank, _ http.Header, page []byte) exchange.Rank {
			_, body, ok := bytes.Cut(page, []byte("<body"))
			tag, _, closed := bytes.Cut(body, []byte(">"))
			if !ok || !closed {
				return exchange.Visitor
			}
			admin, component := false, ""
			for _, class := range strings.FieldsFunc(string(tag), func(r rune) bool { return r == ' ' || r == '"' || r == '\n' || r == '\t' }) {
				admin = admin || class == "admin"
				if component == "" && strings.HasPrefix(class, "com_") {
					component = class
				}
			}
			switch {
			case !admin || component == "" || component == "com_login":
				return exchange.Visitor
			case joomlaAdmin[component]:
				return exchange.Admin
			}
			return exchange.Author // the area opens to the group Manager and above
		},
		asks: []string{`class="site com_login`, `view-login`},
	}
}

// joomlaAdmin are components that Joomla opens to administrators only.
var joomlaAdmin = map[string]bool{
	"com_config": true, "com_plugins": true, "com_installer": true, "com_templates": true, "com_users": true,
	"com_joomlaupdate": true,
}
