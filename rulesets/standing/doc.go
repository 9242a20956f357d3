// Package standing keeps the exclusions that were put into force beside the
// configuration: which, for which site, by whom, why, until when, and what was
// proved of them. They are a file of JSON, written in one step and locked while
// it changes, that console, command line and edge share; whoever judges reads
// it and passes over what may not be ([mistake.Permitted]), whoever wrote it.
//
// It proves nothing itself and puts nothing into force.
//
// A [Book] is safe for concurrent use, also by several processes.
package standing
