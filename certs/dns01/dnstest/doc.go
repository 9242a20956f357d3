// Package dnstest is a small name server for tests: authoritative for its zones
// and a resolver for whoever asks. Zones change by calls, or by dynamic updates
// signed with its key.
package dnstest
