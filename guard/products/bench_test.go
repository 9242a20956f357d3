package products

import (
	"strings"
	"testing"
)

// BenchmarkReadPage is what a look at a page of the full length costs; one page
// in sixty-four is looked at.
func BenchmarkReadPage(b *testing.B) {
	text := []byte(page + strings.Repeat(`<p>Some text <a href="/x">of a page</a> & more</p>`, lookAt/50))[:lookAt]
	b.SetBytes(lookAt)
	for b.Loop() {
		readPage(text)
	}
}
