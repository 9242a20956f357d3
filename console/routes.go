package console

import "net/http"

// routes is the console's table of contents. A page that is not marked public
// answers only people who are signed in; everybody else is sent to sign-in.
// What changes something is a POST.
func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	for _, r := range s.table() {
		mux.Handle(r.pattern, s.page(r))
	}
	mux.Handle("GET /assets/{hash}/{name}", s.assets)
	if s.options.Fleet != nil {
		mux.Handle("/fleet/", s.options.Fleet)
	}
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Write([]byte("ok\n"))
	})
	// From the outside in: a panic becomes an answer of 500, every answer gets
	// its headers, a request that another site caused changes nothing.
	return s.protect(s.headers(s.sameOrigin(mux)))
}

// route is one line of the table.
type route struct {
	pattern string
	handle  func(http.ResponseWriter, *http.Request, *visit) error
	public  bool
}

func (s *Server) table() []route {
	const public = true
	return []route{
		{"GET /{$}", s.overview, !public},
		{"GET /incidents", s.incidentList, !public},
		{"GET /incidents/later", s.incidentsLater, !public},
		{"GET /incidents/export.csv", s.exportCSV, !public},
		{"GET /incidents/export.jsonl", s.exportLines, !public},
		{"GET /incidents/export.ecs.jsonl", s.exportECS, !public},
		{"GET /incidents/export.ocsf.jsonl", s.exportOCSF, !public},
		{"GET /incidents/{id}", s.incident, !public},
		{"GET /incidents/{id}/mistake", s.mistake, !public},
		{"POST /incidents/{id}/mistake", s.letPass, !public},

		{"GET /edges", s.edges, !public},
		{"POST /edges/invite", s.inviteEdge, !public},
		{"POST /edges/{id}/retire", s.retireEdge, !public},
		{"GET /exclusions", s.exclusionList, !public},
		{"POST /exclusions/{id}/confirm", s.confirmExclusion, !public},
		{"POST /exclusions/{id}/remove", s.removeExclusion, !public},

		{"GET /sites", s.sites, !public},
		{"POST /sites/reload", s.reload, !public},
		{"POST /sites/fast-path", s.settle, !public},
		{"GET /trail", s.trail, !public},

		{"GET /account", s.account, !public},
		{"POST /account/password", s.changePassword, !public},
		{"POST /account/sessions/end", s.endSession, !public},

		{"GET /sign-in", s.signInForm, public},
		{"POST /sign-in", s.signIn, public},
		{"POST /sign-out", s.signOut, public},
		{"GET /link/{secret}", s.linkForm, public},
		{"POST /link", s.useLink, public},
		{"POST /language", s.chooseLanguage, public},

		{"/", s.nothingHere, public},
	}
}
