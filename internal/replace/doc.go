// Package replace writes a file in one step: whoever opens it, also after a
// crash, finds the old content or the new, whole.
//
// [File] and [Bytes] lock nothing: of two writers at the same time the later
// wins. [Update] lets one writer after the other read, change and write. It makes
// no folder. It is safe for concurrent use.
package replace
