package dns01

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// recordTTL is how long resolvers may keep a record, in seconds.
const recordTTL = 60

// RFC2136 has a name server change its zone (dynamic updates, RFC 2136), over
// TCP.
type RFC2136 struct {
	Server    string // host or host:port
	KeyName   string // of a TSIG key (RFC 8945); empty: updates are not signed
	Key       string // base64
	Algorithm string // hmac-sha256 when empty
}

// Check says what is wrong with the key, if anything.
func (p *RFC2136) Check() error {
	if _, err := base64.StdEncoding.DecodeString(p.Key); err != nil {
		return errors.New("the key is not base64")
	}
	if _, err := p.algorithm(); err != nil {
		return err
	}
	return nil
}

func (p *RFC2136) algorithm() (string, error) {
	if p.Algorithm == "" {
		return dns.HmacSHA256, nil
	}
	name := dns.Fqdn(strings.ToLower(p.Algorithm))
	switch name {
	case dns.HmacSHA1, dns.HmacSHA224, dns.HmacSHA256, dns.HmacSHA384, dns.HmacSHA512:
		return name, nil
	}
	return "", fmt.Errorf("%q is no algorithm of TSIG known here", p.Algorithm)
}

// Present adds a record to those of its name.
func (p *RFC2136) Present(ctx context.Context, r Record) error {
	return p.update(ctx, r, (*dns.Msg).Insert)
}

// CleanUp removes that one record.
func (p *RFC2136) CleanUp(ctx context.Context, r Record) error {
	return p.update(ctx, r, (*dns.Msg).Remove)
}

func (p *RFC2136) update(ctx context.Context, r Record, change func(*dns.Msg, []dns.RR)) error {
	m := new(dns.Msg)
	m.SetUpdate(r.Zone)
	change(m, []dns.RR{&dns.TXT{
		Hdr: dns.RR_Header{Name: r.Name, Rrtype: dns.TypeTXT, Class: dns.ClassINET, Ttl: recordTTL},
		Txt: []string{r.Value},
	}})
	c := dns.Client{Net: "tcp"}
	if p.KeyName != "" {
		algorithm, err := p.algorithm()
		if err != nil {
			return err
		}
		key := dns.Fqdn(strings.ToLower(p.KeyName))
		m.SetTsig(key, algorithm, 300, time.Now().Unix())
		c.TsigSecret = map[string]string{key: p.Key}
	}
	got, _, err := c.ExchangeContext(ctx, m, withPort(p.Server, "53"))
	switch {
	case err != nil && ctx.Err() != nil:
		return fmt.Errorf("no answer of %s: %w", p.Server, ctx.Err())
	case err != nil && got != nil && got.Rcode == dns.RcodeNotAuth: // its answer is not signed when the key is unknown to it
		return fmt.Errorf("%s does not know the key or its secret", p.Server)
	case err != nil:
		return fmt.Errorf("update %s: %w", p.Server, err)
	case got.Rcode == dns.RcodeNotAuth:
		return fmt.Errorf("%s does not know the key or its secret, or is not the server of zone %s", p.Server, strings.TrimSuffix(r.Zone, "."))
	case got.Rcode != dns.RcodeSuccess:
		return fmt.Errorf("%s answers %s to an update of zone %s", p.Server, dns.RcodeToString[got.Rcode], strings.TrimSuffix(r.Zone, "."))
	}
	return nil
}
