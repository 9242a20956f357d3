package throttle

import (
	"bytes"
	"encoding/base64"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/qorgan/qorgan/exchange"
)

// attempt is a request that tries a password.
type attempt struct {
	user  string  // empty when it cannot be told
	cost  float64 // what is held back until the answer is known
	blind bool    // right and wrong are answered alike: every try costs that
	// failures reads the answer: how many guesses it shows to have failed. Body
	// is nil until the first bytes are seen, when look asks for some.
	failures func(status int, h http.Header, body []byte) int
	success  func(status int, h http.Header) bool
	look     int
}

const (
	formLogin = 1.0
	// Programs make many calls at once that are no guesses.
	program = 0.2

	lookAtFaults = 64 << 10
	lookAtForm   = 8 << 10
)

// read returns the attempt a request makes, if it makes one.
func read(x *exchange.Exchange, r *http.Request, path, query string) (attempt, bool) {
	switch x.Profile {
	case "wordpress":
		return readWordPress(r, path, query)
	case "drupal":
		if r.Method == http.MethodPost && (strings.HasSuffix(path, "/user/login") || strings.HasSuffix(path, "/user")) {
			form := peekForm(r)
			return attempt{user: form.Get("name"), cost: formLogin, failures: pageAgain, success: redirected}, form.Has("pass")
		}
	case "opencart":
		if r.Method == http.MethodPost && strings.Contains(query, "login") {
			form := peekForm(r)
			return attempt{user: form.Get("username") + form.Get("email"), cost: formLogin, failures: formAgain, look: lookAtForm, success: redirected}, form.Has("password")
		}
	case "joomla":
		if r.Method == http.MethodPost && strings.HasSuffix(path, "/administrator/index.php") {
			// Both right and wrong are answered 303: every try counts a third.
			form := peekForm(r)
			return attempt{user: form.Get("username"), cost: formLogin / 3, blind: true, failures: everyTry}, form.Has("passwd")
		}
	case "bitrix":
		if r.Method == http.MethodPost {
			if !strings.HasPrefix(path, "/bitrix/admin/") && !strings.Contains(path, "auth") && !strings.Contains(query, "login=yes") {
				return attempt{}, false
			}
			form := peekForm(r)
			return attempt{user: form.Get("USER_LOGIN"), cost: formLogin / 3, blind: true, failures: everyTry}, form.Has("USER_PASSWORD") && form.Get("TYPE") != "REGISTRATION"
		}
	}
	return attempt{}, false
}

func pageAgain(status int, h http.Header, _ []byte) int {
	if status == http.StatusOK && strings.HasPrefix(h.Get("Content-Type"), "text/html") {
		return 1
	}
	return 0
}

// formAgain reads OpenCart's answer: up to version 3 the page with the form,
// since 4 an object with an error for the script of that page.
func formAgain(status int, h http.Header, body []byte) int {
	if status == http.StatusOK && strings.HasPrefix(h.Get("Content-Type"), "application/json") && bytes.Contains(body, []byte(`"error"`)) {
		return 1
	}
	return pageAgain(status, h, body)
}

func redirected(status int, _ http.Header) bool { return status/100 == 3 }

func everyTry(int, http.Header, []byte) int { return 1 }

func readWordPress(r *http.Request, path, query string) (attempt, bool) {
	switch {
	case r.Method == http.MethodPost && strings.HasSuffix(path, "/wp-login.php"):
		form := peekForm(r)
		a := attempt{user: form.Get("log"), cost: formLogin, failures: noSession, success: session}
		q, _ := url.ParseQuery(query)
		action := q.Get("action") + form.Get("action")
		switch action {
		case "lostpassword", "retrievepassword", "register", "resetpass", "rp", "postpass", "confirmaction", "confirm_admin_email", "logout":
			// A form that also carries a password is a login whatever it says.
			return a, form.Has("pwd")
		}
		return a, true
	case r.Method == http.MethodPost && strings.HasSuffix(path, "/xmlrpc.php"):
		return attempt{cost: program, failures: faults, look: lookAtFaults}, true
	case len(r.Header["Authorization"]) == 1 && (strings.Contains(path, "wp-json") || strings.Contains(query, "rest_route")):
		user, ok := basicUser(r.Header["Authorization"][0])
		return attempt{user: user, cost: program, failures: func(status int, _ http.Header, _ []byte) int {
			if status == http.StatusUnauthorized {
				return 1
			}
			return 0
		}, success: func(status int, _ http.Header) bool { return status/100 == 2 }}, ok
	}
	if r.Method == http.MethodPost && !strings.Contains(path, "wp-") {
		// A shop's customers log in on a page of any name.
		form := peekForm(r)
		return attempt{user: form.Get("username"), cost: formLogin, failures: noSession, success: session}, form.Has("woocommerce-login-nonce")
	}
	return attempt{}, false
}

func basicUser(header string) (string, bool) {
	if len(header) < 6 || !strings.EqualFold(header[:6], "basic ") {
		return "", false
	}
	raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(header[6:]))
	user, _, ok := strings.Cut(string(raw), ":")
	return user, err == nil && ok
}

// session reports whether WordPress set a session cookie and left it set.
func session(_ int, h http.Header) bool {
	set := false
	for _, line := range h["Set-Cookie"] {
		if strings.HasPrefix(line, "wordpress_logged_in_") {
			set = !cleared(line)
		}
	}
	return set
}

// noSession counts a failed login. An answer that sets the session and takes it
// back asks for a second factor: the password was right.
func noSession(status int, h http.Header, _ []byte) int {
	if status >= 500 {
		return 0
	}
	for _, line := range h["Set-Cookie"] {
		if strings.HasPrefix(line, "wordpress_logged_in_") && !cleared(line) {
			return 0
		}
	}
	return 1
}

func cleared(line string) bool {
	value, _, _ := strings.Cut(line, ";")
	_, value, _ = strings.Cut(value, "=")
	return strings.Trim(value, " +") == "" || value == "%20" || value == "deleted"
}

// faults counts the wrong passwords in an XML-RPC answer; a multi-call has one
// fault for each of its calls.
func faults(_ int, _ http.Header, body []byte) int {
	n := 0
	for {
		_, after, ok := bytes.Cut(body, []byte("faultCode</name>"))
		if !ok {
			return n
		}
		if bytes.HasPrefix(bytes.TrimLeft(after, " \t\r\n"), []byte("<value><int>403</int>")) {
			n++
		}
		body = after
	}
}

// peekForm reads a small form body and puts it back. A larger one, or one of
// another kind, gives an empty form: the client still counts.
func peekForm(r *http.Request) url.Values {
	if r.Body == nil || r.Body == http.NoBody || r.ContentLength > lookAtForm ||
		!strings.HasPrefix(strings.ToLower(r.Header.Get("Content-Type")), "application/x-www-form-urlencoded") {
		return url.Values{}
	}
	raw, err := io.ReadAll(io.LimitReader(r.Body, lookAtForm))
	r.Body = &putBack{Reader: io.MultiReader(bytes.NewReader(raw), again(err), r.Body), Closer: r.Body}
	form, _ := url.ParseQuery(string(raw)) // what parses, as PHP does
	for name, values := range form {
		form[name] = values[len(values)-1:] // the last one counts in PHP
	}
	return form
}

type putBack struct {
	io.Reader
	io.Closer
}

// again repeats a read error where it occurred.
func again(err error) io.Reader { return failing{err} }

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) {
	if f.err != nil {
		return 0, f.err
	}
	return 0, io.EOF
}
