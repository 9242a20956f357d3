package event

import (
	"strings"
	"testing"
)

// BenchmarkHostileText shows what the costliest texts an attacker can write
// cost the edge.
func BenchmarkHostileText(b *testing.B) {
	fill := func(s string) string { return strings.Repeat(s, maxScan/len(s)) }
	text := fill("lorem ipsum dolor sit amet ")
	for name, in := range map[string]string{
		"words":     text,
		"digits":    fill("1"),
		"groups":    fill("1 "),
		"names":     fill("password "),
		"assigned":  fill("pwd=1&"),
		"parts":     fill(`name="pwd";`),
		"percent":   fill("%25"),
		"base64":    b64(text)[:maxScan],
		"base64x3":  b64(b64(b64(text)))[:maxScan],
		"mail":      fill("a@"),
		"addresses": fill("//"),
		"braces":    fill(`pwd={`),
		"slashes":   fill("aaaaaaaaaaaaa/"),
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				testRedactor.Text(in)
			}
		})
	}
}
