// Package dns01 proves names to an ACME authority by records in the DNS (RFC
// 8555, section 8.4), which wildcards need: a [Solver] has a [Provider] place a
// TXT record, waits until every name server of its zone shows it, and has it
// taken away again, whatever became of the order. Where _acme-challenge of a
// name is an alias (CNAME), the record goes where the alias leads.
//
// It talks to no authority and decides nothing about names. Its providers are
// those that need no service's own library: a server that takes dynamic updates
// (RFC 2136), acme-dns, a program, a web address. Package providers has the
// others, and opens any by its name.
//
// A Solver is safe for concurrent use: calls about one record are made one after
// another, also by several edges with one storage. Whatever it asks of others is
// bounded in time.
package dns01
