package rulesets

import (
	"bytes"
	"strings"

	"github.com/qorgan/qorgan/rulesets/reader"
)

// nativeHead and nativeContent let Coraza read parameters, cookies and body
// with its own parsers, as a stock installation does.

func (t *transaction) nativeHead(r *reader.Request) {
	v := t.tx.Variables()
	ct := ""
	for _, h := range r.Fields {
		if strings.EqualFold(h.Name, "Content-Type") {
			ct = strings.ToLower(strings.TrimSpace(h.Value))
			break
		}
	}
	t2, _, _ := strings.Cut(ct, ";")
	t2 = strings.TrimSpace(t2)
	switch {
	case strings.HasPrefix(t2, "application/json"), strings.HasPrefix(t2, "application/") && strings.HasSuffix(t2, "+json"):
		put(v.RequestBodyProcessor(), "JSON")
	case strings.HasSuffix(t2, "/xml"), strings.HasSuffix(t2, "+xml"):
		put(v.RequestBodyProcessor(), "XML")
	}
}

// nativeContent gives Coraza the body. Its parsers stop at what the readers
// refused, and what they do not reach no rule would see: the text is therefore
// also shown as it came, as one parameter. Not a multipart body, whose files are
// no text.
func (t *transaction) nativeContent(r *reader.Request) error {
	v := t.tx.Variables()
	switch v.RequestBodyProcessor().Get() {
	case "JSON", "XML":
		v.ArgsPost().Add(rawBody, string(r.Body))
	}
	_, _, err := t.tx.WriteRequestBody(bytes.TrimPrefix(r.Body, []byte("\xef\xbb\xbf")))
	return err
}

// rawBody is the parameter under which rules see a body as it came.
const rawBody = "body"
