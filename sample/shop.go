package sample

import (
	"bytes"
	"crypto/rand"
	"embed"
	"html/template"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

//go:embed page
var pages embed.FS

var templates = template.Must(template.ParseFS(pages, "page/*.html"))

const (
	maxComments = 200
	maxSessions = 100
	maxForm     = 64 << 10 // bytes
	cookie      = "dala_session"
)

// good is something the shop sells.
type good struct {
	Slug, Name, About string
	Price             int // tenge
	Colour            string
}

// goods never change.
var goods = []good{
	{"felt-slippers", "Felt slippers", "Warm, grey, cut from one piece of felt and sewn by hand in Taraz.", 8900, "#8a9a8b"},
	{"mountain-honey", "Mountain honey", "From hives above Katon-Karagay, where the fireweed grows.", 5200, "#d9a441"},
	{"steppe-tea", "Steppe tea", "Thyme, meadowsweet and a little mint. Good on a windy evening.", 2400, "#6f8f5a"},
	{"wooden-bowl", "Wooden bowl", "A birch bowl for qymyz, turned and oiled.", 12500, "#a9744f"},
	{"wool-blanket", "Wool blanket", "Two metres of camel wool, woven in Turkestan.", 31000, "#b08d6e"},
	{"dombra-strings", "Dombra strings", "A pair, for those who play every day.", 1800, "#5b6c8f"},
}

// comment is what somebody wrote under a good.
type comment struct {
	Slug, Name, Text string
	At               time.Time
}

// Shop is the whole site, an http.Handler.
type Shop struct {
	mux *http.ServeMux

	mu       sync.Mutex
	comments []comment
	sessions []session
}

type session struct{ token, name string }

// New returns a shop with a few goods and comments.
func New() *Shop {
	now := time.Now()
	s := &Shop{mux: http.NewServeMux(), comments: []comment{
		{"steppe-tea", "Айгүл", "Шайы керемет, иісі жаздай.", now.Add(-50 * time.Hour)},
		{"mountain-honey", "Марина", "Заказываю третий раз, дети едят ложками.", now.Add(-31 * time.Hour)},
		{"felt-slippers", "Tom", "My mother-in-law's cat has claimed them. Ordering a second pair.", now.Add(-7 * time.Hour)},
	}}
	s.mux.HandleFunc("GET /{$}", s.home)
	s.mux.HandleFunc("GET /search", s.search)
	s.mux.HandleFunc("GET /goods/{slug}", s.good)
	s.mux.HandleFunc("POST /goods/{slug}/comments", s.addComment)
	s.mux.HandleFunc("GET /login", s.login)
	s.mux.HandleFunc("POST /login", s.signIn)
	s.mux.HandleFunc("POST /logout", s.signOut)
	s.mux.HandleFunc("GET /style.css", func(w http.ResponseWriter, r *http.Request) { http.ServeFileFS(w, r, pages, "page/style.css") })
	return s
}

// ServeHTTP implements http.Handler.
func (s *Shop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	s.mux.ServeHTTP(w, r)
}

// view is what every page is made from.
type view struct {
	Title, User  string
	Query, Error string
	Goods        []good
	Good         good
	Comments     []comment
}

func (s *Shop) render(w http.ResponseWriter, r *http.Request, status int, page string, v view) {
	v.User = s.user(r)
	var b bytes.Buffer
	if err := templates.ExecuteTemplate(&b, page, v); err != nil {
		http.Error(w, "the shop is closed for repairs", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = b.WriteTo(w)
}

func (s *Shop) home(w http.ResponseWriter, r *http.Request) {
	s.render(w, r, http.StatusOK, "list.html", view{Title: "Goods of the steppe", Goods: goods})
}

func (s *Shop) search(w http.ResponseWriter, r *http.Request) {
	q := strings.TrimSpace(r.FormValue("q"))
	v := view{Title: "Search", Query: q}
	for _, g := range goods {
		if strings.Contains(strings.ToLower(g.Name+" "+g.About), strings.ToLower(q)) {
			v.Goods = append(v.Goods, g)
		}
	}
	s.render(w, r, http.StatusOK, "list.html", v)
}

// find returns the good a request is about, or answers 404.
func find(w http.ResponseWriter, r *http.Request) (good, bool) {
	i := slices.IndexFunc(goods, func(g good) bool { return g.Slug == r.PathValue("slug") })
	if i < 0 {
		http.NotFound(w, r)
		return good{}, false
	}
	return goods[i], true
}

func (s *Shop) good(w http.ResponseWriter, r *http.Request) {
	g, ok := find(w, r)
	if !ok {
		return
	}
	v := view{Title: g.Name, Good: g}
	s.mu.Lock()
	for _, c := range s.comments {
		if c.Slug == g.Slug {
			v.Comments = append(v.Comments, c)
		}
	}
	s.mu.Unlock()
	s.render(w, r, http.StatusOK, "good.html", v)
}

func (s *Shop) addComment(w http.ResponseWriter, r *http.Request) {
	g, ok := find(w, r)
	if !ok {
		return
	}
	c := comment{Slug: g.Slug, Name: strings.TrimSpace(r.PostFormValue("name")), Text: strings.TrimSpace(r.PostFormValue("text")), At: time.Now()}
	if c.Name == "" || c.Text == "" {
		s.render(w, r, http.StatusUnprocessableEntity, "good.html", view{Title: g.Name, Good: g, Error: "Please write a name and a comment."})
		return
	}
	s.mu.Lock()
	s.comments = append(s.comments, c)
	s.comments = s.comments[max(0, len(s.comments)-maxComments):]
	s.mu.Unlock()
	http.Redirect(w, r, "/goods/"+g.Slug, http.StatusSeeOther)
}

func (s *Shop) login(w http.ResponseWriter, r *http.Request) {
	s.render(w, r, http.StatusOK, "login.html", view{Title: "Sign in"})
}

// signIn lets the one account in: demo, with the password demo.
func (s *Shop) signIn(w http.ResponseWriter, r *http.Request) {
	if r.PostFormValue("user") != "demo" || r.PostFormValue("password") != "demo" {
		s.render(w, r, http.StatusForbidden, "login.html", view{Title: "Sign in", Error: "That is not the name and password. Both are demo."})
		return
	}
	token := rand.Text()
	s.mu.Lock()
	s.sessions = append(s.sessions, session{token, "demo"})
	s.sessions = s.sessions[max(0, len(s.sessions)-maxSessions):]
	s.mu.Unlock()
	http.SetCookie(w, &http.Cookie{Name: cookie, Value: token, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode})
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func (s *Shop) signOut(w http.ResponseWriter, r *http.Request) {
	if c, err := r.Cookie(cookie); err == nil {
		s.mu.Lock()
		s.sessions = slices.DeleteFunc(s.sessions, func(e session) bool { return e.token == c.Value })
		s.mu.Unlock()
	}
	http.SetCookie(w, &http.Cookie{Name: cookie, Path: "/", MaxAge: -1})
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// user is the name of who is signed in, or nothing.
func (s *Shop) user(r *http.Request) string {
	c, err := r.Cookie(cookie)
	if err != nil {
		return ""
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.sessions {
		if e.token == c.Value {
			return e.name
		}
	}
	return ""
}
