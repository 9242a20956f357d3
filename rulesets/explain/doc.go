// Package explain tells a person what the rules think of one request: it reads
// the request as raw HTTP or a curl command line ([Parse]), and writes what
// [rulesets.Judge.Probe] found in plain words ([Write]).
//
// It judges nothing, sends nothing and opens no file. All functions are safe
// for concurrent use.
package explain
