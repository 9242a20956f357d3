package console

import "net/http"

// routes is the console's table of contents. Each route says what it needs of
// the person; whoever is not signed in is sent to sign-in, except from public
// ones. What a page shows lies within the scope of its visit. What changes
// something is a POST.
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
	needs   right
}

func (s *Server) table() []route {
	return []route{
		{"GET /{$}", s.overview, see},
		{"GET /incidents", s.incidentList, see},
		{"GET /incidents/later", s.incidentsLater, see},
		{"GET /incidents/export.csv", s.exportCSV, see},
		{"GET /incidents/export.jsonl", s.exportLines, see},
		{"GET /incidents/export.ecs.jsonl", s.exportECS, see},
		{"GET /incidents/export.ocsf.jsonl", s.exportOCSF, see},
		{"GET /incidents/{id}", s.incident, see},
		{"GET /incidents/{id}/mistake", s.mistake, see},
		{"POST /incidents/{id}/mistake", s.letPass, vouch},

		{"GET /edges", s.edges, see},
		{"POST /edges/invite", s.inviteEdge, operate},
		{"POST /edges/{id}/retire", s.retireEdge, operate},
		{"GET /decisions", s.decisions, see},
		{"POST /decisions", s.decide, operate},
		{"POST /decisions/{id}/remove", s.takeBack, operate},
		{"POST /incidents/{id}/ban", s.banClient, operate},
		{"POST /incidents/{id}/pass-there", s.letPassThere, vouch},
		{"GET /exclusions", s.exclusionList, see},
		{"POST /exclusions/{id}/confirm", s.confirmExclusion, vouch},
		{"POST /exclusions/{id}/remove", s.removeExclusion, vouch},

		{"GET /sites", s.sites, see},
		{"POST /sites/reload", s.reload, machine},
		{"POST /sites/fast-path", s.settle, machine},
		{"GET /trail", s.trail, see},

		{"GET /alerts", s.alerts, see},
		{"POST /alerts/channels", s.addChannel, vouch},
		{"POST /alerts/channels/{id}/try", s.tryChannel, vouch},
		{"POST /alerts/channels/{id}/remove", s.removeChannel, vouch},
		{"POST /alerts/rules", s.addAlert, vouch},
		{"POST /alerts/rules/{id}/remove", s.removeAlert, vouch},

		{"GET /account", s.account, see},
		{"POST /account/password", s.changePassword, see},
		{"POST /account/sessions/end", s.endSession, see},
		{"POST /account/authenticator/begin", s.beginAuthenticator, see},
		{"POST /account/authenticator", s.addAuthenticator, see},
		{"POST /account/authenticator/remove", s.removeAuthenticator, see},
		{"POST /account/recovery", s.newCodes, see},
		{"POST /account/passkeys/begin", s.beginPasskey, see},
		{"POST /account/passkeys", s.addPasskey, see},
		{"POST /account/passkeys/remove", s.removePasskey, see},

		{"GET /people", s.people, manage},
		{"POST /people/invite", s.invitePerson, manage},
		{"POST /people/invitations/{id}/withdraw", s.withdrawInvitation, manage},
		{"GET /people/{id}", s.memberPage, manage},
		{"POST /people/{id}/role", s.setRole, manage},
		{"POST /people/{id}/sessions/end", s.endMemberSessions, manage},
		{"POST /people/{id}/remove", s.removeMember, manage},
		{"GET /tenants", s.tenants, manage},
		{"POST /tenants", s.addTenant, manage},
		{"GET /tenants/{id}", s.tenantPage, manage},
		{"POST /tenants/{id}", s.changeTenant, manage},
		{"POST /tenants/{id}/remove", s.removeTenant, manage},
		{"POST /tenants/{id}/sites", s.assignSite, manage},
		{"POST /tenants/{id}/sites/move", s.moveSite, manage},
		{"POST /tenants/{id}/rules/remove", s.removeSiteRule, manage},

		{"GET /join/{secret}", s.joinForm, public},
		{"POST /join", s.join, public},
		{"GET /sign-in", s.signInForm, public},
		{"POST /sign-in", s.signIn, public},
		{"GET /sign-in/code", s.secondForm, public},
		{"POST /sign-in/code", s.second, public},
		{"POST /sign-in/passkey/begin", s.beginPasskeySignIn, public},
		{"POST /sign-in/passkey", s.passkeySignIn, public},
		{"POST /sign-out", s.signOut, public},
		{"GET /link/{secret}", s.linkForm, public},
		{"POST /link", s.useLink, public},
		{"POST /language", s.chooseLanguage, public},

		{"/", s.nothingHere, public},
	}
}
