package main

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/qorgan/qorgan/exchange"
)

func TestToTLS(t *testing.T) {
	served := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	for _, tc := range []struct {
		host, target string
		https        bool
		port         int
		want         string // empty for served as it is
	}{
		{"shop.kz", "/a?b=1", false, 443, "https://shop.kz/a?b=1"},
		{"shop.kz:8880", "/", false, 8443, "https://shop.kz:8443/"},
		{"[2001:db8::1]:80", "/", false, 443, "https://[2001:db8::1]/"},
		{"[2001:db8::1]", "/", false, 443, "https://[2001:db8::1]/"},
		{"shop.kz", "/", true, 443, ""},
		{"shop.kz", "//evil.example/", false, 443, ""},
		{"shop.kz", "*", false, 443, ""},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Host = tc.host
		r = r.WithContext(exchange.With(r.Context(), &exchange.Exchange{Target: tc.target, HTTPS: tc.https}))
		w := httptest.NewRecorder()
		toTLS(tc.port)(served).ServeHTTP(w, r)
		if got := w.Header().Get("Location"); got != tc.want || (tc.want == "") != (w.Code == http.StatusOK) {
			t.Errorf("%s%s: %d to %q, want %q", tc.host, tc.target, w.Code, got, tc.want)
		}
	}
}
