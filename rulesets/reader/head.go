package reader

import (
	"strings"

	"github.com/qorgan/qorgan/event"
)

// Limits bounds what reading one request may cost. A zero field means its
// default.
type Limits struct {
	Args    int   // parameters of the query, of the cookies and of the body, each; 1000
	Inspect int64 // bytes of a body that must be held in memory; 4 MiB
}

const (
	defaultArgs    = 1000
	defaultInspect = 4 << 20
)

// Head reads everything that stands in a request's head: target, query,
// cookies, the type of the body. The strings of the result point into the
// arguments. The error is an *[Ambiguity]; the Request is then what was read
// so far.
func Head(method, target, proto string, fields []event.Field, limits Limits) (*Request, error) {
	if limits.Args <= 0 {
		limits.Args = defaultArgs
	}
	if limits.Inspect <= 0 {
		limits.Inspect = defaultInspect
	}
	r := &Request{Method: method, Target: target, Proto: proto, Fields: fields, limits: limits}
	if err := r.readTarget(); err != nil {
		return r, err
	}
	var err error
	if r.Query != "" {
		r.Get = make([]Arg, 0, min(strings.Count(r.Query, "&"), limits.Args)+1)
		if r.Get, err = splitForm(r.Query, r.Get, limits.Args); err != nil {
			return r, err
		}
		r.Get, r.GetAliases = withAliases(r.Get, len(r.Get))
	}
	return r, r.readFields()
}

// readFields reads the header fields on which the meaning of the request
// depends.
func (r *Request) readFields() error {
	var cookie, contentType string
	var cookies, types int
	for _, f := range r.Fields {
		switch len(f.Name) {
		case len("Cookie"):
			if strings.EqualFold(f.Name, "Cookie") {
				if cookies++; cookies == 1 {
					cookie = f.Value
				} else {
					cookie += "; " + f.Value
				}
			}
		case len("Content-Type"):
			if strings.EqualFold(f.Name, "Content-Type") {
				types++
				contentType = f.Value
			}
		case len("Content-Encoding"):
			if strings.EqualFold(f.Name, "Content-Encoding") && f.Value != "" && !strings.EqualFold(f.Value, "identity") {
				return unsupported("content-encoding", "a compressed request body, which PHP does not inflate")
			}
		}
	}
	// HTTP/2 and HTTP/3 allow a cookie header in pieces (RFC 9113, 8.2.3);
	// in HTTP/1 servers join two of them in different ways.
	if cookies > 1 && strings.HasPrefix(r.Proto, "HTTP/1") {
		return ambiguous("cookie-repeated", "more than one Cookie header")
	}
	var err error
	if r.Cookies, r.CookieAliases, err = splitCookies(cookie, r.limits.Args); err != nil {
		return err
	}
	if types > 1 {
		return ambiguous("content-type-repeated", "more than one Content-Type header")
	}
	return r.readContentType(contentType, types == 1)
}
