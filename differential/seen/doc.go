// Package seen holds what a real PHP saw of a request, and compares it field
// by field with what package reader says about the same bytes.
//
// It runs no PHP: the differential test in the folder above does, and records
// answers that the hermetic tests of package reader replay. All functions are
// safe for concurrent use.
package seen
