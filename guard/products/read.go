package products

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
)

// sighting is what one answer shows: products by name with their versions,
// empty where the answer does not tell.
type sighting map[string]string

const core = "core/wordpress"

var (
	asset   = regexp.MustCompile(`/wp-content/(plugins|themes)/([A-Za-z0-9_-]+)/`)
	version = regexp.MustCompile(`[?&;]ver=(\d[\w.+-]*)`)
	content = regexp.MustCompile(`(?i)\bcontent=["']([^"']+)["']`)
	stable  = regexp.MustCompile(`(?im)^Stable tag:\s*(\d[\w.+-]*)\s*$`)
	made    = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9 ]*?) v?(\d[\w.+-]*)`)
)

// Bounds of what is believed.
const (
	longestTag     = 2000
	longestName    = 64
	longestVersion = 32
)

// nextTag returns the next tag that visitors cannot write into a page, and what
// follows it.
func nextTag(page []byte) (tag string, rest []byte) {
	for {
		i := bytes.IndexByte(page, '<')
		if i < 0 {
			return "", nil
		}
		page = page[i+1:]
		name := strings.ToLower(string(page[:min(7, len(page))]))
		if !strings.HasPrefix(name, "link ") && !strings.HasPrefix(name, "script ") && !strings.HasPrefix(name, "meta ") {
			continue
		}
		if end := bytes.IndexByte(page[:min(longestTag, len(page))], '>'); end >= 0 {
			return string(page[:end]), page[end:]
		}
	}
}

// versionIn returns the first version that re finds in text.
func versionIn(re *regexp.Regexp, text string) string {
	if m := re.FindStringSubmatch(text); m != nil && len(m[1]) <= longestVersion {
		return m[1]
	}
	return ""
}

// generators are the names by which products sign a page's head.
var generators = map[string]string{
	"wordpress": core, "woocommerce": "plugin/woocommerce", "elementor": "plugin/elementor",
	"powered by slider revolution": "plugin/revslider", "powered by layerslider": "plugin/LayerSlider",
	"site kit by google": "plugin/google-site-kit", "easy digital downloads": "plugin/easy-digital-downloads",
	"give": "plugin/give", "learnpress": "plugin/learnpress", "bricks": "theme/bricks",
}

// namespaces are those parts of the REST API whose name is not their plugin's.
var namespaces = map[string]string{
	"wc": "woocommerce", "wc-analytics": "woocommerce", "sure-triggers": "suretriggers", "reallysimplessl": "really-simple-ssl",
	"give-api": "give", "lp": "learnpress", "um": "ultimate-member", "mwai": "ai-engine", "mwai-ui": "ai-engine",
	"yoast": "wordpress-seo", "gutenkit": "gutenkit-blocks-addon", "hc": "hunk-companion", "tdw": "td-composer",
	"post-smtp": "post-smtp", "fluentform": "fluentform", "wpforms": "wpforms-lite", "kubio": "kubio", "lms": "masterstudy-lms-learning-management-system",
}

// readPage returns what the tags of a page show. A version that assets of
// WordPress itself carry is WordPress's: it adds its own to those without one.
func readPage(page []byte) sighting {
	seen, votes, own := sighting{}, map[string]map[string]int{}, map[string]bool{}
	for tag, rest := nextTag(page); tag != ""; tag, rest = nextTag(rest) {
		if strings.HasPrefix(strings.ToLower(tag), "meta") {
			readGenerator(tag, seen)
			continue
		}
		v := versionIn(version, tag)
		name := productOf(tag)
		if name == "" {
			if strings.Contains(tag, "/wp-includes/") {
				own[v] = true
			}
			continue
		}
		if votes[name] == nil {
			votes[name] = map[string]int{}
		}
		votes[name][v]++
	}
	own[seen[core]] = true
	for name, counts := range votes {
		best, most := seen[name], 0
		for v, n := range counts {
			if v != "" && !own[v] && seen[name] == "" && (n > most || n == most && v > best) {
				best, most = v, n
			}
		}
		seen[name] = best
	}
	return seen
}

func readGenerator(tag string, seen sighting) {
	low := strings.ToLower(tag)
	if !strings.Contains(low, `name="generator"`) && !strings.Contains(low, `name='generator'`) {
		return
	}
	c := content.FindStringSubmatch(tag)
	if c == nil {
		return
	}
	if m := made.FindStringSubmatch(c[1]); m != nil && len(m[2]) <= longestVersion {
		if name := generators[strings.ToLower(m[1])]; name != "" {
			seen[name] = m[2]
		}
	}
}

// readIndex returns what the list of the REST API shows: each namespace begins
// with the plugin's name, or with another that is known.
func readIndex(text []byte) sighting {
	i := bytes.Index(text, []byte(`"namespaces":[`))
	if i < 0 {
		return nil
	}
	list, _, ok := bytes.Cut(text[i+len(`"namespaces":`):], []byte("]"))
	var names []string
	if !ok || json.Unmarshal(append(bytes.Clone(list), ']'), &names) != nil {
		return nil
	}
	seen := sighting{}
	for _, n := range names {
		first, _, _ := strings.Cut(n, "/")
		if slug, known := namespaces[first]; known {
			first = slug
		}
		if first != "wp" && first != "oembed" && isSlug(first) {
			seen["plugin/"+first] = ""
		}
	}
	return seen
}

// readReadme returns what a readme file says of its own plugin or theme.
func readReadme(product string, text []byte) sighting {
	if !bytes.HasPrefix(bytes.TrimLeft(text, "\ufeff\r\n "), []byte("===")) {
		return nil
	}
	return sighting{product: versionIn(stable, string(text))}
}

// productOf returns the product in whose folder a path, or the first in a tag,
// lies.
func productOf(path string) string {
	m := asset.FindStringSubmatch(path)
	if m == nil || len(m[2]) > longestName {
		return ""
	}
	return strings.TrimSuffix(m[1], "s") + "/" + m[2]
}

func isSlug(s string) bool {
	return s != "" && len(s) <= longestName && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == ""
}
