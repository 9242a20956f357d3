package rulesets

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/rulesets/exclude"
)

// cpu is the processor time of the whole process so far. The clock on the wall
// measures the neighbours too.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// savedPost is the body of a save whose post has about n bytes, made of pieces
// over and over.
func savedPost(tb testing.TB, n int, piece func(i int) string) string {
	var b strings.Builder
	for i := 0; b.Len() < n; i++ {
		b.WriteString(piece(i))
	}
	body, err := json.Marshal(map[string]any{"id": 12, "title": "Bread", "content": b.String(), "status": "publish"})
	if err != nil {
		tb.Fatal(err)
	}
	return string(body)
}

func cyrillic(i int) string {
	return fmt.Sprintf("<!-- wp:paragraph {\"align\":\"left\"} -->\n<p class=\"has-text-align-left\">День %d: пекарня открывается в семь, и <strong>хлеб</strong> ещё <em>тёплый</em>; см. <a href=\"https://shop.example.kz/menu/%d/\">меню</a> — «сегодня», наан және бауырсақ.</p>\n<!-- /wp:paragraph -->\n\n", i, i)
}

// recorded are the posts of the corpus of recorded saves; empty without one.
func recorded(tb testing.TB) (posts []string) {
	f, err := os.Open(filepath.Join(os.Getenv("QORGAN_CORPORA"), "wordpress_saves.jsonl.gz"))
	if err != nil {
		tb.Log("no recorded saves: QORGAN_CORPORA names no folder with wordpress_saves.jsonl.gz")
		return nil
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		tb.Fatal(err)
	}
	sc := bufio.NewScanner(z)
	sc.Buffer(nil, 16<<20)
	seen := map[string]bool{}
	for sc.Scan() {
		var s struct{ Body string }
		var p struct{ Content string }
		if json.Unmarshal(sc.Bytes(), &s) == nil && json.Unmarshal([]byte(s.Body), &p) == nil && p.Content != "" && !seen[p.Content] {
			seen[p.Content] = true
			posts = append(posts, p.Content)
		}
	}
	return posts
}

// BenchmarkSaves judges posts that the block editor saves: sent by a stranger
// and by an author, whose text the profile lets through.
func BenchmarkSaves(b *testing.B) {
	judge, err := New(Options{FastPath: true, AuditEvery: -1})
	if err != nil {
		b.Fatal(err)
	}
	defer judge.Close()
	e, err := judge.current.Load().engine(inbound, "")
	if err != nil {
		b.Fatal(err)
	}
	author, err := exclude.Compile([]config.Exclusion{{
		Rules: []config.RuleRange{{First: 930000, Last: 944999}}, Path: "/wp-json/wp/v2/posts/{n}", Targets: []string{"ARGS:json.content"},
	}})
	if err != nil {
		b.Fatal(err)
	}
	posts := recorded(b)
	for _, size := range []int{9 << 10, 290 << 10} {
		bodies := map[string]string{"latin": editorSave(b, size), "cyrillic": savedPost(b, size, cyrillic)}
		if len(posts) > 0 {
			bodies["recorded"] = savedPost(b, size, func(i int) string { return posts[i%len(posts)] })
		}
		for kind, body := range bodies {
			load := []asked{{testRequest(b, "POST", "/wp-json/wp/v2/posts/12?_locale=user", body, "Content-Type", "application/json"), body}}
			for level := 1; level <= 2; level++ {
				name := fmt.Sprintf("%dk/%s/level%d", size>>10, kind, level)
				b.Run(name+"/stranger", func(b *testing.B) { benchmarkQorgan(b, e, level, load, nil, true) })
				b.Run(name+"/author", func(b *testing.B) { benchmarkQorgan(b, e, level, load, author, false) })
			}
		}
	}
}
