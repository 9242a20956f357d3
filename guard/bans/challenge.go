package bans

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/language"

	"github.com/qorgan/qorgan/exchange"
)

const (
	passCookie = "qorgan_pass"
	passPath   = "/.well-known/qorgan/pass"
	passTime   = 12 * time.Hour
	stampTime  = 15 * time.Minute // between the question and the click
	maxAnswer  = 8 << 10
)

//go:embed challenge.html
var challengePage string

// passes asks for clicks and remembers them in signed cookies: it keeps nothing
// itself.
type passes struct {
	key     []byte
	now     func() time.Time
	page    *template.Template
	matcher language.Matcher
}

func newPasses(key []byte, now func() time.Time) (passes, error) {
	if len(key) == 0 {
		return passes{}, errors.New("bans: no key for passes")
	}
	page, err := template.New("challenge").Parse(challengePage)
	if err != nil {
		return passes{}, fmt.Errorf("bans: %w", err)
	}
	own := hmac.New(sha256.New, key)
	own.Write([]byte("passes through a challenge"))
	tags := make([]language.Tag, len(challengeWords))
	for i, w := range challengeWords {
		tags[i] = language.Make(w.Tag)
	}
	return passes{key: own.Sum(nil), now: now, page: page, matcher: language.NewMatcher(tags)}, nil
}

type outcome int

const (
	failed outcome = iota
	passed
	answered
)

// judge lets pass who was asked before, and who sends nothing that could do
// harm; it answers who answers the question.
func (p passes) judge(w http.ResponseWriter, r *http.Request, x *exchange.Exchange) outcome {
	if r.URL.Path == passPath && r.Method == http.MethodPost {
		return p.take(w, r, x)
	}
	if (r.Method == http.MethodGet || r.Method == http.MethodHead) && r.URL.RawQuery == "" && r.ContentLength == 0 {
		return passed
	}
	c, err := r.Cookie(passCookie)
	if err == nil && p.valid("pass", c.Value, exchange.Network(x.Client), passTime) {
		return passed
	}
	return failed
}

// sign makes a text that only this edge makes, for one network and now.
func (p passes) sign(what string, network netip.Prefix) string {
	at := binary.BigEndian.AppendUint64(nil, uint64(p.now().Unix()))
	return base64.RawURLEncoding.EncodeToString(append(at, p.mark(what, network, at)...))
}

func (p passes) mark(what string, network netip.Prefix, at []byte) []byte {
	h := hmac.New(sha256.New, p.key)
	h.Write([]byte(what + "\x00" + network.String() + "\x00"))
	h.Write(at)
	return h.Sum(nil)[:16]
}

// valid reports whether sign made the text, no longer ago than that.
func (p passes) valid(what, text string, network netip.Prefix, age time.Duration) bool {
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(b) != 24 || !hmac.Equal(b[8:], p.mark(what, network, b[:8])) {
		return false
	}
	since := p.now().Sub(time.Unix(int64(binary.BigEndian.Uint64(b[:8])), 0))
	return since >= 0 && since <= age
}

// take answers a click: with a pass, and back to where it came from.
func (p passes) take(w http.ResponseWriter, r *http.Request, x *exchange.Exchange) outcome {
	r.Body = http.MaxBytesReader(w, r.Body, maxAnswer)
	if r.ParseForm() != nil || !p.valid("stamp", r.PostForm.Get("stamp"), exchange.Network(x.Client), stampTime) {
		return failed
	}
	to := r.PostForm.Get("to")
	if !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") || strings.ContainsAny(to, "\\\r\n\t") {
		to = "/"
	}
	http.SetCookie(w, &http.Cookie{Name: passCookie, Value: p.sign("pass", exchange.Network(x.Client)), Path: "/", MaxAge: int(passTime / time.Second),
		HttpOnly: true, Secure: x.HTTPS, SameSite: http.SameSiteLaxMode})
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, to, http.StatusSeeOther)
	return answered
}

type challengeView struct {
	challengeText
	Stamp, To, Code string
	Again           bool // what was sent is lost: it is to be sent again
}

// ask answers with the question.
func (p passes) ask(w http.ResponseWriter, r *http.Request, x *exchange.Exchange, code string) {
	_, i := language.MatchStrings(p.matcher, r.Header.Get("Accept-Language"))
	v := challengeView{challengeText: challengeWords[i], Stamp: p.sign("stamp", exchange.Network(x.Client)), To: "/", Code: code}
	if v.Again = r.Method != http.MethodGet; !v.Again && len(x.Target) <= 2048 {
		v.To = x.Target
	}
	var b bytes.Buffer
	if err := p.page.Execute(&b, v); err != nil {
		b.Reset()
		b.WriteString(template.HTMLEscapeString(code))
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Language", v.Tag)
	if accept := r.Header.Get("Accept"); !strings.Contains(accept, "text/html") && strings.Contains(accept, "json") {
		b.Reset()
		h.Set("Content-Type", "application/problem+json")
		fmt.Fprintf(&b, `{"type":"about:blank","title":"Forbidden","status":403,"detail":%s,"code":%s}`+"\n", strconv.Quote(v.Short), strconv.Quote(code))
	}
	h.Set("Content-Length", strconv.Itoa(b.Len()))
	w.WriteHeader(http.StatusForbidden)
	if r.Method != http.MethodHead {
		_, _ = w.Write(b.Bytes())
	}
}
