package alerts

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/qorgan/qorgan/console/store"
)

// Severities and the facility of syslog (RFC 5424, 6.2.1).
const (
	facilityAudit  = 13 // log audit
	severityAlert  = 4  // warning: somebody should look
	severityNotice = 5  // it is over
)

// ParseSyslog reads tcp://HOST:PORT, tls://HOST:PORT or udp://HOST:PORT.
func ParseSyslog(address string) (network, host string, err error) {
	u, err := url.Parse(address)
	if err != nil || u.Port() == "" || u.Hostname() == "" || u.Path != "" && u.Path != "/" || u.User != nil {
		return "", "", fmt.Errorf("%q is not tcp://HOST:PORT, tls://HOST:PORT or udp://HOST:PORT", address)
	}
	switch u.Scheme {
	case "tcp", "tls", "udp":
		return u.Scheme, u.Host, nil
	}
	return "", "", fmt.Errorf("%q is not tcp://HOST:PORT, tls://HOST:PORT or udp://HOST:PORT", address)
}

// syslog sends one message an item. Over a stream each has its length before
// it (RFC 6587, 3.4.1; RFC 5425).
func (p Post) syslog(ctx context.Context, c store.Channel, l Letter) (err error) {
	network, host, err := ParseSyslog(c.Address)
	if err != nil {
		return err
	}
	dialer := p.dialer()
	var conn net.Conn
	switch network {
	case "tls":
		conn, err = (&tls.Dialer{NetDialer: dialer}).DialContext(ctx, "tcp", host)
	default:
		conn, err = dialer.DialContext(ctx, network, host)
	}
	if err != nil {
		return err
	}
	defer func() {
		if end := conn.Close(); err == nil {
			err = end
		}
	}()
	if end, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(end); err != nil {
			return err
		}
	}
	for _, item := range l.Items {
		message := syslogMessage(l, item)
		if network != "udp" {
			message = strconv.Itoa(len(message)) + " " + message
		}
		if _, err := conn.Write([]byte(message)); err != nil {
			return err
		}
	}
	return nil
}

// syslogMessage writes one message. 32473 is the number that RFC 5612 gives to
// examples and to those who have none of their own.
func syslogMessage(l Letter, item Item) string {
	severity := severityAlert
	if item.Over {
		severity = severityNotice
	}
	machine, err := os.Hostname()
	if err != nil || machine == "" {
		machine = "-"
	}
	escape := strings.NewReplacer(`\`, `\\`, `"`, `\"`, `]`, `\]`, "\n", " ")
	return fmt.Sprintf("<%d>1 %s %s qorgan %d %s [alert@32473 id=\"%s\" site=\"%s\" object=\"%s\" count=\"%d\" over=\"%t\"] \ufeff%s",
		facilityAudit*8+severity, l.Time.UTC().Format(time.RFC3339Nano), machine, os.Getpid(), item.Kind,
		escape.Replace(l.ID), escape.Replace(item.Site), escape.Replace(item.Object), item.Count, item.Over,
		strings.ReplaceAll(item.Text, "\n", " "))
}
