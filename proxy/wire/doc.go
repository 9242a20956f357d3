// Package wire reads HTTP/1.x requests off a connection before net/http does,
// and lets through only what has one reading.
//
// net/http canonicalises and reorders header lines, hides some framing and
// tolerates what the server behind reads differently. A [Conn] parses the
// incoming bytes as RFC 9112 has it, keeps every head as it came ([Head]), and
// hands net/http exactly the bytes it has validated, never past the end of one
// request in one Read. What two readers would read differently is a [Refusal]:
//
//   - in a head, net/http is fed a small request of the Conn's own making
//     instead, with "Connection: close", so that the ordinary handler renders
//     the page and records the event, after the requests before it were
//     answered. Nothing after the refused head is looked at.
//   - in a chunked body, net/http is fed a chunk line that is none, so that the
//     handler's next Read of the body fails with an error that is not io.EOF.
//     [Conn.BodyErr] then says why. The request's context is not cancelled: a
//     handler that takes a cancelled context for a visitor who left would
//     otherwise end without an answer, which net/http turns into an empty 200.
//
// A handler of a server whose connections are Conns asks its connection
// ([FromContext]) for [Conn.Next] once, first thing, and answers the Refusal
// if there is one: the *http.Request is then not the visitor's. It checks
// BodyErr when reading a body failed. It calls [Conn.Tunnel] after it hijacked
// a connection to switch protocols; until then, bytes that follow a request
// with Upgrade are kept back, and when the handler answers instead they are
// parsed and judged as the next request.
//
// net/http's own watching for a client that goes away, which cancels a request's
// context, does not see through a Conn. A handler that wants to know gives
// [Conn.OnLeave] a function and calls [Conn.Answered] before it returns.
//
// The http.Server needs DisableGeneralOptionsHandler (or "OPTIONS *" is
// answered without asking for its head), ConnContext set to [ConnContext], and
// MaxHeaderBytes of at least Limits.Head.
//
// The package judges no content, routes nothing and renders nothing. HTTP/2
// connections are not for it.
//
// Concurrency is that of net/http: one Read at a time, Next, OnLeave and Answered
// from the handler while a Read may be under way, deadlines and Close from
// anywhere. A Conn starts a goroutine only to watch, and Answered waits for it.
package wire
