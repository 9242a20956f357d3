package console

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/qorgan/qorgan/event"
)

// exportOCSF writes the selected events as Detection Findings (class 2004) of
// the Open Cybersecurity Schema Framework (1.3), one a line.
func (s *Server) exportOCSF(w http.ResponseWriter, r *http.Request, v *visit) error {
	return s.export(w, r, v, "ocsf.jsonl", "application/x-ndjson; charset=utf-8", func(out io.Writer, e event.Event) error {
		return json.NewEncoder(event.ControlEscaper{Writer: out}).Encode(ocsf(e))
	})
}

// The numbers of the schema's enumerations that are used here.
const (
	ocsfAllowed, ocsfDenied = 1, 2  // action_id
	ocsfBlocked, ocsfLogged = 2, 17 // disposition_id
)

func ocsf(e event.Event) object {
	action, disposition := ocsfDenied, ocsfBlocked
	if e.Action == event.Detected {
		action, disposition = ocsfAllowed, ocsfLogged
	}
	ids, names := rulesOf(e)
	severity, word := ocsfSeverity(e)
	finding := object{"uid": e.Code, "title": english(e), "created_time": e.Time.UnixMilli(), "types": []string{string(e.Class())}, "data_sources": []string{e.Site}}
	if len(ids) > 0 {
		finding["analytic"] = object{"type_id": 1, "type": "Rule", "uid": ids[0], "name": names[0]}
		var related []object
		for i := 1; i < len(ids); i++ {
			related = append(related, object{"type_id": 1, "type": "Rule", "uid": ids[i], "name": names[i]})
		}
		if len(related) > 0 {
			finding["related_analytics"] = related
		}
	}
	asked := object{"http_method": e.Request.Method, "url": ocsfURL(e)}
	asked.set("user_agent", header1(e, "User-Agent"))
	asked.set("version", e.Request.Proto)
	asked.set("body_length", e.Request.Bytes)
	evidence := object{"http_request": asked}
	if e.Status != 0 {
		evidence["http_response"] = object{"code": e.Status}
	}
	if client := address(e); client != "" {
		evidence["src_endpoint"] = object{"ip": client}
	}
	doc := object{
		"activity_id": 1, "activity_name": "Create", "category_uid": 2, "category_name": "Findings", "class_uid": 2004, "class_name": "Detection Finding", "type_uid": 200401,
		"time": e.Time.UnixMilli(), "severity_id": severity, "severity": word, "status_id": 1, "status": "New", "action_id": action, "disposition_id": disposition,
		"is_alert": true, "message": english(e), "finding_info": finding, "evidences": []object{evidence},
		"metadata": object{"version": "1.3.0", "uid": e.ID, "profiles": []string{"security_control"}, "product": object{"name": "Qorgan", "vendor_name": "Qorgan"}},
		"unmapped": object{"site": e.Site, "kind": string(e.Kind), "score": e.Score, "threshold": e.Threshold, "level": e.Level, "profile": e.Profile, "reason": e.Reason},
	}
	if h := holeOf(e); h != nil {
		doc["vulnerabilities"] = []object{{"cve": object{"uid": h.CVE}, "affected_packages": []object{{"name": h.Product, "version": h.Affected}}}}
	}
	return doc
}

// ocsfURL takes the address apart as far as it can be.
func ocsfURL(e event.Event) object {
	path, query, _ := strings.Cut(e.Request.Target, "?")
	at := object{"url_string": (&url.URL{Host: e.Request.Host}).String() + e.Request.Target}
	at.set("hostname", e.Request.Host)
	at.set("path", path)
	at.set("query_string", query)
	return at
}

// ocsfSeverity ranks an event: what was let through above what was stopped, a
// known hole and code on the server above the rest.
func ocsfSeverity(e event.Event) (int, string) {
	grave := false
	switch e.Class() {
	case event.ClassCommand, event.ClassPHP, event.ClassPatch, event.ClassUpload, event.ClassSQL:
		grave = true
	}
	switch {
	case e.Action == event.Detected && grave:
		return 4, "High"
	case e.Action == event.Detected || grave:
		return 3, "Medium"
	}
	return 2, "Low"
}
