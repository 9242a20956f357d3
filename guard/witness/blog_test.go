package witness

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/qorgan/qorgan/exchange"
)

// blog answers as WordPress does, as far as sessions go: the heads and the
// first lines of the pages are shaped after recorded answers of 6.1.
type blog struct {
	hash    string
	n       int
	token   map[string]string // user|expiry|token -> role
	changed map[string]int    // password generation of a user
	calls   int               // of XML-RPC
}

const soft404 = "/soft/"

func newBlog() *blog {
	return &blog{hash: "a144a5e685b1d36adb947c93fb4fa826", token: map[string]string{}, changed: map[string]int{}}
}

var roleRank = map[string]int{"subscriber": 1, "contributor": 2, "author": 2, "editor": 2, "administrator": 3}

func (b *blog) mac(scheme, l string) string {
	user, _, _ := strings.Cut(l, "|")
	k := newHasher([]byte("the blog's own secret salt"))
	x, y := k.key(scheme, l, fmt.Sprint(b.changed[user])), k.key(l, scheme)
	return fmt.Sprintf("%x%x", x, y)
}

func (b *blog) set(w http.ResponseWriter, user, role string) {
	b.n++
	l := fmt.Sprintf("%s|%d|jQJsARhL1s13HLzHr7e78ypv4Nnzlfmh7GCeXc%05d", user, time.Now().Add(48*time.Hour).Unix(), b.n)
	b.token[l] = role
	h := w.Header()
	for _, path := range []string{"/wp-content/plugins", "/wp-admin"} {
		h.Add("Set-Cookie", "wordpress_"+b.hash+"="+url.QueryEscape(l+"|"+b.mac("auth", l))+"; path="+path+"; HttpOnly")
	}
	h.Add("Set-Cookie", "wordpress_logged_in_"+b.hash+"="+url.QueryEscape(l+"|"+b.mac("logged_in", l))+"; path=/; HttpOnly")
}

func (b *blog) clear(w http.ResponseWriter) {
	for _, name := range []string{"wordpress_" + b.hash, "wordpress_logged_in_" + b.hash} {
		w.Header().Add("Set-Cookie", name+"=+; expires=Mon, 24 Nov 2025 08:38:35 GMT; Max-Age=0; path=/")
	}
}

func (b *blog) user(r *http.Request, scheme, name string) (login, role string) {
	c, err := r.Cookie(name)
	if err != nil {
		return "", ""
	}
	v, _ := url.QueryUnescape(c.Value)
	i := strings.LastIndexByte(v, '|')
	if i < 0 || v[i+1:] != b.mac(scheme, v[:i]) {
		return "", ""
	}
	return v[:i], b.token[v[:i]]
}

func (b *blog) nonce(login string) string { return fmt.Sprintf("%.10x", b.mac("nonce", login)[:5]) }

const page = "\n<!DOCTYPE html>\n<html class=\"wp-toolbar\"\n\tlang=\"en-US\">\n<head>\n<title>%s</title>\n<script>var ajaxurl = '/wp-admin/admin-ajax.php',\n\tadminpage = '%s-php';</script></head><body class=\"wp-admin\">%s"

func (b *blog) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=UTF-8")
	w.Header().Set("Cache-Control", "no-cache, must-revalidate, max-age=0")
	switch {
	case strings.HasPrefix(r.URL.Path, soft404):
		fmt.Fprintf(w, page, "x", strings.TrimSuffix(r.URL.Path[len(soft404)+len("x/wp-admin/"):], ".php"), "")
	case r.URL.Path == "/wp-login.php":
		b.loginPage(w, r)
	case strings.HasPrefix(r.URL.Path, "/wp-admin/"):
		b.admin(w, r)
	case strings.HasPrefix(r.URL.Path, "/wp-json/"):
		b.rest(w, r)
	case r.URL.Path == "/xmlrpc.php":
		b.xmlrpc(w, r)
	default:
		_, _ = io.WriteString(w, "<!DOCTYPE html><title>Steppe Notes</title>")
	}
}

func (b *blog) loginPage(w http.ResponseWriter, r *http.Request) {
	switch r.FormValue("action") {
	case "logout":
		l, _ := b.user(r, "logged_in", "wordpress_logged_in_"+b.hash)
		delete(b.token, l)
		b.clear(w)
		w.Header().Set("Location", "/wp-login.php?loggedout=true")
		w.WriteHeader(302)
		return
	case "resetpass":
		w.Header().Add("Set-Cookie", "wp-resetpass-"+b.hash+"=+; expires=Mon, 24 Nov 2025 08:38:35 GMT; Max-Age=0; path=/wp-login.php")
		if r.FormValue("key") != "good" {
			w.Header().Set("Location", "/wp-login.php?action=lostpassword&error=invalidkey")
			w.WriteHeader(302)
			return
		}
		b.changed[r.FormValue("user")]++
		_, _ = io.WriteString(w, "Your password has been reset.")
		return
	}
	role := r.FormValue("log")
	if roleRank[role] == 0 || r.FormValue("pwd") != "right" {
		_, _ = io.WriteString(w, "<form id=\"loginform\">")
		return
	}
	b.set(w, role, role)
	if r.FormValue("second") != "" {
		b.clear(w) // a second factor is asked for
		_, _ = io.WriteString(w, "<form id=\"loginform\">code")
		return
	}
	if r.FormValue("interim-login") != "" {
		_, _ = io.WriteString(w, "<body class=\"login interim-login interim-login-success\">")
		return
	}
	w.Header().Set("Location", "/wp-admin/")
	w.WriteHeader(302)
}

