package config

import (
	"fmt"
	"math"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/net/idna"
)

// sites checks every site, and that no two answer to one name.
func (k checker) sites() {
	if len(k.Sites) == 0 && len(k.m.list) == 0 {
		k.wrong("sites", "sites: [{hosts: shop.example.kz, upstreams: http://127.0.0.1:8080}]", "there is no site to protect")
	}
	names, hosts := map[string]string{}, map[string]string{}
	for i, s := range k.Sites {
		at := fmt.Sprintf("sites[%d]", i)
		k.hosts(at, s, hosts)
		given := s.Name != ""
		if !given && len(s.Hosts) > 0 {
			s.Name = s.Hosts[0]
		}
		if other, taken := names[s.Name]; taken && given {
			k.wrong(at+".name", "a name of its own", "%q is already the name of the site at %s", s.Name, k.where(other))
		} else {
			names[s.Name] = at
		}
		if strings.ContainsFunc(s.Name, unicode.IsControl) {
			k.wrong(at+".name", "name: shop", "the name holds control characters")
		}
		k.site(at, s)
	}
}

// hosts normalises the host names of one site and checks that they are free.
func (k checker) hosts(at string, s *Site, taken map[string]string) {
	if len(s.Hosts) == 0 {
		k.wrong(at+".hosts", "hosts: shop.example.kz", "a site needs a host name")
	}
	for j, h := range s.Hosts {
		path := fmt.Sprintf("%s.hosts[%d]", at, j)
		name, message, hint := normalHost(h)
		if message != "" {
			k.wrong(path, hint, "%s", message)
			continue
		}
		s.Hosts[j] = name
		if other, ok := taken[name]; ok {
			k.wrong(path, "another host, or one site with both upstreams", "%q is already answered by the site at %s", name, k.where(other))
			continue
		}
		taken[name] = path
		if k.TLS.Mode == "acme" && name == "*" && k.TLS.Ask == nil && s.TLS.Certificate == "" {
			k.wrong(path, "the names themselves, tls: {ask: …}, or tls: {mode: internal}", "a public authority issues no certificate for any name")
		}
	}
}

// normalHost returns h in the form requests are matched against: lower case,
// ASCII (UTS 46), no trailing dot; or what is wrong with it.
func normalHost(h string) (name, message, hint string) {
	if h == "*" {
		return h, "", ""
	}
	if h == "" {
		return "", "a host name is empty", "shop.example.kz"
	}
	rest, wild := strings.CutPrefix(h, "*.")
	if a, err := netip.ParseAddr(strings.Trim(rest, "[]")); err == nil && !wild {
		return a.String(), "", ""
	}
	if i := strings.Index(rest, "://"); i >= 0 {
		return "", fmt.Sprintf("%q is a URL, not a host name", h), strings.SplitN(rest[i+3:], "/", 2)[0]
	}
	if before, port, ok := strings.Cut(rest, ":"); ok && !strings.Contains(port, ":") {
		return "", fmt.Sprintf("%q has a port: ports stand in http and https", h), before
	}
	ascii, err := idna.New(idna.MapForLookup(), idna.StrictDomainName(false), idna.VerifyDNSLength(true)).
		ToASCII(strings.TrimSuffix(rest, "."))
	if err != nil || strings.ContainsAny(ascii, "*/ \\?#@%\"'<>") || strings.ContainsFunc(ascii, func(r rune) bool { return r < 0x21 || r > 0x7e }) {
		return "", fmt.Sprintf("%q is not a host name", h), "shop.example.kz, *.example.kz or *"
	}
	if wild {
		ascii = "*." + ascii
	}
	return ascii, "", ""
}

