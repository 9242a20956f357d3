package console

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/qorgan/qorgan/event"
)

// exportECS writes the selected events as documents of the Elastic Common
// Schema (8.11), one a line: field sets event, source, url, http, user_agent,
// rule, observer, vulnerability and related, with what has no place there under
// "qorgan".
func (s *Server) exportECS(w http.ResponseWriter, r *http.Request, v *visit) error {
	return s.export(w, r, v, "ecs.jsonl", "application/x-ndjson; charset=utf-8", func(out io.Writer, e event.Event) error {
		return json.NewEncoder(event.ControlEscaper{Writer: out}).Encode(ecs(e))
	})
}

// object is a JSON object without its empty members.
type object map[string]any

// set adds a member, unless its value says nothing.
func (o object) set(name string, value any) {
	switch v := value.(type) {
	case string:
		if v == "" {
			return
		}
	case int:
		if v == 0 {
			return
		}
	case int64:
		if v == 0 {
			return
		}
	case []string:
		if len(v) == 0 {
			return
		}
	case object:
		if len(v) == 0 {
			return
		}
	}
	o[name] = value
}

func ecs(e event.Event) object {
	kind, outcome := []string{"denied"}, "success" // the action was to refuse, and it succeeded
	if e.Action == event.Detected {
		kind, outcome = []string{"allowed"}, "unknown"
	}
	client := address(e)
	ids, names := rulesOf(e)
	path, query, _ := strings.Cut(e.Request.Target, "?")
	doc := object{
		"@timestamp": e.Time.UTC().Format(time.RFC3339Nano),
		"ecs":        object{"version": "8.11.0"},
		"message":    english(e),
		"observer":   object{"vendor": "Qorgan", "product": "Qorgan", "type": "waf"},
	}
	about := object{"id": e.ID, "kind": "alert", "category": []string{"intrusion_detection", "web"}, "type": kind, "outcome": outcome, "action": string(e.Action), "module": "qorgan", "dataset": "qorgan.incident"}
	about.set("reason", e.Reason)
	about.set("risk_score", e.Score)
	doc["event"] = about
	if client != "" {
		doc["source"], doc["related"] = object{"ip": client, "address": client}, object{"ip": []string{client}}
	}
	at := object{}
	at.set("original", e.Request.Target)
	at.set("domain", e.Request.Host)
	at.set("path", path)
	at.set("query", query)
	doc.set("url", at)
	request := object{}
	request.set("method", e.Request.Method)
	request.set("body", sized(e.Request.Bytes))
	answer := object{}
	answer.set("status_code", e.Status)
	exchanged := object{}
	exchanged.set("request", request)
	exchanged.set("response", answer)
	exchanged.set("version", strings.TrimPrefix(e.Request.Proto, "HTTP/"))
	doc.set("http", exchanged)
	agent := object{}
	agent.set("original", header1(e, "User-Agent"))
	doc.set("user_agent", agent)
	rule := object{}
	rule.set("id", ids)
	rule.set("name", names)
	rule.set("category", string(e.Class()))
	doc.set("rule", rule)
	if h := holeOf(e); h != nil {
		doc["vulnerability"] = object{"id": h.CVE, "enumeration": "CVE"}
	}
	own := object{"code": e.Code, "site": e.Site, "kind": string(e.Kind), "class": string(e.Class()), "level": e.Level, "threshold": e.Threshold}
	own.set("profile", e.Profile)
	own.set("author", e.Author)
	doc["qorgan"] = own
	return doc
}

func sized(n int64) object {
	if n == 0 {
		return nil
	}
	return object{"bytes": n}
}

// address is the client's, as text.
func address(e event.Event) string {
	if !e.Client.Addr.IsValid() {
		return ""
	}
	return e.Client.Addr.String()
}

// rulesOf lists the rules that matched, ids and messages side by side.
func rulesOf(e event.Event) (ids, names []string) {
	seen := map[int]bool{}
	for _, m := range e.Matches {
		if !seen[m.Rule] && !verdictRule(m.Rule) {
			seen[m.Rule] = true
			ids, names = append(ids, strconv.Itoa(m.Rule)), append(names, m.Message)
		}
	}
	return ids, names
}

// holeOf is the known hole that the request was after, nil when there is none.
func holeOf(e event.Event) *event.Hole {
	for _, m := range e.Matches {
		if m.Hole != nil {
			return m.Hole
		}
	}
	return nil
}

func header1(e event.Event, name string) string {
	for _, f := range e.Request.Headers {
		if strings.EqualFold(f.Name, name) {
			return f.Value
		}
	}
	return ""
}

// english says in a line what happened, for machines that show one.
func english(e event.Event) string {
	what := string(e.Class())
	if ids, _ := rulesOf(e); len(ids) > 0 {
		what += " (rules " + strings.Join(ids, ", ") + ")"
	} else if e.Reason != "" {
		what += " (" + e.Reason + ")"
	}
	return string(e.Action) + " " + what + ": " + e.Request.Method + " " + e.Request.Host + e.Request.Target
}
