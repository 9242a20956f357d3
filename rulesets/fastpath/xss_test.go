package fastpath

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/corazawaf/libinjection-go"
)

// markup are pieces that the tokenizer of libinjection tells apart.
var markup = []string{
	"<", ">", "/", "=", "\"", "'", "`", " ", "\n", "\v", "!", "?", "%", "--", "-->", "-!>", "%>", "]]>", "&#", "&#106;", "&#x6a", ";", "\x00", "\x85",
	"<a", "</a", "<p>", "</p>", "<!--", "<![CDATA[", "<!doctype", "<?", "<%", "a", "x=", "class=\"b\"", "href", "src=", "href=\"/x\"", "HREF =\n", "href='java", "javascript:", "JaVa\nScript", "data:", "vbscript",
	"style", "STYLE=", "onclick", "onClick=", "xmlns", "xlink:href", "xlink", "attributename=", "attributeName='onload'", "onload", "script", "<script", "<SvG", "svgx", "<xsl", "iframe",
	"[if", "[IF", "xml", "import", "ENTITY", "imp", "by", "datasrc", "formaction=", "folder", "action", "to=",
}

// TestXSSIsLibinjections puts pieces together and asks libinjection as well.
func TestXSSIsLibinjections(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 1))
	var found, spared, all int
	for range 60000 {
		var b strings.Builder
		for range 1 + r.IntN(14) {
			b.WriteString(markup[r.IntN(len(markup))])
		}
		s := b.String()
		var x xssSearch
		may, want := x.mayFind(s), libinjection.IsXSS(s)
		if want && !may {
			t.Fatalf("%q: libinjection dislikes it, and nothing was found", s)
		}
		all++
		if want {
			found++
		} else if !may {
			spared++
		}
	}
	if found < all/20 || spared < all/20 {
		t.Errorf("of %d texts %d are disliked and %d were spared", all, found, spared)
	}
}

func FuzzXSS(f *testing.F) {
	for _, s := range []string{"<a href=\"/x\" class='b'>", "'onclick=x", "<!--[if IE]>", "href=&#106;avascript:x", "<p style = x"} {
		f.Add(s)
	}
	for _, s := range markup {
		f.Add(s + s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var x xssSearch
		if libinjection.IsXSS(s) && !x.mayFind(s) {
			t.Errorf("%q: libinjection dislikes it, and nothing was found", s)
		}
	})
}
