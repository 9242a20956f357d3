package herd

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/report/wire"
)

// What it takes to refuse a network everywhere.
const (
	leastTenants  = 3
	leastBranches = 2
	leastWeight   = 1.2
	branchWeight  = 0.8 // at most, of one branch: no hoster decides alone
)

// What it takes to refuse it at one tenant's own edges.
const (
	ownGravity = 3 // one such attack, or
	ownCount   = 3 // so many attacks
	ownKinds   = 2 // of so many kinds
)

// When many people are behind a network, as one edge sees it.
const (
	manySessions = 2
	manyAgents   = 6
	manyClean    = 30
)

// heard is the least worth of a tenant who is believed about who is behind a
// network.
const heard = 0.25

// How long a network is refused: the first time, and at most; it doubles.
const (
	FirstTime = 15 * time.Minute
	MostTime  = 24 * time.Hour
)

// Memory is how long attacks and people are remembered.
const Memory = 24 * time.Hour

// Sighting is that a tenant was attacked.
type Sighting struct {
	Tenant, Branch int64
	Count          int64
	Gravity        int // of the gravest; see [Gravity]
	Kinds          int // how many different attacks
}

// Behind is who was seen behind a network at one edge of a tenant.
type Behind struct {
	Tenant int64
	wire.Behind
}

// Evidence is what is known of a network.
type Evidence struct {
	Network   netip.Prefix // an address, or a /64
	Sightings []Sighting
	Behind    []Behind
	Worth     map[int64]float64 // of tenants; 1 of one that is not there
	Branches  int               // that there are at this console; 0 for many
	Before    int               // how often it was refused lately
}

func (e Evidence) worth(tenant int64) float64 {
	if w, ok := e.Worth[tenant]; ok {
		return w
	}
	return 1
}

// Verdict is what to do.
type Verdict struct {
	Kind       wire.DecisionKind
	Everywhere bool
	Tenant     int64 // at whose edges, unless everywhere
	For        time.Duration
	Why        string // in English, for the record
}

// Gravity says how much one attack of a class tells of who sent it: 3 for what
// nobody does by accident, 0 for what is no attack of his own doing.
func Gravity(c event.Class) int {
	switch c {
	case event.ClassPatch, event.ClassScanner:
		return 3
	case event.ClassCommand, event.ClassPHP, event.ClassUpload, event.ClassSQL, event.ClassCode, event.ClassFile, event.ClassRemote:
		return 2
	case event.ClassScript, event.ClassSession, event.ClassSurface:
		return 1
	}
	return 0
}

// Worth is what a tenant's reports weigh, from the networks it reported and
// those of them that others saw too. Who is new is believed: alone he decides
// nothing for others.
func Worth(reported, agreed int64) float64 {
	return max(0.02, min(1, 2.5*float64(agreed+1)/float64(reported+2)))
}

// Shared reports whether many people are behind the network.
func (e Evidence) Shared() bool {
	return slices.ContainsFunc(e.Behind, func(b Behind) bool { return e.worth(b.Tenant) >= heard && Many(b.Behind) })
}

// Many reports whether an edge sees many people behind a network.
func Many(b wire.Behind) bool {
	return b.Sessions >= manySessions || b.Agents >= manyAgents && b.Clean >= manyClean
}

// Speaks says what speaks against refusing a network that an edge has seen,
// when it is asked; empty for nothing.
func Speaks(b wire.Behind) string {
	switch {
	case b.Sessions > 0:
		return "people are signed in from there"
	case Many(b):
		return "many people are behind it"
	case b.Clean >= 100 && b.Attacks*20 < b.Clean:
		return "nearly all that came from there was clean"
	}
	return ""
}

// SpeaksHit says what speaks against a ban that was met.
func SpeaksHit(h wire.Hit) string {
	switch {
	case h.Witnessed > 0:
		return "people are signed in from there"
	case h.Agents >= manyAgents:
		return "many people are behind it"
	}
	return ""
}

// Decide returns what to do: at most one verdict for everybody, and one for
// each tenant's own edges that the first does not cover.
func Decide(e Evidence) []Verdict {
	kind := wire.DecisionBan
	if e.Shared() {
		kind = wire.DecisionStrict
	}
	length := min(MostTime, FirstTime<<min(e.Before, 10))
	if why := e.everywhere(); why != "" {
		return []Verdict{{Kind: kind, Everywhere: true, For: length, Why: why}}
	}
	var list []Verdict
	for _, s := range e.Sightings {
		if s.Gravity >= ownGravity || s.Count >= ownCount && s.Kinds >= ownKinds {
			list = append(list, Verdict{Kind: kind, Tenant: s.Tenant, For: length, Why: fmt.Sprintf("attacked %d times", s.Count)})
		}
	}
	return list
}

// everywhere says why the network is everybody's matter; empty when it is not.
func (e Evidence) everywhere() string {
	branches := map[int64]float64{}
	tenants := 0
	for _, s := range e.Sightings {
		if s.Gravity == 0 {
			continue
		}
		tenants++
		branches[s.Branch] += e.worth(s.Tenant) * (0.4 + 0.2*float64(s.Gravity))
	}
	weight := 0.0
	for _, w := range branches {
		weight += min(branchWeight, w)
	}
	least := leastBranches
	if e.Branches > 0 && e.Branches < least {
		return "" // one hoster's edges are his tenants' own matter
	}
	if tenants < leastTenants || len(branches) < least || weight < leastWeight {
		return ""
	}
	return fmt.Sprintf("attacked %d tenants of %d branches", tenants, len(branches))
}

// Neighbourhood returns the /24 around IPv4 addresses that are refused, when
// enough of it is; false otherwise.
func Neighbourhood(refused []netip.Addr) (netip.Prefix, bool) {
	const enough = 8
	distinct := map[netip.Addr]bool{}
	for _, a := range refused {
		if !a.Is4() {
			return netip.Prefix{}, false
		}
		distinct[a] = true
	}
	if len(distinct) < enough {
		return netip.Prefix{}, false
	}
	p, err := refused[0].Prefix(24)
	if err != nil || slices.ContainsFunc(refused, func(a netip.Addr) bool { return !p.Contains(a) }) {
		return netip.Prefix{}, false
	}
	return p, true
}
