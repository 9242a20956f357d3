package main

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/qorgan/qorgan/exchange"
)

// toTLS sends visitors who came without TLS to the TLS listener, the address
// they asked for kept. A request with a body keeps its method (RFC 9110,
// section 15.4.9).
func toTLS(port int) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			x := exchange.From(r.Context())
			if x == nil || x.HTTPS || !strings.HasPrefix(x.Target, "/") || strings.HasPrefix(x.Target, "//") {
				next.ServeHTTP(w, r)
				return
			}
			host := r.Host
			if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
				host = host[:i]
			}
			if port != 443 && port != 0 {
				host += ":" + strconv.Itoa(port)
			}
			w.Header().Set("Location", "https://"+host+x.Target)
			w.WriteHeader(http.StatusPermanentRedirect)
		})
	}
}
