package wire

import (
	"math"
	"strings"
)

// judge looks at what can only be said of a whole head: which host it is for,
// where its body ends, and what it asks of this hop.
func (s *scan) judge(h *Head) {
	s.judgeHost(h)
	s.judgeLength(h)
	if s.expect.n > 0 {
		v := h.Fields[s.expect.first].Value
		if s.expect.n > 1 || !fold(v, "100-continue") {
			s.fail(ExpectUnknown, []byte(v))
		}
	}
	if s.connection.n > 0 {
		s.judgeConnection(h)
	}
	if s.trailer.n > 0 {
		s.judgeTrailer(h)
	}
}

func (s *scan) judgeHost(h *Head) {
	switch {
	case s.host.n > 1:
		s.fail(HostRepeated, nil)
	case s.host.n == 0 && !s.old:
		s.fail(HostMissing, nil)
	case s.host.n == 1:
		v := h.Fields[s.host.first].Value
		if !validHost([]byte(v)) {
			s.fail(HostInvalid, []byte(v))
		} else if s.absolute && !strings.EqualFold(v, h.Authority) {
			s.fail(TargetHost, []byte(h.Authority))
		}
	}
}

// judgeLength decides where the body ends (RFC 9112, section 6.3), stricter
// than it: what some server reads as another length is refused.
func (s *scan) judgeLength(h *Head) {
	if s.coding.n > 0 {
		v := h.Fields[s.coding.first].Value
		switch {
		case s.length.n > 0:
			s.fail(LengthCoding, []byte(v))
		case s.old:
			s.fail(CodingOld, []byte(v))
		case s.coding.n > 1:
			s.fail(CodingRepeated, []byte(v))
		case !fold(v, "chunked"):
			s.fail(CodingUnknown, []byte(v))
		}
		h.Length = -1
		return
	}
	if s.length.n == 0 {
		return
	}
	v := h.Fields[s.length.first].Value
	n, ok := decimal(v)
	switch {
	case s.length.n > 1:
		s.fail(LengthRepeated, []byte(v))
	case !ok:
		s.fail(LengthInvalid, []byte(v))
	}
	h.Length = n
}

// Judge holds a head that came over HTTP/2 or 3 to what one of HTTP/1 may say,
// which it becomes on its way to an upstream: a space in method or target would
// make another request line of it. A target is a path there, whatever it names
// (RFC 9113, section 8.3.1). lengths are the values of its Content-Length lines.
// It returns nil for a good one.
func Judge(method, target string, lengths []string) *Refusal {
	var s scan
	switch {
	case method == "" || !all(method, isToken):
		s.fail(MethodInvalid, []byte(method))
	case len(method) > methodBytes:
		s.fail(MethodTooLong, []byte(method))
	default:
		if s.readTarget([]byte(target), 0, method == "OPTIONS"); s.absolute {
			s.fail(TargetForm, []byte(target))
		}
	}
	if len(lengths) > 1 {
		s.fail(LengthRepeated, []byte(lengths[0]))
	} else if len(lengths) == 1 {
		if _, ok := decimal(lengths[0]); !ok {
			s.fail(LengthInvalid, []byte(lengths[0]))
		}
	}
	return s.bad
}

func decimal(s string) (int64, bool) {
	if s == "" || len(s) > 19 || !all(s, isDigit) {
		return 0, false
	}
	var n uint64
	for i := 0; i < len(s); i++ {
		n = n*10 + uint64(s[i]-'0')
	}
	return int64(n), n <= math.MaxInt64
}

// judgeConnection looks for the upgrade option, and for options that take away
// a header which the rules have judged and the upstream would not receive, or
// one that we set. Such an option is refused, not ignored: no client needs it,
// and whoever sends it wants two servers to see two requests.
func (s *scan) judgeConnection(h *Head) {
	for i := range h.Fields {
		if !fold(h.Fields[i].Name, "connection") {
			continue
		}
		for rest := h.Fields[i].Value; rest != ""; {
			var option string
			option, rest, _ = strings.Cut(rest, ",")
			option = trim(option)
			switch {
			case option == "" || fold(option, "close") || fold(option, "keep-alive"):
			case fold(option, "upgrade"):
				h.Upgrade = s.upgrade.n > 0 && !s.old
			case hop(option):
			case reserved(option) || has(h, option):
				s.fail(ConnectionOption, []byte(option))
			}
		}
	}
}

func has(h *Head, name string) bool {
	for i := range h.Fields {
		if len(h.Fields[i].Name) == len(name) && strings.EqualFold(h.Fields[i].Name, name) {
			return true
		}
	}
	return false
}

// judgeTrailer refuses announcements of trailers that may not come.
func (s *scan) judgeTrailer(h *Head) {
	for i := range h.Fields {
		if !fold(h.Fields[i].Name, "trailer") {
			continue
		}
		for rest := h.Fields[i].Value; rest != ""; {
			var name string
			name, rest, _ = strings.Cut(rest, ",")
			if name = trim(name); name != "" && (!Plain(name) || hop(name) || reserved(name)) {
				s.fail(TrailerAnnounced, []byte(name))
			}
		}
	}
}

// hop reports whether a header ends at this hop anyway (RFC 9110, section
// 7.6.1, and what older clients name in Connection).
func hop(name string) bool {
	switch strings.ToLower(name) {
	case "connection", "proxy-connection", "keep-alive", "te", "trailer", "upgrade", "http2-settings",
		"proxy-authenticate", "proxy-authorization":
		return true
	}
	return false
}

// reserved reports whether a header frames, routes, authenticates or describes
// the message, or is one that proxies set. It may neither come as a trailer nor
// be taken away by Connection.
func reserved(name string) bool {
	n := strings.ToLower(name)
	switch n {
	case "transfer-encoding", "host", "expect", "range", "max-forwards", "cache-control", "pragma", "vary", "age", "date",
		"expires", "location", "retry-after", "warning", "authorization", "cookie", "set-cookie", "www-authenticate",
		"origin", "referer", "user-agent", "via", "forwarded", "proxy", "x-real-ip", "x-client-ip", "client-ip",
		"true-client-ip", "x-cluster-client-ip", "x-remote-ip", "x-remote-addr", "x-host", "x-original-host",
		"x-original-url", "x-original-uri", "x-rewrite-url", "x-http-method", "x-http-method-override",
		"x-method-override", "x-requested-with", "x-wp-nonce", "x-request-id", "https", "front-end-https":
		return true
	}
	for _, prefix := range []string{"content-", "accept", "if-", "x-forwarded", "sec-", "cf-", "proxy-"} {
		if strings.HasPrefix(n, prefix) {
			return true
		}
	}
	return false
}
