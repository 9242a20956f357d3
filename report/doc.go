// Package report is an edge's link with its console. A [Queue] takes events
// from the request path without ever making it wait, and hands them on in
// batches and in order, again and again until they are accepted.
//
// It does not know what an event means or where it is stored, and it keeps
// nothing on disk: what it holds in memory is lost with the process. What it
// could not hold is counted and reported as an [event.Loss].
//
// A Queue owns one goroutine, which ends when Close returns. All its methods
// are safe for concurrent use.
package report
