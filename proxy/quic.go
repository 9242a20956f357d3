package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"golang.org/x/time/rate"

	"github.com/qorgan/qorgan/config"
)

// HTTP/3. A connection cannot move between processes and is not a net.Conn, so
// that each UDP socket has a server of its own, which outlives its listener
// until its requests have ended.

const (
	quicGreet  = 5 * time.Second  // for a handshake
	quicIdle   = 30 * time.Second // without a packet
	quicStream = 256 << 10        // bytes a client may send ahead on a stream
	quicConn   = 1 << 20          // and on all of a connection

	// From so many new connections a second on a client's address is proved
	// before anything is done for it (a Retry, RFC 9000, section 8.1.2).
	quicUnproved = 100

	errExcessiveLoad quic.ApplicationErrorCode = 0x107 // RFC 9114, section 8.1
)

// quicListener serves HTTP/3 on one UDP address.
type quicListener struct {
	address   address
	socket    net.PacketConn
	transport *quic.Transport
	listener  *quic.Listener
	server    *http3.Server
	serving   sync.WaitGroup
}

// listenQUIC opens the UDP address that belongs to a TLS listener's.
func (s *Server) listenQUIC(a address, port string) (*quicListener, error) {
	socket, err := net.ListenPacket("udp", port)
	if err != nil {
		return nil, listenError(a, err)
	}
	unproved := rate.NewLimiter(quicUnproved, 2*quicUnproved)
	l := &quicListener{address: a, socket: socket, transport: &quic.Transport{
		Conn:                socket,
		VerifySourceAddress: func(net.Addr) bool { return !unproved.Allow() },
	}}
	l.listener, err = l.transport.Listen(&tls.Config{MinVersion: tls.VersionTLS13, GetConfigForClient: s.quicFor}, &quic.Config{
		HandshakeIdleTimeout:           quicGreet,
		MaxIdleTimeout:                 quicIdle,
		MaxIncomingStreams:             h2Streams,
		MaxIncomingUniStreams:          8,
		InitialStreamReceiveWindow:     h2StreamWindow,
		MaxStreamReceiveWindow:         quicStream,
		InitialConnectionReceiveWindow: quicStream,
		MaxConnectionReceiveWindow:     quicConn,
		Allow0RTT:                      false, // what is repeated may be done twice (RFC 8470)
	})
	if err != nil {
		_ = socket.Close()
		return nil, fmt.Errorf("listen on %s: %w", a.hostPort, err)
	}
	l.server = &http3.Server{
		Handler:        s.http.Handler,
		MaxHeaderBytes: s.headBytes,
		IdleTimeout:    idleTime,
		ConnContext:    s.withQUIC,
	}
	return l, nil
}

// changeQUIC opens the UDP addresses that c wants and lets go of those it does
// not. On an error everything is as before. opened are TLS listeners that are
// new; s.changing is held.
func (s *Server) changeQUIC(c *config.Config, opened []*listener, running bool) error {
	wanted := map[string]bool{}
	if c.HTTP3 {
		for _, hostPort := range c.HTTPS {
			wanted[hostPort] = true
		}
	}
	added := map[string]*quicListener{}
	for hostPort := range wanted {
		if s.quic[hostPort] != nil {
			continue
		}
		a := address{hostPort: hostPort, tls: true}
		over := s.listeners[a]
		for _, l := range opened {
			if l.address == a {
				over = l
			}
		}
		l, err := s.listenQUIC(a, over.Addr().String())
		if err != nil {
			for _, l := range added {
				l.close()
			}
			return err
		}
		added[hostPort] = l
	}
	for hostPort, l := range s.quic {
		if !wanted[hostPort] {
			delete(s.quic, hostPort)
			s.leaving.Go(func() {
				ctx, cancel := context.WithTimeout(s.ended, s.patience())
				defer cancel()
				l.stop(ctx)
			})
		}
	}
	for hostPort, l := range added {
		s.quic[hostPort] = l
		if running {
			l.start(s)
		}
	}
	return nil
}

// patience is how long requests under way may take to end.
func (s *Server) patience() time.Duration {
	if d := s.table.Load().conf.Drain; d > 0 {
		return d
	}
	return defaultDrain
}

func (l *quicListener) start(s *Server) {
	l.serving.Go(func() {
		if err := l.server.ServeListener(l.listener); err != nil && !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, quic.ErrServerClosed) {
			s.log.Error().Err(err).Str("listener", l.address.hostPort).Msg("HTTP/3 ended")
		}
	})
}

// stop takes no new connection, lets requests under way end until ctx does, and
// returns when all has ended.
func (l *quicListener) stop(ctx context.Context) {
	_ = l.listener.Close()
	_ = l.server.Shutdown(ctx)
	_ = l.transport.Close()
	_ = l.socket.Close()
	l.serving.Wait()
}

// close lets an address go that was never served.
func (l *quicListener) close() {
	_ = l.listener.Close()
	_ = l.transport.Close()
	_ = l.socket.Close()
}

// withQUIC is the http3.Server's ConnContext: it takes the connection on. One
// that has no room is closed, and its requests find their context ended.
func (s *Server) withQUIC(ctx context.Context, qc *quic.Conn) context.Context {
	k := &conn{quic: true, peer: addrPort(qc.RemoteAddr()), local: addrPort(qc.LocalAddr())}
	peer := k.peer.Addr()
	if s.speaksForMany(peer) {
		peer = netip.Addr{}
	}
	held, ok := s.load.Connect(quicSocket{qc: qc}, peer)
	if ok && !s.load.Streams(held) {
		s.load.Disconnect(held)
		ok = false
	}
	if !ok {
		s.full(fullConnections)
		_ = qc.CloseWithError(errExcessiveLoad, "")
		return ctx
	}
	k.held = held
	context.AfterFunc(qc.Context(), func() { s.load.Disconnect(held) })
	return context.WithValue(ctx, connKey{}, k)
}

// quicSocket lets the capacity close a QUIC connection like any other.
type quicSocket struct {
	net.Conn
	qc *quic.Conn
}

// Close implements io.Closer. It does not wait.
func (q quicSocket) Close() error { return q.qc.CloseWithError(errExcessiveLoad, "") }

// altSvc is what a visitor who came over TLS is told of HTTP/3: the port he
// knows, which may not be ours.
func altSvc(host string) string {
	port := "443"
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		port = host[i+1:]
	}
	return `h3=":` + port + `"; ma=86400`
}
