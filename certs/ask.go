package certs

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"time"
)

const (
	askTime  = 5 * time.Second
	yesFor   = 10 * time.Minute
	noFor    = time.Minute
	brokeFor = 10 * time.Second
	// askedAtOnce and askedByNetwork bound the questions under way, of all
	// visitors and of one network's: somebody who invents names does not hold up
	// the others.
	askedAtOnce, askedByNetwork = 64, 4
)

// asker asks a hoster's address whether a name deserves a certificate.
type asker struct {
	address *url.URL
	client  *http.Client
	now     func() time.Time
	known   *bounded[error]

	mu    sync.Mutex
	asked map[string]int // questions under way, by network and in all ("")
}

func newAsker(address *url.URL, now func() time.Time) *asker {
	return &asker{
		address: address, now: now, known: newBounded[error](maxKnown, now), asked: map[string]int{},
		client: &http.Client{
			Timeout:       askTime,
			Transport:     &http.Transport{Proxy: nil, MaxIdleConnsPerHost: 8, IdleConnTimeout: time.Minute},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// ask returns nil for a yes. A yes is believed for ten minutes, a no for one,
// and an address that gave neither is asked again after ten seconds.
func (a *asker) ask(ctx context.Context, name string, client netip.Addr) error {
	if err, known := a.known.get(name); known {
		return err
	}
	from := network(client)
	if !a.enter(from) {
		return fmt.Errorf("%w: too many questions at once", errNoAnswer)
	}
	defer a.leave(from)
	life, err := a.question(ctx, name, client)
	if ctx.Err() == nil {
		a.known.put(name, err, a.now().Add(life))
	}
	return err
}

func (a *asker) question(ctx context.Context, name string, client netip.Addr) (time.Duration, error) {
	u := *a.address
	q := u.Query()
	q.Set("domain", name)
	if client.IsValid() {
		q.Set("client", client.String())
	}
	u.RawQuery = q.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return brokeFor, fmt.Errorf("%w: %w", errNoAnswer, err)
	}
	res, err := a.client.Do(req)
	if err != nil {
		return brokeFor, fmt.Errorf("%w: %w", errNoAnswer, err)
	}
	res.Body.Close()
	switch {
	case res.StatusCode == http.StatusOK:
		return yesFor, nil
	case res.StatusCode >= 400 && res.StatusCode < 500 && res.StatusCode != http.StatusTooManyRequests:
		return noFor, fmt.Errorf("%w (%d)", errDenied, res.StatusCode)
	}
	return brokeFor, fmt.Errorf("%w: it says %s", errNoAnswer, res.Status)
}

func (a *asker) enter(network string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.asked[""] >= askedAtOnce || network != "" && a.asked[network] >= askedByNetwork {
		return false
	}
	a.asked[""]++
	if network != "" {
		a.asked[network]++
	}
	return true
}

func (a *asker) leave(network string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked[""]--
	if network == "" {
		return
	}
	if a.asked[network]--; a.asked[network] == 0 {
		delete(a.asked, network)
	}
}

// lookup asks the system's resolver.
func lookup(ctx context.Context, name string) ([]netip.Addr, error) {
	return net.DefaultResolver.LookupNetIP(ctx, "ip", name+".")
}
