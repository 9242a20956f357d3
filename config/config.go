package config

import (
	"net/netip"
	"net/url"
	"time"
)

// Config is everything a process was told.
type Config struct {
	Data    string        // folder for state: certificates, events, sessions
	HTTP    []string      // plain listeners, host:port
	HTTPS   []string      // TLS listeners, host:port
	Admin   string        // metrics and health; empty is off
	Console Console       // the console inside this process
	TLS     TLS           // how sites get certificates
	Trusted Trusted       // who may say who the client is
	Log     Log           // access and error log
	Sites   []*Site       // at least one
	Drain   time.Duration // how long a stop waits for requests under way
}

// Console configures the console.
type Console struct {
	Listen string // host:port; empty is off
	TLS    string // off, internal or acme
}

// TLS configures certificates for sites.
type TLS struct {
	Mode  string // off, internal (own local authority) or acme
	Email string // account contact for the certificate authority
}

// Trusted says whose word on the client's address is taken.
type Trusted struct {
	Proxies       []netip.Prefix // peers whose X-Forwarded-For is walked
	ProxyProtocol []netip.Prefix // peers that must send a PROXY protocol header
}

// Log configures the process log.
type Log struct {
	Format string // json or console; empty chooses by whether stderr is a terminal
	Level  string // debug, info, warn, error
	Access bool   // one line a request
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
	Name       string        // unique; the first host when not given
	Hosts      []string      // lower-case host names, "*.example.kz" or "*" for any
	Upstreams  []Upstream    // at least one
	Mode       Mode          // block by default
	Level      int           // paranoia level 1–4, 1 by default
	Threshold  Threshold     // anomaly scores that refuse
	Profile    string        // auto, generic, wordpress, joomla, drupal, bitrix, opencart
	Responses  bool          // inspect responses with the outbound rules
	Compat     bool          // log ambiguous requests instead of refusing them
	FailMode   FailMode      // what an engine failure does
	Limits     Limits        // what a request may cost
	Contact    string        // whom a refused visitor may ask; shown on the block page
	Exclusions []Exclusion   // the owner's own rule exclusions
	Trusted    *Trusted      // overrides Config.Trusted for this site
	Timeouts   Timeouts      // towards the upstream
	HSTS       time.Duration // Strict-Transport-Security max-age; 0 is off
}

// Upstream is one server that answers for a site.
type Upstream struct {
	URL    *url.URL // http or https, host and port, no path
	Health string   // path probed every ten seconds; empty is passive health only
}

// Threshold holds anomaly scores from which a request or response is refused.
type Threshold struct {
	Inbound  int // 5 by default
	Outbound int // 4 by default
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
	HeaderBytes int           // request line and headers together; 64 KiB by default
	Headers     int           // header lines; 100 by default
	Body        int64         // bytes of a whole request body that is streamed; 0 is no limit
	Inspect     int64         // bytes of a body that the rules must see whole; larger is 413
	Args        int           // parameters; 1000 by default
	HeaderTime  time.Duration // from accept to the end of the head
	BodyRate    int           // bytes a second a body must keep after ten seconds
}

// Timeouts bounds waiting for the upstream.
type Timeouts struct {
	Dial   time.Duration
	Header time.Duration // until the response's head
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
	Rules   []RuleRange // which rules
	Methods []string    // empty is any
	Path    string      // path shape: "/wp-admin/post.php", "/wp-json/wp/v2/*/{n}"; empty is any
	Targets []string    // "ARGS:content", "ARGS:/^meta\[/", "REQUEST_COOKIES:x", "REQUEST_HEADERS:x"; empty is any target
	Who     Who         // Anyone when empty
	Reason  string      // why, for whoever reviews it
	Expires time.Time   // zero is never
}

// RuleRange is an inclusive range of rule ids; a single rule has Last == First.
type RuleRange struct{ First, Last int }
