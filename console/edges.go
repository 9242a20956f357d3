package console

import (
	"net/http"
	"time"

	"github.com/qorgan/qorgan/console/fleet"
	"github.com/qorgan/qorgan/console/store"
)

// silence is how long an edge may be quiet: it is heard every minute, also when
// it has nothing to report.
const silence = 5 * time.Minute

// skew is how far an edge's clock may be off before somebody should look.
const skew = 2 * time.Minute

type edgesPage struct {
	frame
	Edges []edgeCard
	Line  string // enrols one more; shown once
	Done  bool   // an edge was retired, just now
}

// edgeCard is an edge with what needs somebody.
type edgeCard struct {
	store.Edge
	Gone   bool // retired
	Twice  bool
	Silent bool
	Clock  int64 // minutes that its clock is off; 0 when that is nothing to speak of
	Before bool  // it is ahead
}

func (s *Server) edges(w http.ResponseWriter, r *http.Request, v *visit) error {
	return s.renderEdges(w, r, v, &edgesPage{Done: r.FormValue("done") == "retired"})
}

// inviteEdge shows the line that enrols one more edge. It is not kept: who
// loses it makes another.
func (s *Server) inviteEdge(w http.ResponseWriter, r *http.Request, v *visit) error {
	person := v.session.Person
	line, err := fleet.Invite(r.Context(), s.db, v.scope, person.Name, s.URL(), s.options.Pin, s.now())
	if err != nil {
		return err
	}
	s.act(r, person, actInviteEdge, "")
	return s.renderEdges(w, r, v, &edgesPage{Line: line})
}

func (s *Server) retireEdge(w http.ResponseWriter, r *http.Request, v *visit) error {
	id := r.PathValue("id")
	if err := s.db.Retire(r.Context(), v.scope, id, s.now().UTC()); err != nil {
		return err
	}
	s.act(r, v.session.Person, actRetireEdge, id)
	http.Redirect(w, r, "/edges?done=retired", http.StatusSeeOther)
	return nil
}

func (s *Server) renderEdges(w http.ResponseWriter, r *http.Request, v *visit, page *edgesPage) error {
	all, err := s.db.Edges(r.Context(), v.scope)
	if err != nil {
		return err
	}
	for _, e := range all {
		c := edgeCard{Edge: e, Gone: !e.Retired.IsZero(), Twice: !e.Cloned.IsZero(), Silent: v.now.Sub(e.Seen) > silence, Before: e.Ahead > 0}
		if e.Ahead.Abs() > skew {
			c.Clock = int64(e.Ahead.Abs() / time.Minute)
		}
		page.Edges = append(page.Edges, c)
	}
	page.Section = "sites"
	s.render(w, r, v, http.StatusOK, "edges", page)
	return nil
}
