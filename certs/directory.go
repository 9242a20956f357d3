package certs

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mholt/acmez/v3/acme"
)

// answer is what of an authority's answers the protocol's library does not hand
// on.
type answer struct {
	mu         sync.Mutex
	retryAfter time.Duration // of the last refusal; 0 when it named none
}

type answerKey struct{}

// listener is a transport that notes it. It answers for the directory itself,
// from the one that was had: the library keeps all authorities waiting while it
// fetches one's, and, where it finds advice on renewals offered, holds back
// every new certificate until it has that advice or has failed three times to
// get it, for seven seconds.
type listener struct {
	http.RoundTripper
	authority *authority
}

func (l listener) RoundTrip(r *http.Request) (*http.Response, error) {
	if d := l.authority.directory.Load(); d != nil && r.URL.String() == l.authority.Directory {
		copied := *d
		copied.RenewalInfo = ""
		b, err := json.Marshal(copied)
		if err != nil {
			return nil, err
		}
		return &http.Response{StatusCode: http.StatusOK, ProtoMajor: 1, ProtoMinor: 1, Request: r,
			Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(b))}, nil
	}
	res, err := l.RoundTripper.RoundTrip(r)
	a, ok := r.Context().Value(answerKey{}).(*answer)
	if err != nil || !ok || res.StatusCode < 400 {
		return res, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.retryAfter = retryAfter(res.Header)
	return res, nil
}

// retryAfter reads the header of RFC 9110, section 10.2.3.
func retryAfter(h http.Header) time.Duration {
	v := h.Get("Retry-After")
	if d, err := time.ParseDuration(v + "s"); err == nil && d > 0 {
		return d
	}
	if t, err := http.ParseTime(v); err == nil {
		return max(time.Until(t), 0)
	}
	return 0
}

// look returns the authority's directory, or why it can not be had. It is asked
// for before anything else.
func (a *authority) look(ctx context.Context) (acme.Directory, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if time.Since(a.fetched) < directoryLife {
		return *a.directory.Load(), nil
	}
	if a.missing != nil && time.Since(a.missed) < directoryAgain {
		return acme.Directory{}, a.missing
	}
	d, err := a.fetch(ctx)
	if err != nil {
		a.missed, a.missing = time.Now(), err
		return d, err
	}
	a.directory.Store(&d)
	a.fetched, a.missing = time.Now(), nil
	return d, nil
}

func (a *authority) fetch(ctx context.Context) (acme.Directory, error) {
	ctx, cancel := context.WithTimeout(ctx, directoryTime)
	defer cancel()
	var d acme.Directory
	res, err := a.get(ctx, a.Directory, &d)
	switch {
	case err != nil:
		return d, fmt.Errorf("%w: %w", errUnreachable, err)
	case res.StatusCode != http.StatusOK:
		return d, fmt.Errorf("%w: its directory answers %s", errUnreachable, res.Status)
	case d.NewOrder == "":
		return d, fmt.Errorf("%w: %s is no directory of an ACME authority", errUnreachable, a.Directory)
	}
	return d, nil
}

// get reads a JSON document into v; where there is none v stays as it was.
func (a *authority) get(ctx context.Context, url string, v any) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", userAgent)
	res, err := a.plain.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	_ = json.NewDecoder(io.LimitReader(res.Body, 1<<20)).Decode(v)
	return res, nil
}

// advice is when an authority wants a certificate renewed (RFC 9773).
type advice struct {
	at    time.Time     // zero: it gives none
	again time.Duration // when to ask again; 0: it does not say
	why   string        // address of its explanation, empty without one
}

// advise asks for it, once: the renewal by age does not wait.
func (a *authority) advise(ctx context.Context, leaf *x509.Certificate) (advice, error) {
	d, err := a.look(ctx)
	if err != nil || d.RenewalInfo == "" {
		return advice{}, err
	}
	id, err := acme.ARIUniqueIdentifier(leaf)
	if err != nil {
		return advice{}, err
	}
	var info acme.RenewalInfo
	res, err := a.get(ctx, d.RenewalInfo+"/"+id, &info)
	if err != nil {
		return advice{}, err
	}
	got := advice{again: retryAfter(res.Header), why: info.ExplanationURL}
	window := info.SuggestedWindow.End.Sub(info.SuggestedWindow.Start)
	if res.StatusCode != http.StatusOK || info.SuggestedWindow.Start.IsZero() || window <= 0 {
		return got, fmt.Errorf("no advice on renewal: %s", res.Status)
	}
	got.at = info.SuggestedWindow.Start.Add(rand.N(window))
	return got, nil
}

// forgetDirectory has it asked for again, after an authority failed.
func (a *authority) forgetDirectory() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.fetched = time.Time{}
}

// profile returns the profile to order with.
func (a *authority) profile(d acme.Directory) (string, error) {
	var offered map[string]string
	if d.Meta != nil {
		offered = d.Meta.Profiles
	}
	if a.Profile == "" {
		if _, ok := offered[defaultProfile]; ok {
			return defaultProfile, nil
		}
		return "", nil
	}
	if _, ok := offered[a.Profile]; !ok {
		return "", fmt.Errorf("the authority offers no profile %q, but %s", a.Profile,
			strings.Join(slices.Sorted(maps.Keys(offered)), ", "))
	}
	return a.Profile, nil
}
