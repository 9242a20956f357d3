package reader

import "github.com/qorgan/qorgan/event"

// Arg is one parameter, name and value decoded as PHP decodes them.
type Arg struct{ Name, Value string }

// File is one uploaded file of a multipart body.
type File struct {
	Field string // the form field's name
	Name  string // the file name as the client gave it
	Alt   string // the extended file name ("filename*"), decoded, when there is one beside Name
	Type  string // the part's own Content-Type
	Size  int64
	Head  []byte // the first bytes, for content sniffing
}

// Request is everything the rules can ask about a request.
type Request struct {
	Method string
	Target string // raw request target
	Proto  string
	Fields []event.Field // header lines in order

	Path     string // raw path of Target
	Query    string // raw query of Target, without "?"
	URI      string // Target as Coraza rewrites it (REQUEST_URI)
	Filename string // Path percent-decoded once (REQUEST_FILENAME)
	Clean    string // Filename with slashes merged and dot segments resolved

	// Get holds the parameters of the query in order (ARGS_GET), Cookies the
	// cookies (REQUEST_COOKIES). Behind them come, once more, those whose name
	// PHP changes, under the name that PHP gives them: the last GetAliases and
	// CookieAliases elements.
	Get           []Arg
	GetAliases    int
	Cookies       []Arg
	CookieAliases int

	Type        string   // media type of the body, lower case, without parameters
	Charset     string   // charset parameter of Content-Type, lower case
	Processor   string   // the body reader used: URLENCODED, MULTIPART, JSON, XML; empty for none
	Post        []Arg    // parameters of the body, in order, then those that PHP renames, renamed (ARGS_POST)
	PostAliases int      // how many of Post are such second readings
	Files       []File   // uploaded files
	FileAliases []File   // files whose field's name PHP changes, once more under PHP's
	Parts       []Part   // multipart part headers (MULTIPART_PART_HEADERS)
	Text        []string // text, CDATA, comments and attribute values of an XML body (XML:/*)
	Attrs       []string // attribute values of an XML body (XML://@*)
	Body        []byte   // the raw body where rules may see it (REQUEST_BODY)
	Bytes       int64    // bytes of the body that were read

	limits   Limits
	plan     Plan
	boundary string // multipart delimiter without the leading hyphens
}

// Part is the header lines of one part of a multipart body.
type Part struct {
	Name  string // the part's form field
	Lines []string
}

// Ambiguity says why a request has more than one reading. It is an error.
type Ambiguity struct {
	Name   string // stable name, kebab case: "multipart-epilogue"
	Detail string // what was found, without values
	Status int    // the answer: 400, 413 or 415
}

// Error implements error.
func (a *Ambiguity) Error() string { return a.Name + ": " + a.Detail }
