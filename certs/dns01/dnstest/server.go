package dnstest

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// What updates are signed with.
const KeyName, Key = "update.", "c2VjcmV0IG9mIGEgdGVzdCwgMzIgYnl0ZXMgbG9uZyE="

// Server answers on UDP and TCP of one port of 127.0.0.1.
type Server struct {
	Port string

	mu      sync.Mutex
	zones   []string
	records map[string][]dns.RR // by name and type
	updates []string            // what they changed: "+name value", "-name value"
	refuse  bool
}

// Start serves zones on any free port until the test ends. Names without a
// record of their own are 127.0.0.1.
func Start(t *testing.T, zones ...string) *Server {
	t.Helper()
	s := &Server{zones: zones, records: map[string][]dns.RR{}}
	over, at := listen(t)
	s.Port = fmt.Sprint(at.LocalAddr().(*net.UDPAddr).Port)
	for i, server := range []*dns.Server{{PacketConn: at}, {Listener: over}} {
		ready := make(chan struct{})
		server.Handler, server.NotifyStartedFunc = s, func() { close(ready) }
		server.TsigSecret = map[string]string{KeyName: Key}
		server.MsgAcceptFunc = func(dns.Header) dns.MsgAcceptAction { return dns.MsgAccept }
		ended := make(chan struct{})
		go func() { defer close(ended); _ = server.ActivateAndServe() }()
		<-ready
		t.Cleanup(func() {
			if err := server.Shutdown(); err != nil {
				t.Errorf("server %d: %v", i, err)
			}
			<-ended
		})
	}
	return s
}

// listen opens a port that is free for both.
func listen(t *testing.T) (net.Listener, *net.UDPConn) {
	t.Helper()
	for range 20 {
		over, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		at, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: over.Addr().(*net.TCPAddr).Port})
		if err == nil {
			return over, at
		}
		over.Close()
	}
	t.Fatal("no port is free for UDP and TCP")
	return nil, nil
}

// Address is where it is asked.
func (s *Server) Address() string { return net.JoinHostPort("127.0.0.1", s.Port) }

// Add takes a record in the form of a zone file.
func (s *Server) Add(t *testing.T, record string) {
	t.Helper()
	rr, err := dns.NewRR(record)
	if err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.add(rr)
}

// Refuse has updates refused, or taken again.
func (s *Server) Refuse(is bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse = is
}

// SetTXT replaces the values of a name.
func (s *Server) SetTXT(name string, values ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.records, key(name, dns.TypeTXT))
	for _, v := range values {
		s.add(txt(name, v))
	}
}

// AddTXT and RemoveTXT change one value of a name.
func (s *Server) AddTXT(name, value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.add(txt(name, value))
}

// RemoveTXT is AddTXT's opposite.
func (s *Server) RemoveTXT(name, value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remove(txt(name, value))
}

func txt(name, value string) *dns.TXT {
	return &dns.TXT{Hdr: dns.RR_Header{Name: dns.Fqdn(name), Rrtype: dns.TypeTXT, Class: dns.ClassINET, Ttl: 60}, Txt: []string{value}}
}

// TXT returns the values that a name has now.
func (s *Server) TXT(name string) (values []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, rr := range s.records[key(name, dns.TypeTXT)] {
		values = append(values, strings.Join(rr.(*dns.TXT).Txt, ""))
	}
	return values
}

// Changes returns what was added and removed so far, in its order: "+" or "-",
// name and value.
func (s *Server) Changes() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.updates)
}

func key(name string, kind uint16) string {
	return strings.ToLower(dns.Fqdn(name)) + dns.TypeToString[kind]
}

func (s *Server) add(rr dns.RR) {
	k := key(rr.Header().Name, rr.Header().Rrtype)
	if !slices.ContainsFunc(s.records[k], func(have dns.RR) bool { return dns.IsDuplicate(have, rr) }) {
		s.records[k] = append(s.records[k], rr)
	}
	s.note("+", rr)
}

func (s *Server) remove(rr dns.RR) {
	k := key(rr.Header().Name, rr.Header().Rrtype)
	s.records[k] = slices.DeleteFunc(s.records[k], func(have dns.RR) bool { return dns.IsDuplicate(have, rr) })
	s.note("-", rr)
}

func (s *Server) note(what string, rr dns.RR) {
	if t, ok := rr.(*dns.TXT); ok {
		s.updates = append(s.updates, what+t.Hdr.Name+" "+strings.Join(t.Txt, ""))
	}
}

// ServeDNS answers one message.
func (s *Server) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	a := new(dns.Msg)
	a.SetReply(q)
	s.mu.Lock()
	switch {
	case q.Opcode == dns.OpcodeUpdate:
		s.change(w, q, a)
	case len(q.Question) == 1:
		s.answer(q.Question[0], a)
	}
	s.mu.Unlock()
	_ = w.WriteMsg(a)
}

func (s *Server) change(w dns.ResponseWriter, q, a *dns.Msg) {
	sig := q.IsTsig()
	switch {
	case sig == nil, w.TsigStatus() != nil:
		a.Rcode = dns.RcodeNotAuth
		return
	case s.refuse, !slices.Contains(s.zones, q.Question[0].Name):
		a.Rcode = dns.RcodeRefused
	default:
		for _, rr := range q.Ns {
			if rr.Header().Class == dns.ClassNONE {
				rr.Header().Class = dns.ClassINET
				rr.Header().Ttl = 60
				s.remove(rr)
			} else {
				s.add(rr)
			}
		}
	}
	a.SetTsig(sig.Hdr.Name, sig.Algorithm, 300, time.Now().Unix())
}

// answer follows aliases as a resolver does.
func (s *Server) answer(q dns.Question, a *dns.Msg) {
	a.Authoritative, a.RecursionAvailable = true, true
	name := strings.ToLower(q.Name)
	for range 20 {
		if alias := s.records[key(name, dns.TypeCNAME)]; len(alias) > 0 {
			a.Answer = append(a.Answer, alias...)
			if q.Qtype == dns.TypeCNAME {
				return
			}
			name = strings.ToLower(alias[0].(*dns.CNAME).Target)
			continue
		}
		break
	}
	got := s.records[key(name, q.Qtype)]
	head := dns.RR_Header{Name: name, Rrtype: q.Qtype, Class: dns.ClassINET, Ttl: 60}
	zone := slices.Contains(s.zones, name)
	switch {
	case len(got) > 0:
	case q.Qtype == dns.TypeSOA && zone:
		got = []dns.RR{&dns.SOA{Hdr: head, Ns: "ns." + name, Mbox: "owner." + name, Serial: 1, Refresh: 60, Retry: 60, Expire: 60, Minttl: 60}}
	case q.Qtype == dns.TypeNS && zone:
		got = []dns.RR{&dns.NS{Hdr: head, Ns: "ns." + name}}
	case q.Qtype == dns.TypeA && !strings.HasPrefix(name, "_"):
		got = []dns.RR{&dns.A{Hdr: head, A: net.IPv4(127, 0, 0, 1)}}
	case len(a.Answer) == 0 && strings.HasPrefix(name, "_"):
		a.Rcode = dns.RcodeNameError
	}
	a.Answer = append(a.Answer, got...)
}
