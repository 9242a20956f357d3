// Package storetest holds what every store must do, whatever keeps it: call
// [Run] from a test of the store. It is imported by tests only.
package storetest
