package explain

import "strings"

// family is a range of rules of the Core Rule Set, by the first three digits
// of their ids, and what they look for in plain words.
var families = map[int]string{
	200: "the body could not be read as its Content-Type promised",
	911: "the method is not one that this site takes",
	913: "the client names itself as an attack tool",
	920: "the request breaks the rules of HTTP, or does what browsers do not",
	921: "the request tries to smuggle a second request or a header",
	922: "the upload form is built to be read in two ways",
	930: "the text names a file of the system, or climbs out of the site's folder",
	931: "the text asks the site to load a file from elsewhere",
	932: "the text is a command for the server's shell",
	933: "the text is PHP code, or calls functions that attackers call",
	934: "the text is code for the server (JavaScript, templates, other languages)",
	941: "the text is script or markup that would run in a visitor's browser",
	942: "the text is SQL, or looks like a piece of it",
	943: "the request tries to choose the visitor's session for him",
	944: "the text attacks Java software",
	949: "the points of all matches add up to the site's threshold",
	950: "the response gives away a listing or an error of the server",
	951: "the response shows an error of the database",
	952: "the response shows Java source or errors",
	953: "the response shows PHP source or errors",
	954: "the response shows an error of IIS",
	955: "the response is the page of a web shell",
	956: "the response shows an error of Ruby",
	959: "the points of the response add up to the site's threshold",
	980: "a summary of the points",
}

// rules that are often met and say more than their family.
var known = map[int]string{
	920170: "a GET or HEAD request carries a body",
	920180: "a POST request says neither how long its body is nor that it comes in chunks",
	920270: "there is a null character in the text",
	920272: "there are characters outside printable ASCII",
	920273: "there are characters outside a very small set",
	920280: "the Host header is missing",
	920320: "the client does not say what it is (User-Agent is missing)",
	920350: "the site is asked for by its IP address, not its name",
	920420: "the Content-Type of the body is not one that this site takes",
	920440: "the address ends like a file that no visitor should ask for",
	920450: "there is a header that ordinary clients do not send",
	930120: "the text names a file of the operating system",
	930130: "the text names a file that holds the site's secrets",
	932370: "the text is a Windows command",
	941100: "the text is script that a browser would run",
	941160: "the text is markup with script inside",
	942100: "the text is SQL that changes what a query means",
}

// Words says in plain words what a rule looks for. Rules that are not the Core
// Rule Set's get their own message.
func Words(rule int, message string) string {
	if w, ok := known[rule]; ok {
		return w
	}
	if w, ok := families[rule/1000]; ok && rule >= 100000 {
		return w
	}
	return message
}

// ambiguities say in plain words why a request has two readings, by the
// beginning of the reason's name.
var ambiguities = []struct{ prefix, words string }{
	{"multipart", "the upload form can be read in two ways, one of which hides something"},
	{"content-encoding", "the body is compressed, which the site does not unpack"},
	{"content-type", "the header that says what the body is can be read in two ways"},
	{"charset", "the text is in an encoding that the site would read otherwise"},
	{"cookie", "the cookies can be read in two ways"},
	{"json", "the JSON body can be read in two ways"},
	{"xml", "the XML body has parts that parsers treat differently"},
	{"target", "the address can be read in two ways"},
	{"too-many", "there are more parameters than the site takes"},
	{"body-too-large", "the body is larger than what can be looked through"},
}

// AmbiguityWords says in plain words what a reason means.
func AmbiguityWords(reason string) string {
	for _, a := range ambiguities {
		if strings.HasPrefix(reason, a.prefix) {
			return a.words
		}
	}
	return "the request can be read in two ways"
}

// place says where a match was found.
func place(variable, key string) string {
	switch variable {
	case "ARGS", "ARGS_GET", "ARGS_POST":
		return "parameter " + quote(key)
	case "ARGS_NAMES", "ARGS_GET_NAMES", "ARGS_POST_NAMES":
		return "the name of parameter " + quote(key)
	case "REQUEST_COOKIES":
		return "cookie " + quote(key)
	case "REQUEST_COOKIES_NAMES":
		return "the name of cookie " + quote(key)
	case "REQUEST_HEADERS":
		return "header " + key
	case "REQUEST_HEADERS_NAMES":
		return "the name of header " + key
	case "REQUEST_URI", "REQUEST_URI_RAW":
		return "the address"
	case "REQUEST_FILENAME", "REQUEST_BASENAME":
		return "the path"
	case "QUERY_STRING":
		return "the query"
	case "REQUEST_LINE":
		return "the request line"
	case "REQUEST_METHOD":
		return "the method"
	case "REQUEST_PROTOCOL":
		return "the protocol version"
	case "REQUEST_BODY":
		return "the body"
	case "FILES", "MULTIPART_FILENAME":
		return "the name of an uploaded file"
	case "MULTIPART_PART_HEADERS":
		return "a part of the upload form"
	case "XML":
		return "the XML body"
	case "MATCHED_VARS", "MATCHED_VAR":
		return "what was matched before"
	case "TX":
		return "what the rules noted (" + key + ")"
	case "":
		return "the request as a whole"
	}
	if key != "" {
		return variable + ":" + key
	}
	return variable
}

func quote(s string) string { return "\"" + s + "\"" }
