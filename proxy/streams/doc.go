// Package streams looks at the heads of HTTP/2 requests before net/http decodes
// them.
//
// A header that is sent once can be named by one byte ever after, so that a
// small frame makes a large head; net/http bounds the bytes of such a head, not
// the number of its fields, and answers what is too large on a stream that the
// client may keep open without taking the answer. A [Conn] follows the frames
// and the compression on their way in and ends a connection whose heads are out
// of proportion, with GOAWAY.
//
// It changes no byte of what it lets through, and judges nothing else: frames,
// streams and windows are net/http's.
//
// Concurrency is that of net/http: one Read at a time, all else from anywhere.
package streams
