package wire

import (
	"bytes"
	"unicode/utf8"
)

const methodBytes = 32

// Which bytes a target may have raw. The grammar of RFC 3986 is narrower than
// what browsers send: the URL standard leaves "|", "{", "}", "[", "]", "^", "`"
// and "\" alone in a query, old browsers and scripts send `"`, "<", ">" and
// bytes above 127. No two servers read those differently, so they pass and the
// rules judge them. A space, "#" and control bytes are read differently (where
// does the target end?) and are sent by no browser; "\" in a path is "/" for
// some servers, and browsers turn it into one. 0x80 to 0x9f are control bytes in
// every charset of one byte that web pages come in but Windows' own, which only
// browsers of twenty years ago sent raw; they pass as parts of a letter in UTF-8.

// requestLine reads the request line. It reports whether reading on makes
// sense: where the line's three parts cannot be told apart, it does not.
func (s *scan) requestLine(line []byte, at int) bool {
	if bytes.IndexByte(line, '\r') >= 0 {
		s.fail(BareCR, line)
		return false
	}
	first, last := bytes.IndexByte(line, ' '), bytes.LastIndexByte(line, ' ')
	if first < 0 {
		s.fail(RequestLine, line)
		return false
	}
	method := line[:first]
	if len(method) == 0 || !all(method, isToken) {
		s.fail(MethodInvalid, method)
		return false
	}
	if len(method) > methodBytes {
		s.fail(MethodTooLong, method)
		return false
	}
	proto := line[last+1:]
	if first == last || !bytes.HasPrefix(proto, []byte("HTTP/")) {
		s.fail(RequestLine, line)
		return false
	}
	s.method, s.proto = [2]int{at, at + first}, [2]int{at + last + 1, at + len(line)}
	s.target = [2]int{at + first + 1, at + last}
	switch string(proto) {
	case "HTTP/1.1":
	case "HTTP/1.0":
		s.old = true
	default:
		if v := proto[5:]; len(v) == 3 && v[1] == '.' && class[v[0]]&class[v[2]]&isDigit != 0 {
			s.fail(HTTPVersion, proto)
		} else {
			s.fail(RequestLine, proto)
		}
	}
	if string(method) == "CONNECT" {
		s.fail(MethodConnect, line[first+1:last])
		return true
	}
	s.readTarget(line[first+1:last], s.target[0], string(method) == "OPTIONS")
	return true
}

func (s *scan) readTarget(target []byte, at int, options bool) {
	if len(target) == 0 {
		s.fail(RequestLine, nil)
		return
	}
	if !all(target, isTarget) && !s.targetText(target) {
		return
	}
	path := target
	switch {
	case target[0] == '/':
	case len(target) == 1 && target[0] == '*' && options:
		return
	default:
		scheme := absolute(target)
		if scheme == 0 {
			s.fail(TargetForm, target)
			return
		}
		rest := target[scheme:]
		n := bytes.IndexAny(rest, "/?\\")
		if n < 0 {
			n = len(rest)
		}
		if !validHost(rest[:n]) {
			s.fail(TargetHost, rest[:n])
			return
		}
		s.absolute, s.authority = true, [2]int{at + scheme, at + scheme + n}
		path = rest[n:]
	}
	s.readPath(path)
}

// absolute returns the length of "http://" or "https://", in any case, at the
// beginning of an absolute target, else 0.
func absolute(target []byte) int {
	for _, scheme := range []string{"http://", "https://"} {
		if len(target) > len(scheme) && fold(target[:len(scheme)], scheme) {
			return len(scheme)
		}
	}
	return 0
}

// readPath looks at a path with its query.
func (s *scan) readPath(path []byte) {
	if q := bytes.IndexByte(path, '?'); q >= 0 {
		path = path[:q]
	}
	if bytes.IndexByte(path, '\\') >= 0 {
		s.fail(TargetBackslash, path)
		return
	}
	for i := bytes.IndexByte(path, '%'); i >= 0; {
		if i+2 >= len(path) || class[path[i+1]]&class[path[i+2]]&isHex == 0 {
			s.fail(TargetPercent, path[i:])
			return
		}
		next := bytes.IndexByte(path[i+3:], '%')
		if next < 0 {
			return
		}
		i += 3 + next
	}
}

// targetText looks at a target with bytes that may not stand alone. It reports
// whether all of them belong to letters in UTF-8.
func (s *scan) targetText(target []byte) bool {
	for i := 0; i < len(target); {
		b := target[i]
		if b < utf8.RuneSelf {
			if class[b]&isTarget == 0 {
				s.targetByte(target[i:])
				return false
			}
			i++
			continue
		}
		r, n := utf8.DecodeRune(target[i:])
		if b < 0xa0 || r >= 0x80 && r < 0xa0 {
			s.targetByte(target[i:])
			return false
		}
		i += n
	}
	return true
}

// targetByte names the byte at which a target goes wrong.
func (s *scan) targetByte(rest []byte) {
	switch rest[0] {
	case ' ':
		s.fail(TargetSpace, rest)
	case '#':
		s.fail(TargetFragment, rest)
	default:
		s.fail(TargetControl, rest)
	}
}
