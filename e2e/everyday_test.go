package e2e

import (
	"fmt"
	"os"
	"testing"

	"github.com/qorgan/qorgan/e2e/wordpress"
)

// people are those who use the site on an ordinary day.
type people struct {
	day                            string // a word that differs between runs on one site
	edge                           *edge
	blog                           *wordpress.Site
	visitor, reader, editor, admin *person
}

// action is one thing somebody does and would miss.
type action struct {
	name string
	do   func(*testing.T, *people)
}

// TestEveryday does everything people do with such a site, at paranoia levels 1
// and 2: each action works, and the edge refuses and records nothing.
func TestEveryday(t *testing.T) {
	site := blog(t)
	for level := 1; level <= 2; level++ {
		t.Run(fmt.Sprintf("level %d", level), func(t *testing.T) {
			e := startEverydayEdge(t, site, level)
			p := &people{day: fmt.Sprintf("day%d", level), edge: e, blog: site, visitor: visitor(t, e),
				reader: signIn(t, e, wordpress.Subscriber), editor: signIn(t, e, wordpress.Editor), admin: signIn(t, e, wordpress.Admin)}
			count := 0
			for _, group := range []struct {
				name    string
				actions []action
			}{
				{"visiting", visiting}, {"writing", writing}, {"media", media}, {"running", running}, {"machines", machines},
			} {
				for _, a := range group.actions {
					count++
					t.Run(group.name+"/"+a.name, func(t *testing.T) { a.do(t, p) })
				}
			}
			t.Logf("%d actions", count)
			if e.cmd == nil {
				return
			}
			e.stop(t) // what is queued is written
			for _, i := range e.events(t) {
				t.Errorf("refused: %s", i)
			}
		})
	}
}

// startEverydayEdge starts the edge, or none when QORGAN_E2E_DIRECT is set: the
// suite is then held against the bare site, to tell its own faults from ours.
func startEverydayEdge(t *testing.T, site *wordpress.Site, level int) *edge {
	t.Helper()
	if os.Getenv("QORGAN_E2E_DIRECT") != "" {
		addr := site.URL[len("http://"):]
		return &edge{Addr: addr, URL: "http://" + host + addr[len("127.0.0.1"):]}
	}
	return startEdge(t, site.URL, "--mode", "block", "--profile", "wordpress", "--level", fmt.Sprint(level))
}
