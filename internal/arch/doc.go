// Package arch holds the rules of the house as tests: which package may import
// which, which dependency has only one door, and that every package says what
// it is for. The table in arch_test.go is the one of ARCHITECTURE.md.
//
// It contains nothing that runs outside a test.
package arch
