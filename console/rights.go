package console

import (
	"slices"

	"github.com/qorgan/qorgan/console/store"
)

// right is what a route needs of a person. The zero right is nobody's: a route
// that names none is shut.
type right string

const (
	public  right = "public"  // of nobody: sign-in and the like
	see     right = "see"     // that he is signed in: he sees his scope, and changes what is his own
	vouch   right = "vouch"   // that he answers for sites: he says what was a mistake
	advise  right = "advise"  // that he may tell others what to do
	operate right = "operate" // that he acts on sites and edges
	manage  right = "manage"  // that he says who else may, and whose what is
	machine right = "machine" // that he acts on the console's own machine: an operator of the desk
)

// rights is what each role may.
var rights = map[store.Role][]right{
	store.Owner:         {see, vouch},
	store.Analyst:       {see, advise},
	store.Operator:      {see, vouch, advise, operate},
	store.Administrator: {see, vouch, advise, operate, manage},
}

// may reports whether the visitor has a right.
func (v *visit) may(needs right) bool {
	switch {
	case needs == public:
		return true
	case v.session == nil:
		return false
	case needs == machine:
		return v.scope.Whole() && v.may(operate)
	}
	return slices.Contains(rights[v.session.Person.Role], needs)
}
