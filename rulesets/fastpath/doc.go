// Package fastpath proves requests innocent without Coraza. It compiles the
// rules that Coraza was given and answers, for one request, either "no rule can
// match" or a short list of rules that may: then Coraza is asked. It errs
// towards asking, never towards passing.
//
//	directives, err := fastpath.Directives(coreruleset.FS, text) // what Coraza loads
//	prog, report := fastpath.Compile(directives, fastpath.Options{ReadFile: …})
//	res := prog.Judge(&fastpath.Input{Request: req, Remote: addr}, mask)
//	if !res.Clean { … ask Coraza … }
//
// It gives no verdict of its own: it names no score and refuses nothing. What it
// does not understand (an operator, a transformation, a variable) it takes as
// matching wherever the rule looks, and says so in the [Report]; loading a rule
// is never an error.
//
// A [Program] is safe for concurrent use. It holds caches (automaton states and
// verdicts on values that come again), all of fixed size; hostile input can make
// it slow, linearly, or have it give up, which means asking Coraza, never wrong.
//
// SOUNDNESS.md beside this file says why each step may err only one way. The
// package imports reader and event, libinjection and the engines of regular
// expressions that Coraza itself uses, and Coraza for one table.
package fastpath
