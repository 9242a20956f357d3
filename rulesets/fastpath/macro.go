package fastpath

import (
	"errors"
	"strings"
)

// macro is a text with %{…} in it, cut at the macros.
type macro []macroPart

type macroPart struct {
	text     string // as it stands; for a macro what it expands to when the variable is missing
	variable string // upper case; empty for plain text
	key      string // lower case
}

func parseMacro(s string) (macro, error) {
	var m macro
	for s != "" {
		i := strings.Index(s, "%{")
		if i < 0 {
			return append(m, macroPart{text: s}), nil
		}
		if i > 0 {
			m = append(m, macroPart{text: s[:i]})
		}
		end := strings.IndexByte(s[i:], '}')
		if end < 0 {
			return nil, errors.New("find the end of the macro")
		}
		inner := s[i+2 : i+end]
		name, key, _ := strings.Cut(inner, ".")
		m = append(m, macroPart{text: inner, variable: strings.ToUpper(name), key: strings.ToLower(key)})
		s = s[i+end+1:]
	}
	return m, nil
}

// fold replaces the macros whose value is known before any request.
func (m macro) fold(consts txState) macro {
	var out macro
	for _, p := range m {
		if p.variable == "TX" {
			switch v := consts.get(p.key); v.kind {
			case txConst:
				p = macroPart{text: v.s}
			case txAbsent:
				if !consts.chain[p.key] {
					p = macroPart{text: p.text}
				}
			}
		}
		if n := len(out); n > 0 && p.variable == "" && out[n-1].variable == "" {
			out[n-1].text += p.text
			continue
		}
		out = append(out, p)
	}
	return out
}

// constant returns the text of a macro without variables.
func (m macro) constant() (string, bool) {
	switch {
	case len(m) == 0:
		return "", true
	case len(m) == 1 && m[0].variable == "":
		return m[0].text, true
	}
	return "", false
}

// prefix is the plain text a macro starts with.
func (m macro) prefix() string {
	if len(m) > 0 && m[0].variable == "" {
		return m[0].text
	}
	return ""
}

// expansion is what macros of a chain can refer to: what the chain itself has
// set so far and the request.
type expansion struct {
	j       *judgement
	tx      []kv     // later ones win
	lost    []string // keys set to something that is not known
	matched *match
}

type kv struct{ key, value string }

func (x *expansion) get(key string) (string, bool) {
	for i := len(x.tx) - 1; i >= 0; i-- {
		if x.tx[i].key == key {
			return x.tx[i].value, true
		}
	}
	return "", false
}

// expand returns the text of a macro, and false when it is not known.
func (m macro) expand(x *expansion) (string, bool) {
	if s, ok := m.constant(); ok {
		return s, true
	}
	if x == nil {
		return "", false
	}
	var b strings.Builder
	for _, p := range m {
		switch p.variable {
		case "":
			b.WriteString(p.text)
		case "TX":
			v, ok := x.get(p.key)
			if !ok {
				return "", false
			}
			b.WriteString(v)
		case "MATCHED_VAR":
			if x.matched == nil {
				return "", false
			}
			b.WriteString(x.matched.value)
		case "MATCHED_VAR_NAME":
			if x.matched == nil {
				return "", false
			}
			b.WriteString(x.matched.name())
		case "REQUEST_HEADERS":
			if x.j == nil {
				return "", false
			}
			v, ok := x.j.header(p.key)
			if !ok {
				v = p.text
			}
			b.WriteString(v)
		default:
			return "", false
		}
	}
	return b.String(), true
}
