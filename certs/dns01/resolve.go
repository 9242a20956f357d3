package dns01

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
)

const (
	// queryTime bounds one question to one server.
	queryTime = 5 * time.Second
	// maxAliases bounds a chain of CNAME records; resolvers give up about there.
	maxAliases = 10
	// bufferSize is what fits into one packet on all usual networks (DNS flag
	// day 2020).
	bufferSize = 1232
)

// resolver asks the DNS what stands where.
type resolver struct {
	servers []string // host:port, asked in turn until one answers
	port    string   // of name servers
}

// newResolver takes servers with or without a port; none are the system's.
func newResolver(servers []string, port string) (*resolver, error) {
	if len(servers) == 0 {
		system, err := dns.ClientConfigFromFile("/etc/resolv.conf")
		if err != nil || len(system.Servers) == 0 {
			return nil, errors.New("the system names no resolver")
		}
		servers = system.Servers
	}
	r := &resolver{port: port}
	if r.port == "" {
		r.port = "53"
	}
	for _, s := range servers {
		r.servers = append(r.servers, withPort(s, "53"))
	}
	return r, nil
}

// withPort adds a port to an address that has none.
func withPort(address, port string) string {
	if _, _, err := net.SplitHostPort(address); err == nil {
		return address
	}
	return net.JoinHostPort(strings.Trim(address, "[]"), port)
}

// ask puts a question to servers in turn, until one answers it with data or
// with the word that there is none.
func (r *resolver) ask(ctx context.Context, name string, kind uint16, servers []string, recursive bool) (*dns.Msg, error) {
	q := new(dns.Msg)
	q.SetQuestion(name, kind)
	q.SetEdns0(bufferSize, false)
	q.RecursionDesired = recursive
	var errs []error
	for _, server := range servers {
		got, err := exchange(ctx, q, server)
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("%s: %w", server, err))
		case got.Rcode != dns.RcodeSuccess && got.Rcode != dns.RcodeNameError:
			errs = append(errs, fmt.Errorf("%s answers %s", server, dns.RcodeToString[got.Rcode]))
		default:
			return got, nil
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, fmt.Errorf("look up %s %s: %w", strings.TrimSuffix(name, "."), dns.TypeToString[kind], errors.Join(errs...))
}

// exchange asks over UDP, and over TCP what does not fit or is not answered.
func exchange(ctx context.Context, q *dns.Msg, server string) (*dns.Msg, error) {
	got, err := exchangeOver(ctx, "udp", q, server)
	if err == nil && !got.Truncated || ctx.Err() != nil {
		return got, err
	}
	over, terr := exchangeOver(ctx, "tcp", q, server)
	if terr != nil {
		if err == nil {
			err = terr
		}
		return nil, err
	}
	return over, nil
}

func exchangeOver(ctx context.Context, network string, q *dns.Msg, server string) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTime)
	defer cancel()
	c := dns.Client{Net: network, Timeout: queryTime}
	got, _, err := c.ExchangeContext(ctx, q, server)
	return got, err
}

// follow returns where name leads through aliases: itself where it is none.
func (r *resolver) follow(ctx context.Context, name string) (string, error) {
	seen := []string{name}
	for {
		got, err := r.ask(ctx, name, dns.TypeCNAME, r.servers, true)
		if err != nil {
			return "", err
		}
		next := ""
		for _, rr := range got.Answer {
			if alias, ok := rr.(*dns.CNAME); ok && strings.EqualFold(alias.Hdr.Name, name) {
				next = strings.ToLower(alias.Target)
			}
		}
		switch {
		case next == "":
			return name, nil
		case slices.Contains(seen, next), len(seen) > maxAliases:
			return "", fmt.Errorf("aliases of %s go round in a circle or on for ever", strings.TrimSuffix(seen[0], "."))
		}
		name = next
		seen = append(seen, name)
	}
}

// zone returns the zone that name lies in.
func (r *resolver) zone(ctx context.Context, name string) (string, error) {
	for _, i := range dns.Split(name) {
		above := name[i:]
		got, err := r.ask(ctx, above, dns.TypeSOA, r.servers, true)
		if err != nil {
			return "", err
		}
		for _, rr := range got.Answer {
			if soa, ok := rr.(*dns.SOA); ok && strings.EqualFold(soa.Hdr.Name, above) {
				return strings.ToLower(above), nil
			}
		}
	}
	return "", fmt.Errorf("no zone holds %s", strings.TrimSuffix(name, "."))
}

// authoritative returns the addresses of a zone's name servers, each server's in
// a list of their own.
func (r *resolver) authoritative(ctx context.Context, zone string) ([][]string, error) {
	got, err := r.ask(ctx, zone, dns.TypeNS, r.servers, true)
	if err != nil {
		return nil, err
	}
	var servers [][]string
	var errs []error
	for _, rr := range got.Answer {
		ns, ok := rr.(*dns.NS)
		if !ok {
			continue
		}
		addresses, err := r.addresses(ctx, ns.Ns)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		servers = append(servers, addresses)
	}
	if len(servers) == 0 {
		return nil, errors.Join(append(errs, fmt.Errorf("no name server of %s can be found", strings.TrimSuffix(zone, ".")))...)
	}
	return servers, nil
}

// addresses returns where a name server can be asked, IPv4 first.
func (r *resolver) addresses(ctx context.Context, host string) ([]string, error) {
	var found []string
	var errs []error
	for _, kind := range []uint16{dns.TypeA, dns.TypeAAAA} {
		got, err := r.ask(ctx, host, kind, r.servers, true)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		for _, rr := range got.Answer {
			switch a := rr.(type) {
			case *dns.A:
				found = append(found, net.JoinHostPort(a.A.String(), r.port))
			case *dns.AAAA:
				found = append(found, net.JoinHostPort(a.AAAA.String(), r.port))
			}
		}
	}
	if len(found) == 0 {
		return nil, errors.Join(append(errs, fmt.Errorf("name server %s has no address", strings.TrimSuffix(host, ".")))...)
	}
	return found, nil
}
