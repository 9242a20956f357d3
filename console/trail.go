package console

import (
	"context"
	"net/http"
	"time"

	"github.com/qorgan/qorgan/console/store"
)

// What people do, as the trail calls it. Those that begin with a capital may be
// done at the command line too.
const (
	actSignIn       = "sign-in"
	actSignInLink   = "sign-in-link"
	actSignOut      = "sign-out"
	actFirst        = "first-password"
	actPassword     = "password-changed"
	actEndSession   = "session-ended"
	actExport       = "export"
	actMadeLink     = "link-made"
	actReload       = "reloaded"
	actSettle       = "fast-path"
	ActExcluded     = "exclusion-made"
	ActConfirmed    = "exclusion-confirmed"
	ActTookBack     = "exclusion-removed"
	ActErased       = "address-erased"
	actInviteEdge   = "edge-invited"
	actRetireEdge   = "edge-retired"
	ActDecided      = "decided"
	ActUndecided    = "decision-removed"
	actInvitePerson = "person-invited"
	actWithdraw     = "invitation-withdrawn"
	actJoined       = "joined"
	actRole         = "role-changed"
	actEndSessions  = "sessions-ended"
	actRemovePerson = "person-removed"
	actAddTenant    = "tenant-added"
	actChangeTenant = "tenant-changed"
	actRemoveTenant = "tenant-removed"
	actAssignSite   = "site-assigned"
	actMoveSite     = "site-moved"
	actRemoveRule   = "site-rule-removed"

	actSignInPasskey   = "sign-in-passkey"
	actAddPasskey      = "passkey-added"
	actRemovePasskey   = "passkey-removed"
	actSignInRecovery  = "sign-in-recovery"
	actAuthenticator   = "authenticator-added"
	actNoAuthenticator = "authenticator-removed"
	actNewCodes        = "recovery-codes-made"
	ActResetPerson     = "person-reset"

	actAddChannel    = "channel-added"
	actRemoveChannel = "channel-removed"
	actAddAlert      = "alert-added"
	actRemoveAlert   = "alert-removed"

	trailLength     = 100
	trailObjectSize = 200
)

// act writes down what person did. What is done stays done when the trail
// cannot be written: that is logged, loudly.
func (s *Server) act(r *http.Request, person store.Person, act, object string) {
	if len(object) > trailObjectSize {
		object = object[:trailObjectSize]
	}
	s.log.Info().Str("person", person.Name).Str("act", act).Str("client", peer(r)).Msg("act")
	err := s.db.InsertAct(context.WithoutCancel(r.Context()), store.Act{
		Time: s.now().UTC().Truncate(time.Microsecond), Person: person.Name, Act: act, Object: object, Client: peer(r), Tenant: person.Tenant,
	})
	if err != nil {
		s.log.Error().Err(err).Str("person", person.Name).Str("act", act).Msg("the trail could not be written")
	}
}

type trailPage struct {
	frame
	Acts   []store.Act
	Broken int64 // number of the first act that was tampered with; 0 when none was
}

// trail shows what people did, and whether anybody has changed the record.
func (s *Server) trail(w http.ResponseWriter, r *http.Request, v *visit) error {
	acts, err := s.db.Acts(r.Context(), v.scope, trailLength)
	if err != nil {
		return err
	}
	broken, err := s.db.CheckActs(r.Context())
	if err != nil {
		return err
	}
	page := &trailPage{Acts: acts, Broken: broken}
	page.Section = "account"
	s.render(w, r, v, http.StatusOK, "trail", page)
	return nil
}
