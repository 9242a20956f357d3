package rulesets

import (
	"net/http"
	"slices"
	"strings"

	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/exchange"
	"github.com/qorgan/qorgan/rulesets/reader"
)

// readHead makes the reader's request from the head of an exchange.
func readHead(x *exchange.Exchange, r *http.Request) *reader.Request {
	req := &reader.Request{Method: r.Method, Target: x.Target, Proto: x.Proto, Fields: x.Fields}
	if req.Target == "" {
		req.Target = r.RequestURI
	}
	if req.Proto == "" {
		req.Proto = r.Proto
	}
	if len(req.Fields) == 0 {
		req.Fields = fieldsOf(r)
	}
	req.Path, req.Query, _ = strings.Cut(req.Target, "?")
	return req
}

// fieldsOf lists the header lines of a request whose own order is not known.
func fieldsOf(r *http.Request) []event.Field {
	var out []event.Field
	if r.Host != "" {
		out = append(out, event.Field{Name: "Host", Value: r.Host})
	}
	names := make([]string, 0, len(r.Header))
	for name := range r.Header {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, value := range r.Header[name] {
			out = append(out, event.Field{Name: name, Value: value})
		}
	}
	for _, te := range r.TransferEncoding {
		out = append(out, event.Field{Name: "Transfer-Encoding", Value: te})
	}
	return out
}
