package config

import (
	"net/netip"
	"net/url"
	"time"
)

// Config is everything a process was told. In the file every key below is
// optional but sites.
type Config struct {
	// Data is the folder for state: certificates, events, sessions; in a file a
	// relative path begins at the file's folder. By default /var/lib/qorgan for
	// root, and qorgan below $XDG_STATE_HOME (or ~/.local/state) for everybody
	// else.
	Data string `yaml:"data"`
	// HTTP lists the plain listeners, host:port; "off" for none. By default
	// ":80", or ":8880" where the process may not open ports below 1024.
	HTTP []string `yaml:"http"`
	// HTTPS lists the TLS listeners, host:port; "off" for none. By default
	// ":443", or ":8443" where the process may not open ports below 1024.
	HTTPS []string `yaml:"https"`
	// HTTP3 answers HTTP/3 too, on the UDP ports of https, and tells visitors so.
	// A firewall must let UDP through. false by default.
	HTTP3 bool `yaml:"http3"`
	// Admin is the listener for metrics and health, host:port. Off by default.
	// It has no sign-in: keep it on a loopback or private address.
	Admin string `yaml:"admin"`
	// Console configures the console inside this process.
	Console Console `yaml:"console"`
	// TLS says how sites get certificates.
	TLS TLS `yaml:"tls"`
	// Trusted says whose word on the client's address is taken. Nobody's by
	// default.
	Trusted Trusted `yaml:"trusted"`
	// Capacity bounds what all requests together may take.
	Capacity Capacity `yaml:"capacity"`
	// Rules adds to the rules built in.
	Rules Rules `yaml:"rules"`
	// Log configures the process log.
	Log Log `yaml:"log"`
	// Sites are the protected sites, at least one. Further sites may stand in a
	// folder sites.d beside the file, one site a file.
	Sites []*Site `yaml:"sites"`
	// Drain is how long a stop waits for requests under way. 30s by default.
	Drain time.Duration `yaml:"drain"`

	origin origin
}

// Console configures the console.
type Console struct {
	// Listen is the console's listener, host:port; "off" for none.
	// 127.0.0.1:9443 by default.
	Listen string `yaml:"listen"`
	// TLS is off, internal or acme; internal by default. A console that others
	// can reach must not be off. acme takes authority and account from tls and
	// the name from url.
	TLS string `yaml:"tls"`
	// URL is the console's address as people reach it, without a path:
	// https://console.example.kz. Made from listen by default; acme needs it.
	URL *url.URL `yaml:"url"`
	// Keep is how long incidents are kept. 90d by default.
	Keep time.Duration `yaml:"keep"`
	// Space bounds the incidents' database, in bytes (10GiB): beyond it the
	// oldest go first. 4GiB by default.
	Space int64 `yaml:"space" unit:"bytes"`
	// Store is the address of a PostgreSQL in which several consoles keep their
	// incidents: postgres://user:password@host/database. For `qorgan console`
	// alone; an edge keeps its own in its data folder, as a console does by
	// default.
	Store Secret `yaml:"store"`
	// Mail is how alerts and reports go out by e-mail.
	Mail Mail `yaml:"mail"`
	// Telegram is how alerts go out by Telegram.
	Telegram Telegram `yaml:"telegram"`
	// InsideWebhooks permits webhooks and syslog at loopback and private
	// addresses. Not by default: a person of the console could reach with them
	// what only the console's machine can.
	InsideWebhooks bool `yaml:"inside_webhooks"`
}

// Mail is a mail server that takes letters from the console. Port 465 speaks
// TLS from the start; on every other it must offer STARTTLS, but on this
// machine.
type Mail struct {
	// Server is the mail server, host:port: mail.example.kz:587. None by
	// default: no letter goes out.
	Server string `yaml:"server"`
	// From is the sender's address. None by default; a server needs one.
	From string `yaml:"from"`
	// User is the name at the server. None by default.
	User string `yaml:"user"`
	// Password is the password at the server. None by default.
	Password Secret `yaml:"password"`
}

// Telegram is a bot that tells alerts.
type Telegram struct {
	// Token is the bot's token, as @BotFather gave it. None by default.
	Token Secret `yaml:"token"`
	// API is the server of bots. https://api.telegram.org by default.
	API *url.URL `yaml:"api"`
}

// Trusted says whose word on the client's address is taken.
type Trusted struct {
	// Proxies are the peers whose X-Forwarded-For is walked from the right,
	// addresses or ranges. None by default.
	Proxies []netip.Prefix `yaml:"proxies"`
	// ProxyProtocol are the peers that must send a PROXY protocol header,
	// addresses or ranges. None by default.
	ProxyProtocol []netip.Prefix `yaml:"proxy_protocol"`
}

