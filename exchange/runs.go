package exchange

// Runs is what a site was seen to run: the CMS, its plugins and themes. It is
// immutable and compared by its address: as long as a site is known to run the
// same, its requests carry the same Runs. The nil Runs knows of nothing.
type Runs struct{ versions map[string]string }

// NewRuns returns the Runs of products by name (core/NAME, plugin/NAME or
// theme/NAME, each by its folder) with their versions, empty where unknown. It
// keeps the map.
func NewRuns(versions map[string]string) *Runs { return &Runs{versions} }

// Has reports whether a product was seen.
func (r *Runs) Has(product string) bool {
	if r == nil {
		return false
	}
	_, ok := r.versions[product]
	return ok
}

// Version returns the version a product was last seen to have; empty when
// unknown.
func (r *Runs) Version(product string) string {
	if r == nil {
		return ""
	}
	return r.versions[product]
}
