// Package hold makes a file or a folder one process's own, by a lock file
// beside it.
//
// It does not guard against goroutines of the same process that lock the same
// file twice on systems without flock, and it does not wait: who comes second
// is told so. It is safe for concurrent use.
package hold
