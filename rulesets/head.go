package rulesets

import (
	"net/http"
	"slices"

	"github.com/qorgan/qorgan/event"
)

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
