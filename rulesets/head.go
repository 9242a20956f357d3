package rulesets

import (
	"net/http"
	"slices"
	"strings"

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
	return out
}

// withFraming adds the Transfer-Encoding that net/http takes out of the header
// lines, when they lack it.
func withFraming(fields []event.Field, r *http.Request) []event.Field {
	if len(r.TransferEncoding) == 0 {
		return fields
	}
	for _, f := range fields {
		if strings.EqualFold(f.Name, "Transfer-Encoding") {
			return fields
		}
	}
	fields = slices.Clone(fields)
	for _, te := range r.TransferEncoding {
		fields = append(fields, event.Field{Name: "Transfer-Encoding", Value: te})
	}
	return fields
}
