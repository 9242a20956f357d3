// Package pebbletest holds tests of certs and of the edge against pebble, the
// ACME server of Let's Encrypt for tests, and a name server that says every
// name is this machine. It has no code of its own; its tests reach loopback
// only.
package pebbletest
