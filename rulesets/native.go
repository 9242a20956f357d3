package rulesets

import (
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

func (t *transaction) nativeContent(r *reader.Request) error {
	_, _, err := t.tx.WriteRequestBody(r.Body)
	return err
}
