// Package freeport chooses ports for the programs of tests that can not be
// told to listen on any free port and say which.
//
// The ports lie below those that the system hands out by itself, so that no
// connection and no listener on port 0 takes one between the choice and its
// use. What can listen on port 0 does so and needs none of this.
//
// It is safe for concurrent use.
package freeport
