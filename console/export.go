package console

import (
	"encoding/csv"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/qorgan/qorgan/event"
)

// exportLimit is the most events in one export.
const exportLimit = 100_000

// exportCSV writes exactly what the filters select as a table for a
// spreadsheet.
func (s *Server) exportCSV(w http.ResponseWriter, r *http.Request, v *visit) error {
	var table *csv.Writer
	return s.export(w, r, v, "csv", "text/csv; charset=utf-8", func(out io.Writer, e event.Event) error {
		if table == nil {
			table = csv.NewWriter(out)
			if err := table.Write([]string{"time", "code", "site", "action", "class", "client", "method", "host", "target", "rules", "score", "reason", "id"}); err != nil {
				return err
			}
		}
		client := ""
		if e.Client.Addr.IsValid() {
			client = e.Client.Addr.String()
		}
		line := []string{
			e.Time.UTC().Format(time.RFC3339Nano), e.Code, e.Site, string(e.Action), string(e.Class()), client,
			e.Request.Method, e.Request.Host, e.Request.Target, joinInts(e.Rules), strconv.Itoa(e.Score), e.Reason, e.ID,
		}
		for i, cell := range line {
			line[i] = harmlessCell(cell)
		}
		if err := table.Write(line); err != nil {
			return err
		}
		table.Flush()
		return table.Error()
	})
}

// harmlessCell keeps a spreadsheet from taking a text for a formula: what
// begins like one gets an apostrophe in front (OWASP, CSV injection). Control
// characters, which could begin a cell of their own, become spaces.
func harmlessCell(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)
	trimmed := strings.TrimLeft(s, " \u00a0\ufeff")
	if trimmed != "" && strings.ContainsAny(trimmed[:1], "=+-@|%") || strings.HasPrefix(trimmed, "＝") || strings.HasPrefix(trimmed, "＋") || strings.HasPrefix(trimmed, "－") || strings.HasPrefix(trimmed, "＠") {
		return "'" + s
	}
	return s
}

// exportLines writes the selected events whole, one JSON object a line.
func (s *Server) exportLines(w http.ResponseWriter, r *http.Request, v *visit) error {
	return s.export(w, r, v, "jsonl", "application/x-ndjson; charset=utf-8", func(out io.Writer, e event.Event) error {
		return json.NewEncoder(event.ControlEscaper{Writer: out}).Encode(e)
	})
}

// export streams what the filters select, newest first. It is cut off where
// an error strikes: the answer has begun by then.
func (s *Server) export(w http.ResponseWriter, r *http.Request, v *visit, suffix, kind string, write func(io.Writer, event.Event) error) error {
	q, wrong := readFilters(r.URL.Query()).query(v.now)
	if len(wrong) > 0 {
		return errBadInput
	}
	q.Limit = 500
	page, err := s.db.Events(r.Context(), v.scope, q)
	if err != nil {
		return err
	}
	s.act(r, v.session.Person, actExport, suffix+" "+r.URL.RawQuery)
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Disposition", `attachment; filename="qorgan-`+v.now.Format("2006-01-02-1504")+"."+suffix+`"`)
	for n := 0; ; {
		for _, e := range page.Events {
			if err := write(w, e); err != nil {
				return nil // nobody is there any more
			}
			n++
		}
		if page.Older == "" || n >= exportLimit {
			return nil
		}
		q.Before = page.Older
		if page, err = s.db.Events(r.Context(), v.scope, q); err != nil {
			s.log.Error().Err(err).Msg("an export was cut off")
			panic(http.ErrAbortHandler)
		}
	}
}

func joinInts(ids []int) string {
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = strconv.Itoa(id)
	}
	return strings.Join(texts, ", ")
}
