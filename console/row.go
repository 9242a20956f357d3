package console

import (
	"slices"
	"strings"
	"time"

	"github.com/qorgan/qorgan/event"
)

// row is an incident in a list.
type row struct {
	ID       string
	Code     string
	Time     time.Time
	Sentence string
	Site     string
	Client   string // empty when unknown
	Method   string
	Target   string
	Noted    bool   // let through
	Clock    string // set in lists with headings: the time of day is enough
	DayHead  string // set on the first row of a day, in lists that have headings
}

// newRows returns a list with a heading at each new day.
func newRows(v *visit, events []event.Event) []row {
	rows := make([]row, 0, len(events))
	last := ""
	for _, e := range events {
		r := newRow(v, e)
		r.Clock = v.words.Clock(r.Time)
		if head := v.words.DayHead(e.Time, v.now); head != last {
			r.DayHead, last = head, head
		}
		rows = append(rows, r)
	}
	return rows
}

func newRow(v *visit, e event.Event) row {
	r := row{
		ID: e.ID, Code: e.Code, Time: e.Time.In(v.now.Location()), Sentence: sentence(v.words, e), Site: e.Site,
		Method: e.Request.Method, Target: e.Request.Target, Noted: e.Action == event.Detected,
	}
	if e.Client.Addr.IsValid() {
		r.Client = e.Client.Addr.String()
	}
	if len(r.Target) > 240 {
		r.Target = strings.ToValidUTF8(r.Target[:240], "") + "…"
	}
	return r
}

// className returns the class's name when there are words for it.
func className(name string) string {
	if slices.Contains(event.Classes, event.Class(name)) {
		return name
	}
	return string(event.ClassOther)
}

// sentence says in a line what was tried and where.
func sentence(l *language, e event.Event) string {
	class := className(string(e.Class()))
	tried := l.T("class." + class + ".tried")
	m, ok := leading(e, event.Class(class))
	switch event.Class(class) {
	case event.ClassScanner, event.ClassProtocol, event.ClassPatch:
		ok = false // who and what it is says more than where it stood
	}
	if !ok {
		return capital(tried)
	}
	key := "where." + place(m)
	if !l.has(key) || place(m) == "" {
		return capital(tried)
	}
	name := m.Key
	if r := []rune(name); len(r) > 40 {
		name = string(r[:40]) + "…"
	}
	return capital(l.T(key, "tried", tried, "name", name))
}

// leading returns the match that says most about the event: of its class,
// with the highest score.
func leading(e event.Event, class event.Class) (event.Match, bool) {
	best, found := event.Match{}, false
	for _, m := range e.Matches {
		if m.Class() == class && (!found || m.Score > best.Score) {
			best, found = m, true
		}
	}
	return best, found
}

// place returns where in a request a match stood, as the words call it; empty
// when there is nothing to say.
func place(m event.Match) string {
	switch name := m.Variable; {
	case strings.HasSuffix(name, "_NAMES"):
		return ""
	case strings.HasPrefix(name, "ARGS") && m.Key != "":
		return "field"
	case name == "REQUEST_COOKIES" && m.Key != "":
		return "cookie"
	case name == "REQUEST_HEADERS" && m.Key != "":
		return "header"
	case name == "FILES" || strings.HasPrefix(name, "MULTIPART"):
		return "upload"
	case strings.HasPrefix(name, "REQUEST_URI") || name == "REQUEST_FILENAME" || name == "REQUEST_BASENAME" || name == "QUERY_STRING" || name == "REQUEST_LINE":
		return "address"
	case strings.HasPrefix(name, "REQUEST_BODY") || strings.HasPrefix(name, "XML") || strings.HasPrefix(name, "JSON"):
		return "body"
	}
	return ""
}
