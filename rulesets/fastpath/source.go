package fastpath

// source is one place of a request that values come from. A rule's variable
// names one or several of them.
type source uint8

const (
	srcHeader source = iota
	srcHeaderName
	srcCookie
	srcCookieName
	srcGet
	srcGetName
	srcPost
	srcPostName
	srcFile
	srcFileField
	srcFileSize
	srcFileContent
	srcPartHeader
	srcPartName
	srcPartFile
	srcXML
	srcMethod
	srcProtocol
	srcLine
	srcURI
	srcURIRaw
	srcPath
	srcBasename
	srcQuery
	srcBody
	srcBodyLength
	srcArgsSize
	srcFilesSize
	srcProcessor
	srcBodyError
	srcURIError
	srcRemote
	srcHost
	srcStatus
	srcResponseProtocol
	srcResponseHeader
	srcResponseHeaderName
	srcResponseType
	srcResponseBody
	sourceCount
)

// sourcesOf maps a variable of the rules to where its values come from. A
// variable that is missing here is not understood.
var sourcesOf = map[string][]source{
	"REQUEST_HEADERS":        {srcHeader},
	"REQUEST_HEADERS_NAMES":  {srcHeaderName},
	"REQUEST_COOKIES":        {srcCookie},
	"REQUEST_COOKIES_NAMES":  {srcCookieName},
	"ARGS":                   {srcGet, srcPost},
	"ARGS_NAMES":             {srcGetName, srcPostName},
	"ARGS_GET":               {srcGet},
	"ARGS_GET_NAMES":         {srcGetName},
	"ARGS_POST":              {srcPost},
	"ARGS_POST_NAMES":        {srcPostName},
	"FILES":                  {srcFile},
	"FILES_NAMES":            {srcFileField},
	"FILES_SIZES":            {srcFileSize},
	"FILES_TMP_CONTENT":      {srcFileContent},
	"MULTIPART_PART_HEADERS": {srcPartHeader},
	"MULTIPART_NAME":         {srcPartName},
	"MULTIPART_FILENAME":     {srcPartFile},
	"XML":                    {srcXML},
	"REQUEST_XML":            {srcXML},

	"REQUEST_METHOD":      {srcMethod},
	"REQUEST_PROTOCOL":    {srcProtocol},
	"REQUEST_LINE":        {srcLine},
	"REQUEST_URI":         {srcURI},
	"REQUEST_URI_RAW":     {srcURIRaw},
	"REQUEST_FILENAME":    {srcPath},
	"REQUEST_BASENAME":    {srcBasename},
	"QUERY_STRING":        {srcQuery},
	"REQUEST_BODY":        {srcBody},
	"REQUEST_BODY_LENGTH": {srcBodyLength},
	"ARGS_COMBINED_SIZE":  {srcArgsSize},
	"FILES_COMBINED_SIZE": {srcFilesSize},
	"REQBODY_PROCESSOR":   {srcProcessor},
	"URI_PARSE_ERROR":     {srcURIError},
	"REMOTE_ADDR":         {srcRemote},
	"SERVER_NAME":         {srcHost},

	"REQBODY_ERROR":                   {srcBodyError},
	"REQBODY_PROCESSOR_ERROR":         {srcBodyError},
	"MULTIPART_STRICT_ERROR":          {srcBodyError},
	"MULTIPART_DUPLICATE_PART_HEADER": {srcBodyError},
	"MULTIPART_INVALID_QUOTING":       {srcBodyError},
	"URLENCODED_ERROR":                {srcBodyError},
	"ARGUMENTS_LIMIT_REACHED":         {srcBodyError},
	"INBOUND_DATA_ERROR":              {srcBodyError},

	"RESPONSE_STATUS":        {srcStatus},
	"RESPONSE_PROTOCOL":      {srcResponseProtocol},
	"RESPONSE_HEADERS":       {srcResponseHeader},
	"RESPONSE_HEADERS_NAMES": {srcResponseHeaderName},
	"RESPONSE_CONTENT_TYPE":  {srcResponseType},
	"RESPONSE_BODY":          {srcResponseBody},
}

// single are the sources of variables that Coraza keeps as one value, which is
// there, empty, when the request has none.
func (s source) single() bool {
	return s >= srcMethod && s != srcResponseHeader && s != srcResponseHeaderName
}

// late are the sources that are filled after phase 1, from the body.
func (s source) late() bool {
	switch s {
	case srcPost, srcPostName, srcFile, srcFileField, srcFileSize, srcFileContent, srcPartHeader, srcPartName,
		srcPartFile, srcXML, srcBody, srcBodyLength, srcFilesSize, srcArgsSize, srcBodyError, srcProcessor:
		return true
	}
	return false
}

// empty reports whether a single variable is still empty in a phase although
// its source has a value.
func (s source) empty(phase int) bool {
	return phase == 1 && s.single() && s.late() || phase == 3 && s == srcResponseBody
}
