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

// asSent corrects header lines that were rebuilt from net/http's view: it takes
// Transfer-Encoding out of them, and tells a missing Host from an empty one only
// by the version, HTTP/1.1 without the line being refused.
func asSent(fields []event.Field, r *http.Request) []event.Field {
	noHost := len(fields) > 0 && fields[0].Name == "Host" && fields[0].Value == "" && !r.ProtoAtLeast(1, 1)
	noFraming := len(r.TransferEncoding) > 0 && !slices.ContainsFunc(fields, func(f event.Field) bool {
		return strings.EqualFold(f.Name, "Transfer-Encoding")
	})
	if !noHost && !noFraming {
		return fields
	}
	fields = slices.Clone(fields)
	if noHost {
		fields = fields[1:]
	}
	if noFraming {
		for _, te := range r.TransferEncoding {
			fields = append(fields, event.Field{Name: "Transfer-Encoding", Value: te})
		}
	}
	return fields
}
