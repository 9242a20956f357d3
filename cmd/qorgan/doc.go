// Command qorgan is the edge, the console and the command line of Qorgan.
//
// One file is one subcommand; run.go and console.go are where the parts meet.
// Nothing is decided here that a room could decide: a command parses its
// flags, builds the parts through their constructors, starts them in order and
// stops them in reverse.
//
// Each command runs on the goroutine that called it and returns when it is
// done or told to stop. Only `run`, `console` and `demo` start others, through
// a lifecycle that waits for them.
package main
