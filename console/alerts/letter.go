package alerts

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/console/store"
)

// Letter is what one channel is told at once.
type Letter struct {
	ID      string // the same when it is tried again
	Time    time.Time
	Subject string
	Text    string // lines of plain text
	Items   []Item
	More    int // news beyond Items
}

// Item is one piece of news.
type Item struct {
	Kind   store.AlertKind `json:"kind"`
	Site   string          `json:"site,omitempty"`
	Object string          `json:"object,omitempty"` // a client, a site, a name, an edge
	Count  int64           `json:"count,omitempty"`
	Over   bool            `json:"over,omitempty"` // it is no longer so
	Text   string          `json:"text"`
	URL    string          `json:"url"`
}

// deliveryTime bounds one delivery.
const deliveryTime = 20 * time.Second

// Post delivers letters. The zero Post delivers to webhooks and syslog only.
type Post struct {
	Mail     config.Mail
	Telegram config.Telegram
	// Inside permits webhooks and syslog at loopback and private addresses. It
	// belongs to whoever owns the network of the console: with tenants on it,
	// an address of theirs must not reach what only the console can.
	Inside bool
}

// Deliver sends l to c, within twenty seconds. An error is of a kind that
// [Cause] names.
func (p Post) Deliver(ctx context.Context, c store.Channel, l Letter) error {
	ctx, cancel := context.WithTimeout(ctx, deliveryTime)
	defer cancel()
	var err error
	switch c.Kind {
	case store.ByMail:
		err = p.mail(ctx, c, l)
	case store.ByTelegram:
		err = p.telegram(ctx, c, l)
	case store.ByWebhook:
		err = p.webhook(ctx, c, l)
	case store.BySyslog:
		err = p.syslog(ctx, c, l)
	default:
		err = fmt.Errorf("unknown kind of channel %q", c.Kind)
	}
	if err != nil {
		return fmt.Errorf("deliver by %s: %w", c.Kind, err)
	}
	return nil
}

var (
	errInside  = errors.New("the address is of a private network")
	errNoMail  = errors.New("no mail server is configured")
	errNoBot   = errors.New("no Telegram bot is configured")
	errRefused = errors.New("refused")
)

// Cause is a stable word for why a delivery failed, for which a page has words:
// inside, unconfigured, refused, unreached.
func Cause(err error) string {
	switch {
	case errors.Is(err, errInside):
		return "inside"
	case errors.Is(err, errNoMail), errors.Is(err, errNoBot):
		return "unconfigured"
	case errors.Is(err, errRefused):
		return "refused"
	}
	return "unreached"
}

// dialer refuses what is not a public address, after the name was resolved: a
// name that means another address the second time gains nothing.
func (p Post) dialer() *net.Dialer {
	d := &net.Dialer{Timeout: deliveryTime}
	if !p.Inside {
		d.Control = func(_, address string, _ syscall.RawConn) error {
			to, err := netip.ParseAddrPort(address)
			if err != nil || !public(to.Addr().Unmap()) {
				return errInside
			}
			return nil
		}
	}
	return d
}

// shared are address blocks that netip has no word for and that are not of the
// public network (RFC 6890): carrier NAT, protocol assignments, benchmarks,
// reserved, and IPv4 inside IPv6.
var shared = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("240.0.0.0/4"), netip.MustParsePrefix("64:ff9b::/96"),
	netip.MustParsePrefix("2002::/16"),
}

func public(a netip.Addr) bool {
	if !a.IsGlobalUnicast() || a.IsPrivate() {
		return false
	}
	for _, block := range shared {
		if block.Contains(a) {
			return false
		}
	}
	return true
}
