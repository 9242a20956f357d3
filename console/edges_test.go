package console

import (
	"crypto/ed25519"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/qorgan/qorgan/console/fleet"
	"github.com/qorgan/qorgan/console/store"
)

func TestEdges(t *testing.T) {
	s := newSite(t).signedIn()
	s.options.Pin = strings.Repeat("ab", 32)
	if a := s.get("/edges"); !strings.Contains(a.body, "No machine elsewhere") {
		t.Errorf("without an edge: %s", a.body)
	}
	a := s.post("/edges/invite", nil)
	line := regexp.MustCompile(`qorgan enroll (\S+) ([A-Z2-7]{4}(?:-[A-Z2-7]{4}){3}) --pin (ab){32}`).FindStringSubmatch(a.body)
	if a.StatusCode != http.StatusOK || line == nil {
		t.Fatalf("%s\n%s", a.Status, a.body)
	}
	if a := s.get("/edges"); strings.Contains(a.body, line[2]) {
		t.Error("the code is shown again")
	}
	now := s.now().UTC()
	enroll := func(name, code string) {
		t.Helper()
		e := store.Edge{ID: "id-of-" + name, Name: name, Key: ed25519.PublicKey("key of " + name), Enrolled: now.Add(-48 * time.Hour), Version: "1.2"}
		if err := s.db.Enroll(t.Context(), fleet.CodeSum(code), e); err != nil {
			t.Fatal(err)
		}
	}
	enroll("almaty-1", line[2])
	for _, name := range []string{"<b>astana</b>", "shymkent"} {
		if err := s.db.InsertInvitation(t.Context(), store.Whole(), fleet.CodeSum(name), "aigerim", now.Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		enroll(name, name)
	}
	hear := func(name, boot string, at time.Time, ahead time.Duration, waiting int64) {
		t.Helper()
		if err := s.db.HearEdge(t.Context(), store.Heard{Edge: "id-of-" + name, At: at, Boot: boot, Version: "1.3", Ahead: ahead, Waiting: waiting}); err != nil {
			t.Fatal(err)
		}
	}
	hear("almaty-1", "a", now, time.Second, 0)
	for _, boot := range []string{"a", "b", "a"} {
		hear("<b>astana</b>", boot, now.Add(-time.Hour), -3*time.Hour, 1200)
	}
	page := s.get("/edges").body
	for _, want := range []string{"&lt;b&gt;astana", "It runs twice", "Silent: it was last heard", "180 minutes behind", "1,200 reports waited", "invited by aigerim", "No report waited there", "version 1.3"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if a := s.post("/edges/id-of-shymkent/retire", nil); a.StatusCode != http.StatusSeeOther {
		t.Fatal(a.Status)
	}
	if a := s.post("/edges/id-of-shymkent/retire", nil); a.StatusCode != http.StatusNotFound {
		t.Errorf("retired twice: %s", a.Status)
	}
	if page := s.get("/edges").body; !strings.Contains(page, "Retired") {
		t.Error("nothing says that it is retired")
	}
	if a := s.get("/trail"); !strings.Contains(a.body, "retired an edge") || !strings.Contains(a.body, "invited an edge") {
		t.Error("the trail does not know of it")
	}
}
