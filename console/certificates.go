package console

import "time"

// certificatesLimit is the most names on the page; those that need somebody
// come first.
const certificatesLimit = 50

// Certificate is the state of one name's certificate.
type Certificate struct {
	Name     string
	State    string    // valid, waiting, late, expired, failed or refused
	Cause    string    // of the last failure, empty without one
	Error    string    // its text
	NotAfter time.Time // zero without a certificate
	Next     time.Time // next attempt; zero: with the next visitor
	File     string    // of a certificate of the owner's own
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
	Waiting int64
	Last    time.Time
}

// causes are those with words of their own.
var certificateCauses = map[string]bool{
	"dns": true, "unreached": true, "elsewhere": true, "caa": true, "refused": true, "limit": true, "own-limit": true,
	"provider": true, "record": true,
	"down": true, "ask": true, "denied": true, "storage": true, "file": true,
}

// Why is the key of the words for a cause.
func (c Certificate) Why() string {
	if certificateCauses[c.Cause] {
		return "cert.cause." + c.Cause
	}
	return "cert.cause.other"
}

// Says is the key of the words for a state.
func (c Certificate) Says() string { return "cert." + c.State }

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
	var shut, late int64
	var first, firstLate string
	for _, c := range s.options.Certificates().Names {
		switch c.State {
		case "expired", "failed":
			if shut++; shut == 1 {
				first = c.Name
			}
		case "late":
			if late++; late == 1 {
				firstLate = c.Name
			}
		}
	}
	var needs []need
	if shut > 0 {
		needs = append(needs, need{Key: "need.certificate", Site: first, N: shut, Link: "/sites#certificates"})
	}
	if late > 0 {
		needs = append(needs, need{Key: "need.certificate-late", Site: firstLate, N: late, Link: "/sites#certificates"})
	}
	return needs
}
