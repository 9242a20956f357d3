// Package peek lets a room see an answer go by: its head, and where asked for
// the first bytes of its body. Nothing is held back, copied whole or changed;
// Flush, Hijack and ReadFrom stay available.
//
// An answer belongs to the goroutine that serves the request, and so do the
// calls to its [Observer]. Plain is safe for concurrent use.
package peek
