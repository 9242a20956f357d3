package console

import (
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/qorgan/qorgan/console/store"
	"github.com/qorgan/qorgan/event"
)

// filters is what the address of the list says. Its fields are what a person
// typed or chose; see query for what they mean.
type filters struct {
	Span   string // hour, day, week, month, or empty for all
	From   string // 2006-01-02, the first day
	To     string // 2006-01-02, the last day
	Site   string
	Class  string
	Action string
	Rule   string
	Client string // address or network
	Text   string // words, or an incident code
}

// spans are the choices of time, in order.
var spans = []string{"hour", "day", "week", "month"}

var spanLengths = map[string]time.Duration{
	"hour": time.Hour, "day": 24 * time.Hour, "week": 7 * 24 * time.Hour, "month": 30 * 24 * time.Hour,
}

// names lists the filters as they stand in the address.
func (f *filters) names() []struct {
	name  string
	value *string
} {
	return []struct {
		name  string
		value *string
	}{
		{"span", &f.Span}, {"from", &f.From}, {"to", &f.To}, {"site", &f.Site}, {"class", &f.Class},
		{"action", &f.Action}, {"rule", &f.Rule}, {"client", &f.Client}, {"text", &f.Text},
	}
}

func readFilters(q url.Values) filters {
	var f filters
	for _, n := range f.names() {
		value := strings.TrimSpace(q.Get(n.name))
		if len(value) > 256 {
			value = strings.ToValidUTF8(value[:256], "")
		}
		*n.value = value
	}
	return f
}

// values returns the filters that are set, for an address.
func (f filters) values() url.Values {
	q := url.Values{}
	for _, n := range f.names() {
		if *n.value != "" {
			q.Set(n.name, *n.value)
		}
	}
	return q
}

func listURL(f filters) string { return withQuery("/incidents", f.values()) }

func withQuery(path string, q url.Values) string {
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}

// query says what the filters mean. It returns the names of those that mean
// nothing.
func (f filters) query(now time.Time) (store.Query, []string) {
	var wrong []string
	q := store.Query{Site: f.Site, Text: f.Text}
	if f.Span != "" {
		if d, ok := spanLengths[f.Span]; ok {
			q.From = now.Add(-d)
		} else {
			wrong = append(wrong, "span")
		}
	}
	day := func(name, value string) time.Time {
		if value == "" {
			return time.Time{}
		}
		t, err := time.ParseInLocation(time.DateOnly, value, now.Location())
		if err != nil {
			wrong = append(wrong, name)
		}
		return t
	}
	if from := day("from", f.From); !from.IsZero() {
		q.From = from
	}
	if to := day("to", f.To); !to.IsZero() {
		q.To = to.AddDate(0, 0, 1)
	}
	if f.Class != "" {
		if q.Class = event.Class(f.Class); !slices.Contains(event.Classes, q.Class) {
			wrong = append(wrong, "class")
		}
	}
	switch q.Action = event.Action(f.Action); q.Action {
	case "", event.Blocked, event.Detected:
	default:
		wrong = append(wrong, "action")
	}
	if f.Rule != "" {
		rule, err := strconv.Atoi(f.Rule)
		if err != nil || rule <= 0 {
			wrong = append(wrong, "rule")
		}
		q.Rule = rule
	}
	if f.Client != "" {
		prefix, err := netip.ParsePrefix(f.Client)
		if addr, addrErr := netip.ParseAddr(f.Client); addrErr == nil {
			prefix, err = addr.Unmap().WithZone("").Prefix(addr.Unmap().BitLen())
		}
		if err != nil {
			wrong = append(wrong, "client")
		}
		q.Client = prefix
	}
	if code, ok := event.ParseCode(f.Text); ok && looksLikeCode(f.Text) {
		q.Text, q.Code = "", code
	}
	return q, wrong
}

// looksLikeCode tells an incident code from a word of eight letters: it has a
// hyphen or a space in the middle, or a digit.
func looksLikeCode(s string) bool {
	s = strings.TrimSpace(s)
	return len(s) == 9 || strings.ContainsAny(s, "0123456789")
}

type incidentListPage struct {
	frame
	Filters filters
	Active  []activeFilter
	Wrong   []string
	Sites   []string
	Classes []option
	Spans   []spanLink
	Days    *days // nil without a picture
	Rows    []row
	Count   int64
	Many    bool   // more than Count
	Newer   string // addresses, empty when there is nothing
	Older   string
	Later   string // what the script asks for what came in since
	CSV     string
	Lines   string
	ECS     string
	OCSF    string
}

// IsWrong reports whether a filter means nothing.
func (p *incidentListPage) IsWrong(name string) bool { return slices.Contains(p.Wrong, name) }

// spanLink is a choice of time that is one click away.
type spanLink struct {
	Text, Link string
	Current    bool
}

// activeFilter is a filter that is set, and the address without it.
type activeFilter struct{ Name, Value, Without string }

type option struct{ Value, Text string }

// countLimit is where counting the selected incidents stops.
const countLimit = 1000

