package rulesets

import (
	"context"
	"fmt"
	"net/netip"
	"regexp"
	"runtime/debug"
	"strconv"

	"github.com/corazawaf/coraza/v3/collection"
	"github.com/corazawaf/coraza/v3/experimental"
	"github.com/corazawaf/coraza/v3/experimental/plugins/plugintypes"
	"github.com/corazawaf/coraza/v3/types"
	"github.com/corazawaf/coraza/v3/types/variables"

	"github.com/qorgan/qorgan/rulesets/exclude"
	"github.com/qorgan/qorgan/rulesets/fastpath"
	"github.com/qorgan/qorgan/rulesets/reader"
)

// Facts are what the rules may ask that is not in the request's bytes, and how
// the site wants it judged.
type Facts struct {
	Client netip.Addr // invalid when unknown
	Peer   netip.AddrPort
	Local  netip.AddrPort
	Host   string // the name asked for, without port

	Level    int // paranoia level, 1–4
	Inbound  int // anomaly score that refuses a request
	Outbound int // and a response
	Mask     exclude.Mask

	native     bool                 // Coraza reads parameters, cookies and body with its own parsers
	candidates []fastpath.Candidate // when not nil, the rules that may match
}

// corazaTx is what Coraza's transaction offers beyond its public interface.
// The methods are those that its own ctl action calls, so that an exclusion
// here and one written in SecLang cannot differ.
type corazaTx interface {
	types.Transaction
	plugintypes.TransactionState
	RemoveRuleByID(id int)
	RemoveRuleTargetByID(id int, v variables.RuleVariable, key string, rx *regexp.Regexp)
}

// transaction is one request in one engine.
type transaction struct {
	e      *engine
	tx     corazaTx
	native bool
}

// begin opens a transaction and gives it all that is known before the body.
func (e *engine) begin(ctx context.Context, id string, f *Facts, r *reader.Request) (*transaction, error) {
	tx, ok := e.waf.NewTransactionWithOptions(experimental.Options{ID: id, Context: ctx}).(corazaTx)
	if !ok {
		return nil, fmt.Errorf("open transaction: this version of Coraza offers no exclusions")
	}
	t := &transaction{e: e, tx: tx, native: f.native}
	err := t.guard(func() {
		t.connect(f)
		t.tell(f)
		t.head(r, f.Host)
	})
	return t, err
}

// guard runs a step of the engine and turns a panic in it into an error that
// names the rule under evaluation.
func (t *transaction) guard(step func()) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			ee := &engineError{cause: cause, stack: debug.Stack()}
			if ids := t.tx.Variables().Rule().Get("id"); len(ids) > 0 {
				ee.rule, _ = strconv.Atoi(ids[0])
			}
			t.tx = nil // never back into Coraza's pool
			err = ee
		}
	}()
	step()
	return nil
}

// close gives the transaction back.
func (t *transaction) close() {
	if t.tx != nil {
		_ = t.guard(func() { _ = t.tx.Close() })
	}
}

func (t *transaction) connect(f *Facts) {
	t.tx.ProcessConnection(addrText(f.Client), int(f.Peer.Port()), addrText(f.Local.Addr()), int(f.Local.Port()))
}

// addrText is an address as rules compare it: without zone or brackets, IPv4 in
// its own form, empty when unknown.
func addrText(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.Unmap().WithZone("").String()
}

// tell sets the variables by which the rule set is configured and takes the
// excluded and quarantined rules out. The rule set's own initialisation leaves
// a variable alone that is already set.
func (t *transaction) tell(f *Facts) {
	col := t.tx.Variables().TX()
	set := func(name string, value int) { col.Set(name, []string{strconv.Itoa(value)}) }
	set("blocking_paranoia_level", f.Level)
	set("detection_paranoia_level", f.Level)
	set("inbound_anomaly_score_threshold", f.Inbound)
	set("outbound_anomaly_score_threshold", f.Outbound)
	for _, id := range t.e.quarantined() {
		t.tx.RemoveRuleByID(id)
	}
	if f.candidates != nil {
		t.spareRules(f.candidates)
	}
	for x := range f.Mask.All() {
		for _, ids := range x.Rules {
			for _, id := range t.e.idsIn(ids.First, ids.Last) {
				if len(x.Targets) == 0 {
					t.tx.RemoveRuleByID(id)
				}
				for _, target := range x.Targets {
					t.tx.RemoveRuleTargetByID(id, target.Variable, target.Key, target.Rx)
				}
			}
		}
	}
}

