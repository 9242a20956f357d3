package witness

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/exchange"
)

// A witness learns from answers that pass anyway. Three times that comes too
// late: the first write of a session that began elsewhere, the first use of a
// form token, the first call of a program with its password. Then the CMS is
// asked itself: one small request with nothing but that credential, before the
// write goes on.

const (
	askPatience = 5 * time.Second
	askAgain    = 10 * time.Minute // until a session that may do nothing is asked about again
	proofLasts  = time.Hour        // until a session is asked about again before it writes
	lookAtReply = 256 << 10
)

var (
	errManners = errors.New("asked too much already")
	errNowhere = errors.New("the site has no upstream")
)

// question is what to ask the CMS, and how to read its reply.
type question struct {
	method, target string
	header         http.Header
	body           string
	nonce          string // the form token in question; empty when it is the session itself
	// read returns the session as the reply shows it; ok is false when the CMS
	// did not accept the credential.
	read func(status int, h http.Header, page []byte) (Session, bool)
}

// settle asks the CMS where that is due, and updates what is known.
func (w *Witness) settle(c cms, q *reading, b bearer, s *Session, known *bool) {
	a, ok := c.(asker)
	if !ok || !q.writes() || b.doubt || b.mixed && !*known || q.forged() || q.x.Site.Mode == config.Off {
		return
	}
	ask := a.question(w, q, b, *s, *known)
	if ask == nil {
		return
	}
	got, err := w.put(q, s.Key, ask)
	switch {
	case err != nil:
		w.log.Debug().Err(err).Str("site", q.x.Site.Name).Msg("ask the CMS about a session")
	case got.Rank > exchange.Visitor:
		*s, *known = got, true
	case ask.nonce != "":
		s.Nonces = [2]uint64{}
	default:
		*known = false
	}
}

// put asks once, however many requests of the session wait for the reply.
func (w *Witness) put(q *reading, k Key, ask *question) (Session, error) {
	id := w.hash.key("question", string(k[:]), ask.nonce, ask.body)
	if !w.manner.may(q.x.Site.Name, q.x.Client, id) {
		return Session{}, errManners
	}
	v, err, _ := w.answer.Do(string(id[:]), func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(q.r.Context()), askPatience)
		defer cancel()
		status, h, page, err := w.reply(ctx, q, ask)
		if err != nil {
			return Session{}, err
		}
		if status >= 500 {
			return Session{}, fmt.Errorf("status %d", status)
		}
		s, ok := ask.read(status, h, page)
		if !ok {
			w.manner.refused(id)
			if ask.nonce == "" {
				w.book.forget(k)
				return Session{}, nil
			}
			// The session or only the token has run out: the token is worth
			// nothing any more, and the session is asked about on its own.
			w.book.update(k, func(s *Session) { s.Nonces = [2]uint64{} })
			return Session{}, nil
		}
		s.Key, s.Proved, s.Asked = k, w.now().Unix(), w.now().Unix()
		w.book.forgetUser(s.User, func(o *Session) bool { return s.Login != 0 && o.Login == s.Login && o.Key != k })
		w.book.put(s)
		w.log.Debug().Str("site", q.x.Site.Name).Stringer("rank", s.Rank).Msg("session witnessed by asking")
		return s, nil
	})
	s, _ := v.(Session)
	return s, err
}

func (w *Witness) reply(ctx context.Context, q *reading, ask *question) (int, http.Header, []byte, error) {
	if len(q.x.Site.Upstreams) == 0 {
		return 0, nil, nil, errNowhere
	}
	to := *q.x.Site.Upstreams[0].URL
	to.Opaque, to.RawQuery, _ = strings.Cut(ask.target, "?") // the path as it is spelt
	if strings.HasPrefix(to.Opaque, "//") {
		return 0, nil, nil, errNowhere
	}
	r := (&http.Request{Method: ask.method, URL: &to, Host: q.r.Host, Header: ask.header, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}).WithContext(ctx)
	if ask.body != "" {
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(ask.body)), int64(len(ask.body))
	}
	r.Header.Set("X-Forwarded-Host", q.r.Host)
	r.Header.Set("X-Forwarded-Proto", "http")
	if q.x.TLS || q.x.HTTPS {
		r.Header.Set("X-Forwarded-Proto", "https")
	}
	r.Header.Set("User-Agent", q.r.UserAgent()) // some plugins bind a session to it
	if q.x.Client.IsValid() {
		r.Header.Set("X-Forwarded-For", q.x.Client.String())
		r.Header.Set("X-Real-Ip", q.x.Client.String())
	}
	res, err := w.ask(q.x.Site).RoundTrip(r)
	if err != nil {
		return 0, nil, nil, err
	}
	defer func() { _ = res.Body.Close() }()
	page, err := io.ReadAll(io.LimitReader(res.Body, lookAtReply))
	return res.StatusCode, res.Header, page, err
}

// manners bounds what asking may cost the CMS, whoever makes us ask. It is safe
// for concurrent use.
type manners struct {
	now func() time.Time

	mu      sync.Mutex
	minute  int64
	clients map[netip.Prefix]int
	sites   map[string]*rate.Limiter
	no      map[Key]time.Time // credentials the CMS refused, and until when not to ask
}

const (
	askClient = 30   // questions a minute on behalf of one client (or one /64)
	askSite   = 5    // questions a second to one site, and a burst four times that
	askRecent = 4096 // refused credentials remembered
)

func newManners(now func() time.Time) *manners {
	return &manners{now: now, clients: map[netip.Prefix]int{}, sites: map[string]*rate.Limiter{}, no: map[Key]time.Time{}}
}

func (m *manners) may(site string, client netip.Addr, k Key) bool {
	now := m.now()
	m.mu.Lock()
	defer m.mu.Unlock()
	if until, ok := m.no[k]; ok && now.Before(until) {
		return false
	}
	if minute := now.Unix() / 60; minute != m.minute {
		m.minute = minute
		clear(m.clients)
	}
	who := exchange.Network(client)
	if m.clients[who] >= askClient || len(m.clients) >= 1<<16 {
		return false
	}
	l := m.sites[site]
	if l == nil {
		l = rate.NewLimiter(askSite, 4*askSite)
		m.sites[site] = l
	}
	if !l.AllowN(now, 1) {
		return false
	}
	m.clients[who]++
	return true
}

func (m *manners) refused(k Key) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.no) >= askRecent {
		clear(m.no)
	}
	m.no[k] = m.now().Add(time.Minute)
}
