package rulesets_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/exchange"
	"github.com/qorgan/qorgan/rulesets"
)

// TestResponsesAreJudgedAlikeWithTheFastPath sends pages, innocent and not,
// through judges with and without the fast path.
func TestResponsesAreJudgedAlikeWithTheFastPath(t *testing.T) {
	leak := "<b>Fatal error</b>: Uncaught Error: Call to undefined function x() in /var/www/html/index.php on line 3"
	for _, tc := range []struct {
		status int
		kind   string
		page   string
		want   int
	}{
		{200, "text/html", "<html><body>" + strings.Repeat("<p>Fresh bread every morning.</p>", 500) + "</body></html>", 200},
		{200, "text/html", "<html><body>ORA-12345: something went wrong; You have an error in your SQL syntax; check the manual that corresponds to your MySQL server version</body></html>", 403},
		{200, "text/html", leak, 0},
		{500, "text/html", "<h1>Internal Server Error</h1>", 0},
		{404, "text/html", "not here", 404},
		{204, "", "", 204},
		{200, "image/png", "\x89PNG", 200},
	} {
		var got []int
		for _, fast := range []bool{true, false} {
			j, err := rulesets.New(rulesets.Options{FastPath: fast, AuditEvery: -1})
			if err != nil {
				t.Fatal(err)
			}
			site := &config.Site{Name: "test", Mode: config.Block, Level: 1, Responses: true}
			next := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if tc.kind != "" {
					w.Header().Set("Content-Type", tc.kind)
				}
				w.WriteHeader(tc.status)
				_, _ = w.Write([]byte(tc.page))
			})
			r := httptest.NewRequest("GET", "/page", nil)
			r.Header.Set("User-Agent", "Mozilla/5.0")
			r.Header.Set("Accept", "text/html")
			x := &exchange.Exchange{Site: site, Start: time.Now(), Target: "/page", Proto: "HTTP/1.1"}
			w := httptest.NewRecorder()
			j.Handler(next).ServeHTTP(w, r.WithContext(exchange.With(r.Context(), x)))
			got = append(got, w.Code)
			if w.Code == tc.status && w.Body.String() != tc.page && tc.status != 204 {
				t.Errorf("fast %v: %d %s: the page was changed", fast, tc.status, tc.kind)
			}
		}
		if got[0] != got[1] || tc.want != 0 && got[0] != tc.want {
			t.Errorf("%d %s %.40q: with the fast path %d, without %d, want %d", tc.status, tc.kind, tc.page, got[0], got[1], tc.want)
		}
	}
}