// resetter is implemented by Coraza's collections.
type resetter interface{ Reset() }

// setter is implemented by Coraza's single variables.
type setter interface{ Set(string) }

func put(v collection.Single, s string) {
	if v, ok := v.(setter); ok {
		v.Set(s)
	}
}

func fill(m collection.Map, args []reader.Arg) {
	if m, ok := m.(resetter); ok {
		m.Reset()
	}
	for _, a := range args {
		m.Add(a.Name, a.Value)
	}
}

// head shows the rules the request line and the header lines as they came in,
// and the parameters and cookies as the reader found them: Coraza's own reading
// of both is replaced.
func (t *transaction) head(r *reader.Request, host string) {
	v := t.tx.Variables()
	t.tx.ProcessURI(r.Target, r.Method, r.Proto)
	for _, h := range r.Fields {
		t.tx.AddRequestHeader(h.Name, h.Value)
	}
	t.tx.SetServerName(host)
	if t.native {
		t.nativeHead(r)
		return
	}
	fill(v.ArgsGet(), r.Get)
	fill(v.RequestCookies(), r.Cookies)
	put(v.RequestBodyProcessor(), r.Processor)
}

// content shows the rules the body as the reader found it. The bytes are not
// given to Coraza, so none of its body processors runs.
func (t *transaction) content(r *reader.Request) {
	v := t.tx.Variables()
	fill(v.ArgsPost(), r.Post)
	t.files(r)
	if len(r.Text) > 0 || len(r.Attrs) > 0 {
		v.RequestXML().Set("/*", r.Text)
		v.RequestXML().Set("//@*", r.Attrs)
	}
	if len(r.Body) > 0 {
		put(v.RequestBody(), string(r.Body))
		put(v.RequestBodyLength(), strconv.Itoa(len(r.Body)))
	}
}

// files shows the rules what only a multipart body has.
func (t *transaction) files(r *reader.Request) {
	if r.Processor != "MULTIPART" {
		return
	}
	v := t.tx.Variables()
	size := int64(0)
	for _, a := range r.Post {
		size += int64(len(a.Value))
		v.MultipartName().Add(a.Name, a.Name)
	}
	for _, f := range r.Files {
		size += f.Size
		v.MultipartName().Add(f.Field, f.Field)
		for _, name := range [...]string{f.Name, f.Alt} {
			if name == "" {
				continue
			}
			v.Files().Add("", name)
			v.FilesSizes().SetIndex(name, 0, strconv.FormatInt(f.Size, 10))
			v.MultipartFilename().Add(f.Field, name)
		}
		v.FilesNames().Add("", f.Field)
		if t.e.contents {
			v.FilesTmpContent().Add(f.Field, string(f.Head))
		}
	}
	for _, f := range r.FileAliases {
		v.FilesNames().Add("", f.Field)
	}
	put(v.FilesCombinedSize(), strconv.FormatInt(size, 10))
	for _, p := range r.Parts {
		for _, line := range p.Lines {
			v.MultipartPartHeaders().Add(p.Name, line)
		}
	}
}

// headers runs phase 1.
func (t *transaction) headers() error {
	return t.guard(func() { t.tx.ProcessRequestHeaders() })
}

// request runs phase 2.
func (t *transaction) request(r *reader.Request) error {
	var failed error
	err := t.guard(func() {
		if !t.native {
			t.content(r)
		} else if failed = t.nativeContent(r); failed != nil {
			return
		}
		_, failed = t.tx.ProcessRequestBody()
	})
	if err != nil {
		return err
	}
	return failed
}

// report runs phase 5, in which the rule set sums up what it found. It is not
// worth a clean request's time.
func (t *transaction) report() error {
	if t.inboundScore() == 0 {
		return nil
	}
	return t.guard(t.tx.ProcessLogging)
}

// number reads a number that the rule set keeps in TX.
func (t *transaction) number(name string) int {
	if v := t.tx.Variables().TX().Get(name); len(v) > 0 {
		n, _ := strconv.Atoi(v[0])
		return n
	}
	return 0
}

// inboundScore is the rule set's own sum. It adds the levels up at the end of
// each phase.
func (t *transaction) inboundScore() int { return t.number("blocking_inbound_anomaly_score") }

func (t *transaction) outboundScore() int { return t.number("blocking_outbound_anomaly_score") }