// site checks what concerns one site alone.
func (k checker) site(at string, s *Site) {
	k.siteTLS(at, s)
	k.upstreams(at, s)
	k.oneOf(at+".mode", string(s.Mode), "block", "detect", "off")
	k.oneOf(at+".profile", s.Profile, Profiles()...)
	k.oneOf(at+".patches", string(s.Patches), "everywhere", "seen", "off")
	k.oneOf(at+".fail_mode", string(s.FailMode), "closed", "static")
	if s.Level < 1 || s.Level > 4 {
		k.wrong(at+".level", "1, 2, 3 or 4", "%d is not a paranoia level", s.Level)
	}
	k.atLeast(at+".threshold.inbound", s.Threshold.Inbound, 1, "a threshold below 1 refuses every request")
	k.atLeast(at+".threshold.outbound", s.Threshold.Outbound, 1, "a threshold below 1 refuses every response")
	k.atLeast(at+".limits.header_bytes", s.Limits.HeaderBytes, 1024, "no browser's head fits into %d bytes", s.Limits.HeaderBytes)
	k.atLeast(at+".limits.headers", s.Limits.Headers, 1, "%d is less than the one header every request has", s.Limits.Headers)
	k.atLeast(at+".limits.args", s.Limits.Args, 1, "%d lets no parameter through", s.Limits.Args)
	k.atLeast(at+".limits.inspect", clamp(s.Limits.Inspect), 1, "%d lets no form through", s.Limits.Inspect)
	k.atLeast(at+".limits.body", clamp(s.Limits.Body), 0, "%d is negative", s.Limits.Body)
	k.atLeast(at+".limits.body_rate", s.Limits.BodyRate, 0, "%d is negative", s.Limits.BodyRate)
	if s.Limits.HeaderTime <= 0 {
		k.wrong(at+".limits.header_time", "10s", "%s lets no request through", s.Limits.HeaderTime)
	}
	if s.Timeouts.Dial <= 0 {
		k.wrong(at+".timeouts.dial", "5s", "%s leaves no time to connect", s.Timeouts.Dial)
	}
	if s.Timeouts.Header <= 0 {
		k.wrong(at+".timeouts.header", "60s", "%s leaves no time to answer", s.Timeouts.Header)
	}
	k.hsts(at+".hsts", s)
	k.clients(at+".client_certificates", s)
	if s.Trusted != nil {
		k.trusted(at+".trusted", *s.Trusted)
	}
	for i, p := range s.Surface.Allow {
		if !isPathShape(p) {
			k.wrong(fmt.Sprintf("%s.surface.allow[%d]", at, i), "/pay/callback.php or /tools/**", "%q is not a path's shape", p)
		}
	}
	for i, x := range s.Exclusions {
		k.exclusion(fmt.Sprintf("%s.exclusions[%d]", at, i), x)
	}
}

func clamp(n int64) int { return int(min(n, math.MaxInt32)) }

// atLeast checks that a number is not smaller than low.
func (k checker) atLeast(path string, n, low int, format string, args ...any) {
	if n < low {
		k.wrong(path, strconv.Itoa(low)+" or more", format, args...)
	}
}

// upstreams checks the servers behind a site.
func (k checker) upstreams(at string, s *Site) {
	if len(s.Upstreams) == 0 {
		k.wrong(at+".upstreams", "upstreams: http://127.0.0.1:8080", "a site needs an upstream")
	}
	for j, u := range s.Upstreams {
		path := fmt.Sprintf("%s.upstreams[%d]", at, j)
		if message, hint := checkURL(u.URL); message != "" {
			k.wrong(path+".url", hint, "%s", message)
			continue
		}
		if u.Health != "" && !strings.HasPrefix(u.Health, "/") {
			k.wrong(path+".health", "/"+u.Health, "%q is not a path", u.Health)
		}
		for _, l := range k.addresses() {
			host, port, err := splitListener(l.host)
			if err == nil && (listener{host: host, port: port}).reaches(u.URL.Hostname(), urlPort(u.URL)) {
				k.wrong(path+".url", "the address of the CMS itself", "%s is this process's own listener (%s): requests would go round in a circle", u.URL.Host, l.path)
				break
			}
		}
	}
}

// targetVariables are the rule variables an exclusion may name.
var targetVariables = []string{
	"ARGS", "ARGS_GET", "ARGS_POST", "ARGS_NAMES", "ARGS_GET_NAMES", "ARGS_POST_NAMES",
	"REQUEST_COOKIES", "REQUEST_COOKIES_NAMES", "REQUEST_HEADERS", "REQUEST_HEADERS_NAMES",
	"REQUEST_BODY", "REQUEST_URI", "REQUEST_URI_RAW", "REQUEST_FILENAME", "REQUEST_BASENAME", "REQUEST_LINE",
	"REQUEST_METHOD", "REQUEST_PROTOCOL", "QUERY_STRING", "PATH_INFO",
	"FILES", "FILES_NAMES", "MULTIPART_PART_HEADERS", "XML", "JSON",
	"RESPONSE_BODY", "RESPONSE_HEADERS", "RESPONSE_STATUS",
}

