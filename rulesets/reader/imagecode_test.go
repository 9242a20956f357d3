package reader

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"
)

func TestCodeInPictures(t *testing.T) {
	for text, want := range map[string]bool{
		"<?php system(1);":        true,
		"<?PHP\nsystem(1);":       true,
		"<?= $_GET['a'] ?>":       true,
		"<?=`$_GET[a]`?>":         true,
		"<?=@system('id')?>":      true,
		"<?php":                   false, // opens nothing
		"<?phpx 1":                false,
		"<?xml version='1.0'?>":   false,
		"<?xpacket begin='' ?>":   false,
		"<?=\x00\x01$_":           false,
		"a < b ? c : d":           false,
		"<?=abc\xff(":             false,
		"no tag at all":           false,
		"<?xpacket a?><?php eval": true,
	} {
		// Wherever the picture is cut into pieces, the answer is the same.
		whole := strings.Repeat("\xff", 50) + text + strings.Repeat("\xd8", 50)
		for cut := range len(whole) {
			for _, size := range []int{1, 7, len(whole)} {
				var c codeFinder
				got := c.finds([]byte(whole[:cut]))
				for rest := whole[cut:]; rest != "" && !got; {
					n := min(size, len(rest))
					got = c.finds([]byte(rest[:n]))
					rest = rest[n:]
				}
				if got != want {
					t.Fatalf("%q cut at %d, then %d bytes at a time: %t", text, cut, size, got)
				}
			}
		}
	}
}

// Noise, of which compressed pictures consist, has no code in it.
func TestNoiseIsNoCode(t *testing.T) {
	random := rand.NewChaCha8([32]byte{1})
	b := make([]byte, 1<<20)
	for range 64 {
		_, _ = random.Read(b)
		if hasCode(b) {
			t.Errorf("code in noise: %q", b[max(0, bytes.Index(b, []byte("<?="))):][:16])
		}
	}
}