func (b *blog) admin(w http.ResponseWriter, r *http.Request) {
	l, role := b.user(r, "auth", "wordpress_"+b.hash)
	if role == "" {
		w.Header().Set("Location", "http://"+r.Host+"/wp-login.php?redirect_to=x&reauth=1")
		w.WriteHeader(302)
		return
	}
	name := strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, "/wp-admin/"), ".php")
	if name == "" {
		name = "index"
	}
	switch {
	case r.FormValue("action") == "destroy-sessions":
		w.Header().Set("Content-Type", "application/json; charset=UTF-8")
		user, _, _ := strings.Cut(l, "|")
		for other := range b.token {
			if other != l && strings.HasPrefix(other, user+"|") {
				delete(b.token, other)
			}
		}
		_, _ = io.WriteString(w, `{"success":true,"data":{"message":"x"}}`)
		return
	case name == "admin-ajax":
		_, _ = io.WriteString(w, b.nonce(l))
		return
	case name == "profile" && r.Method == http.MethodPost:
		user, _, _ := strings.Cut(l, "|")
		b.changed[user]++
		b.clear(w)
		b.set(w, user, role)
		w.Header().Set("Location", "/wp-admin/profile.php?updated=1")
		w.WriteHeader(302)
		return
	case r.FormValue("page") != "": // a plugin's page is open to whom the plugin likes
		fmt.Fprintf(w, page, "Plugin", "posts_page_"+r.FormValue("page"), "")
		return
	case r.FormValue("setup") != "": // a plugin answers instead of the screen
		_, _ = io.WriteString(w, "<!DOCTYPE html><html><title>Set up your second factor</title>")
		return
	}
	if need := map[exchange.Rank]int{exchange.Author: 2, exchange.Admin: 3}[adminRank[name]]; roleRank[role] < need {
		w.WriteHeader(403)
		_, _ = io.WriteString(w, "Sorry, you are not allowed to access this page.")
		return
	}
	if r.FormValue("cached") != "" {
		w.Header().Set("Age", "12")
	}
	menu := ""
	if roleRank[role] >= 2 {
		menu += "<a href='edit.php' class=\"wp-first-item\">Posts</a>"
	}
	if roleRank[role] >= 3 {
		menu += "<a href='options-general.php' class=\"x\">Settings</a>"
	}
	if r.Header.Get("Accept-Encoding") == "gzip" {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		fmt.Fprintf(z, page, name, name, menu)
		_ = z.Close()
		return
	}
	fmt.Fprintf(w, page, name, name, menu)
}

func (b *blog) rest(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	rank := 0
	if l, role := b.user(r, "logged_in", "wordpress_logged_in_"+b.hash); role != "" && r.Header.Get("X-WP-Nonce") != "" {
		if r.Header.Get("X-WP-Nonce") != b.nonce(l) {
			w.WriteHeader(403)
			_, _ = io.WriteString(w, `{"code":"rest_cookie_invalid_nonce"}`)
			return
		}
		w.Header().Set("X-WP-Nonce", b.nonce(l))
		rank = roleRank[role]
	} else if user, pass, ok := r.BasicAuth(); ok && role == "" {
		if strings.ReplaceAll(pass, " ", "") != "app"+user {
			w.WriteHeader(401)
			return
		}
		rank = roleRank[user]
	}
	if r.URL.Path == "/wp-json/wp/v2/users/me" {
		if rank == 0 {
			w.WriteHeader(401)
			return
		}
		fmt.Fprintf(w, `{"capabilities":{"read":true,"edit_posts":%t,"manage_options":%t}}`, rank >= 2, rank >= 3)
		return
	}
	need := 0
	switch {
	case r.FormValue("_method") == "OPTIONS":
	case strings.HasPrefix(r.URL.Path, "/wp-json/wp/v2/settings"):
		need = 3
	case r.FormValue("context") == "edit" || r.Method != http.MethodGet:
		need = 2
	}
	if rank < need && r.FormValue("_envelope") == "" {
		w.WriteHeader(403)
	} else if r.Method == http.MethodPost {
		w.WriteHeader(201)
	}
	_, _ = io.WriteString(w, "[]")
}

func (b *blog) xmlrpc(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/xml; charset=UTF-8")
	raw, _ := io.ReadAll(r.Body)
	call := string(raw)
	b.calls++
	for role, rank := range roleRank {
		if !strings.Contains(call, "<string>"+role+"</string></value></param><param><value><string>pass"+role+"</string>") {
			continue
		}
		if strings.Contains(call, "wp.getUsersBlogs") {
			fmt.Fprintf(w, "<methodResponse><params><member><name>isAdmin</name><value><boolean>%d</boolean></value></member></params></methodResponse>", rank/3)
			return
		}
		if rank >= 2 {
			_, _ = io.WriteString(w, "<methodResponse><params></params></methodResponse>")
			return
		}
	}
	_, _ = io.WriteString(w, "<methodResponse><fault></fault></methodResponse>")
}