// evaluation are the ranges of the Core Rule Set that are not detections: set
// up, the decision itself, and its report. Without them nothing is refused at
// all.
var evaluation = []struct {
	RuleRange
	what string
}{
	{RuleRange{900000, 901999}, "sets up the rule set"},
	{RuleRange{949000, 949999}, "adds up the score and refuses"},
	{RuleRange{959000, 959999}, "adds up the response's score and refuses"},
	{RuleRange{980000, 980999}, "reports the decision"},
}

// method is a token of RFC 9110 without lower case letters.
var method = regexp.MustCompile("^[A-Z0-9!#$%&'*+.^_`|~-]+$")

// isPathShape reports whether s is a path in which "*" stands for a run of
// characters of one segment, "{n}" for digits, and a last segment "**" for
// whatever follows.
func isPathShape(s string) bool {
	rest, ok := strings.CutPrefix(strings.TrimSuffix(s, "/**"), "/")
	if !ok {
		return s == "/**"
	}
	return !strings.Contains(rest, "**") && !strings.ContainsAny(strings.ReplaceAll(rest, "{n}", ""), "{}?# \t\r\n")
}

// exclusion checks one rule exclusion.
func (k checker) exclusion(at string, x Exclusion) {
	if len(x.Rules) == 0 {
		k.wrong(at+".rules", "rules: [942100]", "an exclusion names the rules it is about; mode: off judges nothing")
	}
	for i, r := range x.Rules {
		k.ruleRange(fmt.Sprintf("%s.rules[%d]", at, i), r)
	}
	for i, m := range x.Methods {
		if !method.MatchString(m) {
			k.wrong(fmt.Sprintf("%s.methods[%d]", at, i), strings.ToUpper(m), "%q is not a method", m)
		}
	}
	if x.Path != "" && !isPathShape(x.Path) {
		k.wrong(at+".path", "/wp-admin/post.php, /wp-json/wp/v2/*/{n} or /shop/**, where * is part of one segment, {n} a number and ** all that follows",
			"%q is not a path's shape", x.Path)
	}
	for i, w := range x.When {
		if name, _, ok := strings.Cut(w, "="); !ok || name == "" {
			k.wrong(fmt.Sprintf("%s.when[%d]", at, i), "action=save, the parameter's name and its value", "%q names no value", w)
		}
	}
	for i, target := range x.Targets {
		k.target(fmt.Sprintf("%s.targets[%d]", at, i), target)
	}
	if x.Who != "" {
		k.oneOf(at+".who", string(x.Who), "anyone", "member", "author", "admin")
	}
}

func (k checker) ruleRange(at string, r RuleRange) {
	if r == (RuleRange{}) {
		return // the decoder has said what is wrong
	}
	if r.First < 1 || r.Last < r.First {
		k.wrong(at, "942100, or 942100-942190", "%d-%d is not a range of rules", r.First, r.Last)
		return
	}
	for _, e := range evaluation {
		if r.First <= e.Last && e.First <= r.Last {
			k.wrong(at, "the rule that matched, such as 942100", "rule %d %s: without it the site would not be protected",
				max(r.First, e.First), e.what)
			return
		}
	}
}

func (k checker) target(at, target string) {
	name, key, keyed := strings.Cut(target, ":")
	if !slices.Contains(targetVariables, name) {
		hint := nearest(name, lower(targetVariables))
		if hint == "" {
			hint = "ARGS:content, REQUEST_COOKIES:name or REQUEST_HEADERS:name"
		} else {
			hint = strings.ToUpper(hint) + strings.TrimPrefix(target, name)
		}
		k.wrong(at, hint, "%q is not a variable an exclusion can name", name)
		return
	}
	if !keyed {
		return
	}
	if key == "" {
		k.wrong(at, name+", or "+name+":content", "the key is empty")
		return
	}
	if pattern, ok := strings.CutPrefix(key, "/"); ok {
		pattern, closed := strings.CutSuffix(pattern, "/")
		if _, err := regexp.Compile(pattern); !closed || err != nil || pattern == "" {
			k.wrong(at, name+`:/^meta\[/`, "%q is not a regular expression between slashes", key)
		}
	}
}

func lower(list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = strings.ToLower(s)
	}
	return out
}