// Capacity bounds what all requests together may take. What does not fit is
// answered 503 with Retry-After: from 85 % of the memory on connections are not
// kept open, from 92 % requests with a body are refused, from 95 % all. A site
// among several may hold as many requests, and bytes of bodies, as are still
// free.
type Capacity struct {
	// Memory is what the process may use, in bytes (512MiB). By default what
	// GOMEMLIMIT says, else nine tenths of the container's limit, else half of
	// the machine's memory.
	Memory int64 `yaml:"memory" unit:"bytes"`
	// Requests bounds the requests under way at once. By default one for each
	// 64 KiB of memory, 1000 to 50000, and a quarter of the files the process may
	// open.
	Requests int `yaml:"requests"`
	// Bodies bounds the bytes of request bodies in memory at once (128MiB). A
	// quarter of memory by default.
	Bodies int64 `yaml:"bodies" unit:"bytes"`
	// Connections bounds the connections of visitors at once; beyond it the one
	// that has waited longest among a few is closed. By default one for each
	// 32 KiB of memory, as far as the process may open files.
	Connections int `yaml:"connections"`
	// ClientConnections bounds the connections of one client at once, which is
	// an address, or a /64 of IPv6; one of HTTP/2 or 3 counts as eight. Beyond it
	// his longest idle one is closed. Trusted proxies are not bounded. 256 by
	// default.
	ClientConnections int `yaml:"client_connections"`
}

// Rules adds to the rules built in. A relative path begins at the file's folder.
type Rules struct {
	// CoreRuleSet is a folder with another release of the OWASP Core Rule Set;
	// it must pass the self-test. The release built in by default.
	CoreRuleSet string `yaml:"core_rule_set"`
	// Extra are files with SecLang rules for all sites. None by default.
	Extra []string `yaml:"extra"`
}

// Log configures the process log.
type Log struct {
	// Format is json or console. By default console when standard error is a
	// terminal, json otherwise.
	Format string `yaml:"format"`
	// Level is debug, info, warn or error; info by default.
	Level string `yaml:"level"`
	// Access writes one line a request. true by default.
	Access bool `yaml:"access"`
}

// Mode is what a site does with a request the rules refuse.
type Mode string

// The modes of a site.
const (
	Block  Mode = "block"  // refuse
	Detect Mode = "detect" // forward and record
	Off    Mode = "off"    // judge nothing
)

// Site is one protected site. Sites differ in data only: engines are shared by
// all sites with the same profile and level.
type Site struct {
	// Name is the site's name in events and pages, unique. The first host by
	// default.
	Name string `yaml:"name"`
	// Hosts are the host names the site answers to, at least one:
	// "shop.example.kz", "*.example.kz" for any name one label below, "*" for
	// any name no other site has.
	Hosts []string `yaml:"hosts"`
	// Upstreams are the servers behind the site, at least one.
	Upstreams []Upstream `yaml:"upstreams"`
	// Mode is block (refuse what the rules refuse), detect (forward it and
	// record it) or off (judge nothing). block by default.
	Mode Mode `yaml:"mode"`
	// Level is the paranoia level of the Core Rule Set, 1 to 4. 1 by default.
	Level int `yaml:"level"`
	// Threshold holds the anomaly scores that refuse.
	Threshold Threshold `yaml:"threshold"`
	// Profile is the CMS behind the site: auto (recognised from its answers),
	// generic, wordpress, joomla, drupal, bitrix or opencart. auto by default.
	Profile string `yaml:"profile"`
	// Responses inspects responses with the outbound rules. false by default.
	Responses bool `yaml:"responses"`
	// Compat records ambiguous requests instead of refusing them. false by
	// default.
	Compat bool `yaml:"compat"`
	// FailMode is what an engine failure does: closed (503 and an event) or
	// static (GET and HEAD for static files pass uninspected, the rest is 503).
	// closed by default.
	FailMode FailMode `yaml:"fail_mode"`
	// Limits bounds what one request may cost.
	Limits Limits `yaml:"limits"`
	// Contact is whom a refused visitor may ask: a mail address, a telephone
	// number or a link, shown on the block page. Empty by default.
	Contact string `yaml:"contact"`
	// Exclusions are the owner's own rule exclusions. None by default.
	Exclusions []Exclusion `yaml:"exclusions"`
	// Surface says which PHP files visitors may ask for directly.
	Surface Surface `yaml:"surface"`
	// Patches says where virtual patches are armed: everywhere, seen (only for
	// the CMS itself and for plugins and themes that the site's answers showed)
	// or off. everywhere by default.
	Patches Arming `yaml:"patches"`
	// Trusted stands in place of the process's own trusted for this site.
	Trusted *Trusted `yaml:"trusted"`
	// Timeouts bounds waiting for the upstream.
	Timeouts Timeouts `yaml:"timeouts"`
	// HSTS tells browsers to come over TLS only.
	HSTS HSTS `yaml:"hsts"`
	// ClientCertificates has parts of the site open only to who shows a
	// certificate.
	ClientCertificates ClientCertificates `yaml:"client_certificates"`
	// TLS holds a certificate of the owner's own, in place of one that is issued.
	TLS SiteTLS `yaml:"tls"`
}

// Surface says which PHP files of a site may be asked for directly, besides
// those its CMS answers on.
type Surface struct {
	// Allow are paths from the root, "/pay/callback.php", or shapes of them,
	// "/tools/**". A * stands for characters of one segment, {n} for a number, a
	// last ** for all that follows. None by default.
	Allow []string `yaml:"allow"`
	// Open lets every PHP file be asked for. false by default.
	Open bool `yaml:"open"`
}

