// Package witness remembers which sessions the edge has seen a CMS accept, and
// what the CMS let them do. Trust is witnessed: a cookie's name or value proves
// nothing by itself, only the CMS's own answer to it does.
//
// What counts as an answer:
//   - WordPress sets a session cookie (a login, an interim login, a password
//     change): the session is a [exchange.Member].
//   - The CMS shows that session a screen which only an editor can open: it is an
//     [exchange.Author]; a screen that only changes the site: an [exchange.Admin].
//     The status alone is never enough, the page must be recognisably that screen.
//   - An application password or XML-RPC login that the CMS accepts is witnessed
//     in the same way, as a credential of its own.
//
// A logout, a reset password or a redirect to the login page takes the trust
// away again. Sessions that began elsewhere (another edge, the day before) are
// witnessed by the same screens; nothing has to be shared between edges.
//
// The package never stores a cookie, password or user name: only keyed hashes
// (HMAC-SHA256) of them, in memory and in one file. It refuses no request and
// reads no page beyond its first bytes.
//
// A [Witness] is safe for concurrent use. It owns one goroutine, which writes
// the file, and which Close stops and waits for.
package witness