func (s *Server) incidentList(w http.ResponseWriter, r *http.Request, v *visit) error {
	ctx := r.Context()
	f := readFilters(r.URL.Query())
	page := &incidentListPage{Filters: f, Spans: f.spanLinks(v.words)}
	page.Section = "incidents"
	q, wrong := f.query(v.now)
	page.Wrong = wrong
	sites, err := s.db.Sites(ctx, v.scope, v.now.Add(-s.options.Keep), v.now)
	if err != nil {
		return err
	}
	for _, t := range sites {
		page.Sites = append(page.Sites, t.Name)
	}
	slices.Sort(page.Sites)
	for _, c := range event.Classes {
		page.Classes = append(page.Classes, option{string(c), capital(v.words.T("class." + string(c) + ".name"))})
	}
	page.Active = f.active(v.words)
	if len(wrong) == 0 {
		count, err := s.db.Count(ctx, v.scope, q, countLimit+1)
		if err != nil {
			return err
		}
		page.Count, page.Many = int64(min(count, countLimit)), count > countLimit
		if page.Days, err = s.newDays(r, v, f, q); err != nil {
			return err
		}
		q.Before, q.After = store.Cursor(r.URL.Query().Get("before")), store.Cursor(r.URL.Query().Get("after"))
		if !q.Before.Valid() || !q.After.Valid() {
			return errBadInput
		}
		found, err := s.db.Events(ctx, v.scope, q)
		if err != nil {
			return err
		}
		if q.Code != "" && len(found.Events) == 1 && q.Before == "" {
			http.Redirect(w, r, "/incidents/"+found.Events[0].ID, http.StatusSeeOther)
			return nil
		}
		page.paging(f, q, found)
		page.Rows = newRows(v, found.Events)
	}
	s.render(w, r, v, http.StatusOK, "incident_list", page)
	return nil
}

// paging sets the addresses of the neighbouring pages and of what comes
// later.
func (p *incidentListPage) paging(f filters, q store.Query, found store.Page) {
	at := func(path, name string, c store.Cursor) string {
		values := f.values()
		values.Set(name, string(c))
		return withQuery(path, values)
	}
	if found.Older != "" {
		p.Older = at("/incidents", "before", found.Older)
	}
	switch {
	case found.More && len(found.Events) > 0:
		p.Newer = at("/incidents", "after", found.Newer)
	case q.Before == "" && f.To == "":
		newer := found.Newer
		if newer == "" {
			newer = "0"
		}
		p.Later = at("/incidents/later", "after", newer)
	}
	p.CSV = withQuery("/incidents/export.csv", f.values())
	p.Lines = withQuery("/incidents/export.jsonl", f.values())
	p.ECS = withQuery("/incidents/export.ecs.jsonl", f.values())
	p.OCSF = withQuery("/incidents/export.ocsf.jsonl", f.values())
}

// active lists the filters that are set, in words.
func (f filters) active(l *language) []activeFilter {
	var out []activeFilter
	for _, n := range f.names() {
		value := *n.value
		if value == "" || n.name == "span" && spanLengths[value] > 0 {
			continue // a span has its own links
		}
		without := f.values()
		without.Del(n.name)
		switch n.name {
		case "class":
			value = capital(l.T("class." + className(value) + ".name"))
		case "action":
			if value == string(event.Blocked) || value == string(event.Detected) {
				value = l.T("action." + value)
			}
		}
		out = append(out, activeFilter{l.T("filter." + n.name), value, withQuery("/incidents", without)})
	}
	return out
}

// spanLinks returns the choices of time, each with the other filters kept.
func (f filters) spanLinks(l *language) []spanLink {
	links := []spanLink{}
	for _, span := range append([]string{""}, spans...) {
		with := f
		with.Span, with.From, with.To = span, "", ""
		text := l.T("span.all")
		if span != "" {
			text = l.T("span." + span)
		}
		links = append(links, spanLink{text, listURL(with), span == f.Span && f.From+f.To == ""})
	}
	return links
}

type incidentsLaterPage struct {
	frame
	Rows []row
}

// incidentsLater answers the script: the rows that came in after a cursor,
// and in a header the address of the next question.
func (s *Server) incidentsLater(w http.ResponseWriter, r *http.Request, v *visit) error {
	f := readFilters(r.URL.Query())
	q, wrong := f.query(v.now)
	q.After = store.Cursor(r.URL.Query().Get("after"))
	if len(wrong) > 0 || q.After == "" || !q.After.Valid() {
		return errBadInput
	}
	found, err := s.db.Events(r.Context(), v.scope, q)
	if err != nil {
		return err
	}
	page := &incidentsLaterPage{Rows: newRows(v, found.Events)}
	values := f.values()
	values.Set("after", string(found.Newer))
	w.Header().Set("Qorgan-Later", withQuery("/incidents/later", values))
	w.Header().Set("Qorgan-Count", strconv.Itoa(len(page.Rows)))
	waiting, _ := strconv.Atoi(r.URL.Query().Get("waiting")) // rows the script holds back already
	total := int64(len(page.Rows) + min(max(waiting, 0), 1000))
	w.Header().Set("Qorgan-Words", url.PathEscape(v.words.N("list.new", total)))
	s.renderPart(w, r, v, http.StatusOK, "incident_list", "rows", page)
	return nil
}
