package console

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed templates/*.html
var templateFiles embed.FS

// pages are the templates, one set a page: the frame and the page's own file.
type pages map[string]*template.Template

// frame is what every page has. A page's struct embeds it.
type frame struct {
	*language
	Languages []*language
	Now       time.Time
	Path      string // where this page is, for forms that lead back
	Section   string // overview, incidents, account
	Name      string // who is signed in; empty when nobody is
	visit     *visit
	assets    assets
}

func (f *frame) base() *frame { return f }

// May reports whether the visitor has a right, for what a page offers him.
func (f *frame) May(name string) bool { return f.visit.may(right(name)) }

// framed is a pointer to a page's struct.
type framed interface{ base() *frame }

// Asset returns the address of an embedded file.
func (f *frame) Asset(name string) string { return f.assets.path(name) }

// When, Ago and Iso write a time.
func (f *frame) When(t time.Time) string { return f.language.When(t, f.Now) }
func (f *frame) Ago(t time.Time) string  { return f.language.Ago(t, f.Now) }
func (f *frame) Iso(t time.Time) string  { return t.In(f.Now.Location()).Format(time.RFC3339) }

// Exactly writes a time to the second, with its zone.
func (f *frame) Exactly(t time.Time) string {
	t = t.In(f.Now.Location())
	return f.LongDay(t) + ", " + t.Format("15:04:05 MST")
}

// With hands a row to the template that draws it.
func (f *frame) With(r row) rowView { return rowView{f, r} }

// Say hands an exclusion to the template that says it.
func (f *frame) Say(t takenView) sayTaken { return sayTaken{f, t, int64(len(t.Rules))} }

type sayTaken struct {
	Frame *frame
	Taken takenView
	Rules int64
}

// Card hands a decision to the template that shows it.
func (f *frame) Card(c decisionCard) cardView { return cardView{f, c} }

type cardView struct {
	Frame *frame
	Card  decisionCard
}

// Class writes the name of a kind of attack.
func (f *frame) Class(name string) string {
	return capital(f.T("class." + className(name) + ".name"))
}

type rowView struct {
	Frame *frame
	Row   row
}

func loadPages() (pages, error) {
	files, err := templateFiles.ReadDir("templates")
	if err != nil {
		return nil, err
	}
	frameSet, err := template.ParseFS(templateFiles, "templates/frame.html", "templates/row.html", "templates/taken.html")
	if err != nil {
		return nil, err
	}
	all := pages{}
	for _, f := range files {
		set, err := frameSet.Clone()
		if err != nil {
			return nil, err
		}
		if set, err = set.ParseFS(templateFiles, "templates/"+f.Name()); err != nil {
			return nil, fmt.Errorf("parse %s: %w", f.Name(), err)
		}
		all[strings.TrimSuffix(f.Name(), path.Ext(f.Name()))] = set
	}
	return all, nil
}

// render writes a page. It is built in memory first, so that a mistake in a
// template is an answer of 500 and not half a page.
func (s *Server) render(w http.ResponseWriter, r *http.Request, v *visit, status int, name string, page framed) {
	s.renderPart(w, r, v, status, name, "frame", page)
}

func (s *Server) renderPart(w http.ResponseWriter, r *http.Request, v *visit, status int, name, part string, page framed) {
	f := page.base()
	f.language, f.Languages, f.Now, f.assets, f.visit = v.words, s.words.languages, v.now, s.assets, v
	if f.Path == "" {
		f.Path = "/"
		if r.Method == http.MethodGet {
			f.Path = ownPath(r.URL.RequestURI())
		}
	}
	if v.session != nil {
		f.Name = v.session.Person.Name
	}
	if f.Section == "" {
		f.Section = name
	}
	var b bytes.Buffer
	if err := s.pages[name].ExecuteTemplate(&b, part, page); err != nil {
		s.log.Error().Err(err).Str("page", name).Msg("a page could not be rendered")
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Language", v.words.Tag)
	w.WriteHeader(status)
	w.Write(b.Bytes()) // an error means that nobody is there any more
}
