package wire

import (
	"fmt"
	"net/http"
)

// Refusal says why a request was not let through.
type Refusal struct {
	Name   string // which ambiguity or limit, one of the names below; stable
	Detail string // what was seen, printable, for an operator; may be empty
	Status int    // what to answer
	Head   Head   // as far as it was legible: anything in it may be missing
}

// Error implements error.
func (r *Refusal) Error() string {
	if r.Detail == "" {
		return "request refused: " + r.Name
	}
	return "request refused: " + r.Name + ": " + r.Detail
}

// Protocol tells a room that must not import this package what an error from
// reading a body means for the visitor: errors.As with an interface of this one
// method.
func (r *Refusal) Protocol() (status int, name, detail string) {
	return r.Status, r.Name, r.Detail
}

// The names of refusals. The status is 400 where none is given.
const (
	RequestLine        = "request-line"          // not "method SP target SP version"
	RequestLineTooLong = "request-line-too-long" // 414
	BlankLines         = "blank-lines"           // more than one empty line before a request
	MethodInvalid      = "method-invalid"        // not a token
	MethodTooLong      = "method-too-long"       // over 32 bytes
	MethodConnect      = "method-connect"        // 405
	HTTPVersion        = "http-version"          // neither 1.0 nor 1.1; 505

	TargetSpace     = "target-space"     // a raw space in the target
	TargetControl   = "target-control"   // a raw control byte or DEL
	TargetFragment  = "target-fragment"  // a raw "#"
	TargetBackslash = "target-backslash" // a raw "\" in the path
	TargetPercent   = "target-percent"   // "%" without two hexadecimal digits in the path
	TargetForm      = "target-form"      // not a form that the method may have
	TargetHost      = "target-host"      // an absolute target that does not name the Host

	HeadTooLarge  = "head-too-large"  // 431
	TooManyFields = "too-many-fields" // 431
	BareLF        = "bare-lf"         // a line that does not end in CRLF
	BareCR        = "bare-cr"         // CR without LF
	Folded        = "obs-fold"        // a header line continued on the next

	FieldColon   = "field-no-colon"           // a header line without a colon
	FieldSpace   = "field-space-before-colon" // white space between name and colon
	FieldEmpty   = "field-name-empty"         // no name
	FieldName    = "field-name"               // a name that is not a token
	FieldControl = "field-value-control"      // a control byte in a value
	FieldAlias   = "field-alias"              // "Content_Length", "Transfer.Encoding", "Host_" and their like

	HostMissing  = "host-missing"  // HTTP/1.1 without Host
	HostRepeated = "host-repeated" // two Host lines
	HostInvalid  = "host-invalid"  // user, path, bad port or byte in Host

	LengthRepeated = "content-length-repeated"
	LengthInvalid  = "content-length-invalid" // not one decimal number
	LengthCoding   = "content-length-with-transfer-encoding"
	CodingRepeated = "transfer-encoding-repeated"
	CodingUnknown  = "transfer-encoding-unknown" // anything but "chunked"
	CodingOld      = "transfer-encoding-in-http10"

	ExpectUnknown     = "expect-unknown"     // 417
	ConnectionOption  = "connection-option"  // Connection takes away a header that was judged
	TrailerAnnounced  = "trailer-announced"  // Trailer announces a name that no trailer may have
	ChunkSize         = "chunk-size"         // not hexadecimal digits, or too large a number
	ChunkExtension    = "chunk-extension"    // malformed, over 256 bytes, or too many
	ChunkEnd          = "chunk-end"          // chunk data not followed by CRLF
	TrailerTooLarge   = "trailer-too-large"  // bytes or lines
	TrailerForbidden  = "trailer-forbidden"  // a name that frames, routes, authenticates or is ours
	HeadUnaccountable = "head-unaccountable" // the server asked for a head that was never read; 500
)

// status of the names that are not answered 400.
var statuses = map[string]int{
	RequestLineTooLong: http.StatusRequestURITooLong,
	MethodConnect:      http.StatusMethodNotAllowed,
	HTTPVersion:        http.StatusHTTPVersionNotSupported,
	HeadTooLarge:       http.StatusRequestHeaderFieldsTooLarge,
	TooManyFields:      http.StatusRequestHeaderFieldsTooLarge,
	ExpectUnknown:      http.StatusExpectationFailed,
	HeadUnaccountable:  http.StatusInternalServerError,
}

const detailBytes = 80

// refusal makes a Refusal. What was seen is quoted and clipped.
func refusal(name string, seen []byte) *Refusal {
	r := &Refusal{Name: name, Status: http.StatusBadRequest}
	if s, ok := statuses[name]; ok {
		r.Status = s
	}
	switch {
	case len(seen) > detailBytes:
		r.Detail = fmt.Sprintf("%+q…", seen[:detailBytes])
	case len(seen) > 0:
		r.Detail = fmt.Sprintf("%+q", seen)
	}
	return r
}