// Arming says which virtual patches a site has.
type Arming string

// The armings of a site.
const (
	Everywhere Arming = "everywhere" // all of them
	Seen       Arming = "seen"       // those of products that the site was seen to run
	Unarmed    Arming = "off"        // none
)

// Upstream is one server that answers for a site. In the file a bare URL may
// stand for the whole mapping.
type Upstream struct {
	// URL is http or https, host and port, without a path.
	URL *url.URL `yaml:"url"`
	// Health is the path probed every ten seconds. Empty by default: health is
	// then judged by real requests only.
	Health string `yaml:"health"`
}

// Threshold holds anomaly scores from which a request or response is refused.
type Threshold struct {
	// Inbound is the score that refuses a request, at least 1. 5 by default,
	// which one critical match reaches.
	Inbound int `yaml:"inbound"`
	// Outbound is the score that refuses a response, at least 1. 4 by default.
	Outbound int `yaml:"outbound"`
}

// FailMode is what happens to a request when the engine fails on it.
type FailMode string

// The fail modes of a site.
const (
	FailClosed FailMode = "closed" // 503 and an event
	FailStatic FailMode = "static" // bodiless GET and HEAD for static files pass uninspected, the rest 503
)

// Limits bounds what one request may cost.
type Limits struct {
	// HeaderBytes bounds request line and headers together, in bytes (64KiB).
	// 64KiB by default.
	HeaderBytes int `yaml:"header_bytes" unit:"bytes"`
	// Headers bounds the number of header lines. 100 by default.
	Headers int `yaml:"headers"`
	// Body bounds a whole request body that is streamed, in bytes (2GiB); 0 is
	// no limit. 0 by default.
	Body int64 `yaml:"body" unit:"bytes"`
	// Inspect bounds a body that the rules must see whole, in bytes (1MiB); a
	// larger one is answered 413. 1MiB by default.
	Inspect int64 `yaml:"inspect" unit:"bytes"`
	// Args bounds the number of parameters. 1000 by default, as PHP's
	// max_input_vars.
	Args int `yaml:"args"`
	// HeaderTime is how long a head may take, a connection's first from its
	// acceptance. Each 500 bytes of it that have come add a second. 10s by
	// default.
	HeaderTime time.Duration `yaml:"header_time"`
	// BodyRate is the bytes a second a body must keep up after ten seconds
	// (500B); 0 is no minimum. 500B by default.
	BodyRate int `yaml:"body_rate" unit:"bytes"`
}

// Timeouts bounds waiting for the upstream.
type Timeouts struct {
	// Dial bounds connecting. 5s by default.
	Dial time.Duration `yaml:"dial"`
	// Header bounds waiting for the response's head. 60s by default.
	Header time.Duration `yaml:"header"`
}

// Who is the least a requester must be for an exclusion to hold for him.
type Who string

// Requesters, each including those after it.
const (
	Anyone Who = "anyone"
	Member Who = "member" // a witnessed session of any rank
	Author Who = "author" // a witnessed session that may edit content
	Admin  Who = "admin"  // a witnessed session that may change the site
)

// Exclusion takes one rule, or a few, off one parameter on one path for some
// requesters. It is data consulted per request, never a change to the engine.
type Exclusion struct {
	// Rules are the rule ids, at least one: 942100, or the range
	// 942100-942190.
	Rules []RuleRange `yaml:"rules"`
	// Methods are the request methods it holds for. Any by default.
	Methods []string `yaml:"methods"`
	// Path is the path's shape: "/wp-admin/post.php", "/wp-json/wp/v2/*/{n}",
	// "/shop/**". A * stands for characters of one segment, {n} for a number, a
	// last ** for all that follows. Any path by default.
	Path string `yaml:"path"`
	// When are parameters the request must carry, "action=elementor_ajax" or
	// "rest_route=/wp/v2/posts/{n}", where * is any text and {n} a number: each
	// named parameter is there, and every value it is sent with fits. Nothing by
	// default.
	When []string `yaml:"when"`
	// Targets are what the rules no longer look at: "ARGS:content",
	// "ARGS:/^meta\[/", "REQUEST_COOKIES:x", "REQUEST_HEADERS:x". Any target by
	// default.
	Targets []string `yaml:"targets"`
	// Who is the least a requester must be: anyone, member, author or admin,
	// the last three by sessions this edge saw begin. anyone by default.
	Who Who `yaml:"who"`
	// Reason is why, for whoever reviews it. Empty by default.
	Reason string `yaml:"reason"`
	// Expires ends the exclusion: a date (2026-12-31) or a time of RFC 3339.
	// Never by default.
	Expires time.Time `yaml:"expires"`
}

// RuleRange is an inclusive range of rule ids; a single rule has Last == First.
type RuleRange struct {
	// First is the lowest rule id of the range.
	First int
	// Last is the highest rule id of the range.
	Last int
}
