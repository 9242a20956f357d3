package reader

import "net/http"

// ambiguous returns an Ambiguity answered with 400 Bad Request.
func ambiguous(name, detail string) *Ambiguity {
	return &Ambiguity{Name: name, Detail: detail, Status: http.StatusBadRequest}
}

// tooLarge returns an Ambiguity answered with 413 Content Too Large.
func tooLarge(name, detail string) *Ambiguity {
	return &Ambiguity{Name: name, Detail: detail, Status: http.StatusRequestEntityTooLarge}
}

// unsupported returns an Ambiguity answered with 415 Unsupported Media Type.
func unsupported(name, detail string) *Ambiguity {
	return &Ambiguity{Name: name, Detail: detail, Status: http.StatusUnsupportedMediaType}
}

// tooManyArgs is the refusal of every reader whose parameters outgrow the
// limit. PHP itself drops what exceeds max_input_vars, so a parameter past it
// would be seen by one side only.
func tooManyArgs() *Ambiguity {
	return ambiguous("too-many-parameters", "more parameters than the limit")
}
