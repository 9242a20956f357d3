package console

import (
	"slices"
	"time"

	"github.com/qorgan/qorgan/console/alerts"
)

// certificatesLimit is the most names on the page; those that need somebody
// come first.
const certificatesLimit = 50

// goodLimit is the most valid ones on the page, those that end first.
const goodLimit = 200

// Certificate is the state of one name's certificate.
type Certificate struct {
	Name     string
	State    string    // valid, waiting, late, expired, failed or refused
	Cause    string    // of the last failure, empty without one
	Error    string    // its text
	NotAfter time.Time // zero without a certificate
	Next     time.Time // next attempt; zero: with the next visitor
	File     string    // of a certificate of the owner's own
	Upstream bool      // Name is the address of an upstream, whose certificate it is
}

// Certificates is what an edge says of its own, the most urgent name first.
type Certificates struct {
	Names   []Certificate
	Waiting int       // names that wait for their first order
	Last    time.Time // when the last of them will be ordered for
}

// certificateBoard is the part of the page of sites.
type certificateBoard struct {
	Valid   int64
	Soonest time.Time // of the valid
	Wrong   []Certificate
	Rest    int64 // wrong ones that are not shown
	Good    []Certificate
	Waiting int64
	Last    time.Time
}

// causes are those with words of their own.
var certificateCauses = map[string]bool{
	"dns": true, "unreached": true, "elsewhere": true, "caa": true, "refused": true, "limit": true, "own-limit": true,
	"provider": true, "record": true,
	"down": true, "ask": true, "denied": true, "storage": true, "file": true, "ends": true, "overdue": true,
	"upstream-name": true, "upstream-authority": true, "upstream-ends": true,
}

// Why is the key of the words for a cause.
func (c Certificate) Why() string {
	if certificateCauses[c.Cause] {
		return "cert.cause." + c.Cause
	}
	return "cert.cause.other"
}

// Says is the key of the words for a state.
func (c Certificate) Says() string {
	switch {
	case c.Upstream:
		return "cert.upstream." + c.State
	case c.State == "late" && (c.Cause == "ends" || c.Cause == "overdue"):
		return "cert.ends"
	}
	return "cert." + c.State
}

// Told reports whether the cause is to be said: that it ends says enough.
func (c Certificate) Told() bool { return c.Cause != "" && c.Cause != "upstream-ends" }

// certificates returns the board; nil where no edge tells of any. It is the
// machine's, and shown to those of the desk.
func (s *Server) certificates(v *visit) *certificateBoard {
	if s.options.Certificates == nil || !v.scope.Whole() {
		return nil
	}
	all := s.options.Certificates()
	if len(all.Names) == 0 && all.Waiting == 0 {
		return nil
	}
	b := &certificateBoard{Waiting: int64(all.Waiting), Last: all.Last}
	for _, c := range all.Names {
		if c.State == "valid" {
			if len(b.Good) < goodLimit {
				b.Good = append(b.Good, c)
			}
			if c.Upstream {
				continue
			}
			b.Valid++
			if b.Soonest.IsZero() || c.NotAfter.Before(b.Soonest) {
				b.Soonest = c.NotAfter
			}
			continue
		}
		if len(b.Wrong) == certificatesLimit {
			b.Rest++
			continue
		}
		b.Wrong = append(b.Wrong, c)
	}
	return b
}

// certificateNeeds are the names for which somebody should do something: those
// that browsers refuse, and those whose renewal fails.
func (s *Server) certificateNeeds(v *visit) []need {
	if s.options.Certificates == nil || !v.scope.Whole() {
		return nil
	}
	kinds := []need{{Key: "need.certificate"}, {Key: "need.certificate-late"}, {Key: "need.upstream-certificate"}, {Key: "need.upstream-certificate-late"}}
	for _, c := range s.options.Certificates().Names {
		i := 0
		switch c.State {
		case "expired", "failed":
		case "late":
			i = 1
		default:
			continue
		}
		if c.Upstream {
			i += 2
		}
		if kinds[i].N++; kinds[i].N == 1 {
			kinds[i].Site, kinds[i].Link = c.Name, "/sites#certificates"
		}
	}
	return slices.DeleteFunc(kinds, func(n need) bool { return n.N == 0 })
}

// endOfCertificates is what alerts look at.
func (s *Server) endOfCertificates() []alerts.Certificate {
	if s.options.Certificates == nil {
		return nil
	}
	var all []alerts.Certificate
	for _, c := range s.options.Certificates().Names {
		wrong := c.State == "expired" || c.State == "failed" || c.State == "late"
		all = append(all, alerts.Certificate{Name: c.Name, NotAfter: c.NotAfter, Wrong: wrong})
	}
	return all
}
