package throttle

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/event"
	"github.com/qorgan/qorgan/exchange"
)

// site is a WordPress whose passwords are "right".
func site(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	switch r.URL.Path {
	case "/wp-login.php":
		form, _ := url.ParseQuery(string(body))
		const cookie = "wordpress_logged_in_a144a5e685b1d36adb947c93fb4fa826"
		if form.Get("pwd") == "right" {
			w.Header().Add("Set-Cookie", cookie+"=editor%7C1; path=/")
			if form.Get("second") != "" {
				w.Header().Add("Set-Cookie", cookie+"=+; expires=Mon, 24 Nov 2025 08:38:35 GMT; path=/")
				return
			}
			w.WriteHeader(302)
		}
	case "/xmlrpc.php":
		w.Header().Set("Content-Type", "text/xml")
		for range strings.Count(string(body), "guess") {
			_, _ = io.WriteString(w, "<fault>\n<member>\n<name>faultCode</name>\n  <value><int>403</int></value>")
		}
		if strings.Contains(string(body), "pingback") {
			_, _ = io.WriteString(w, "<name>faultCode</name><value><int>48</int></value>")
		}
	case "/wp-json/wp/v2/users/me":
		if _, pass, _ := r.BasicAuth(); pass != "right" {
			w.WriteHeader(401)
		}
	}
}

type door struct {
	*Throttle
	h      http.Handler
	clock  time.Time
	events []event.Event
	mu     sync.Mutex
	mode   config.Mode
}

func newDoor() *door {
	d := &door{clock: time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC), mode: config.Block}
	d.Throttle = New(Options{Now: func() time.Time { return d.clock }, Record: func(e event.Event) {
		d.mu.Lock()
		d.events = append(d.events, e)
		d.mu.Unlock()
	}})
	d.h = d.Handler(http.HandlerFunc(site))
	return d
}

// knock sends one request and returns the status and Retry-After in seconds.
func (d *door) knock(client string, rank exchange.Rank, profile, target, body string, auth ...string) (int, time.Duration) {
	var retry time.Duration
	x := &exchange.Exchange{Site: &config.Site{Name: "a", Mode: d.mode}, Profile: profile, Rank: rank, Client: netip.MustParseAddr(client), Target: target}
	x.Refuse = func(w http.ResponseWriter, _ *http.Request, f exchange.Refusal) {
		retry = f.Retry
		w.WriteHeader(f.Status)
	}
	r := httptest.NewRequest("POST", "http://a"+target, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if len(auth) == 2 {
		r.SetBasicAuth(auth[0], auth[1])
	}
	w := httptest.NewRecorder()
	d.h.ServeHTTP(w, r.WithContext(exchange.With(r.Context(), x)))
	return w.Code, retry
}

func (d *door) login(client, user, pwd string) (int, time.Duration) {
	return d.knock(client, exchange.Visitor, "wordpress", "/wp-login.php", "log="+user+"&pwd="+pwd)
}

func TestClientIsSlowedDown(t *testing.T) {
	d := newDoor()
	for n := range 10 {
		if code, _ := d.login("192.0.2.1", fmt.Sprint("user", n), "guess"); code != 200 {
			t.Fatalf("guess %d: %d", n, code)
		}
	}
	code, retry := d.login("192.0.2.1", "admin", "right")
	if code != 429 || retry < time.Second || retry > time.Minute {
		t.Errorf("after ten guesses: %d, retry after %v", code, retry)
	}
	d.login("192.0.2.1", "admin", "guess")
	if len(d.events) != 1 || d.events[0].Kind != event.KindGuard || d.events[0].Reason != Reason || d.events[0].Status != 429 {
		t.Errorf("events %v", d.events)
	}
	if code, _ := d.login("192.0.2.2", "admin", "right"); code != 302 {
		t.Errorf("another client: %d", code)
	}
	d.clock = d.clock.Add(retry)
	if code, _ := d.login("192.0.2.1", "admin", "right"); code != 302 {
		t.Errorf("after waiting: %d", code)
	}
}

func TestRightPasswordsCostNothing(t *testing.T) {
	d := newDoor()
	for range 100 {
		if code, _ := d.login("192.0.2.1", "editor", "right"); code != 302 {
			t.Fatal(code)
		}
		if code, _ := d.login("192.0.2.1", "editor", "right&second=1"); code != 200 {
			t.Fatal("a second factor counted as a failure", code)
		}
		if code, _ := d.knock("192.0.2.1", 0, "wordpress", "/xmlrpc.php", "<methodCall>pingback"); code != 200 {
			t.Fatal("a call without a password counted", code)
		}
	}
	if n := d.clients.len(); n != 0 {
		t.Errorf("%d clients remembered", n)
	}
}

func TestAddressesOfOneNetworkCountTogether(t *testing.T) {
	d := newDoor()
	for n := range 10 {
		d.login(fmt.Sprintf("2001:db8:0:1::%x", n+1), fmt.Sprint("u", n), "guess")
	}
	if code, _ := d.login("2001:db8:0:1:ffff::1", "admin", "guess"); code != 429 {
		t.Errorf("same /64: %d", code)
	}
	if code, _ := d.login("2001:db8:0:2::1", "admin", "guess"); code != 200 {
		t.Errorf("another /64: %d", code)
	}
}

func TestUserIsProtectedFromManyClients(t *testing.T) {
	d := newDoor()
	if code, _ := d.login("198.51.100.7", "Editor", "right"); code != 302 {
		t.Fatal(code)
	}
	refused := 0
	for n := range 60 {
		if code, _ := d.login(fmt.Sprintf("192.0.2.%d", n+1), "editor", "guess"); code == 429 {
			refused++
		}
	}
	if refused != 30 {
		t.Errorf("%d of 60 guesses refused, want 30", refused)
	}
	if code, _ := d.login("192.0.2.200", "author", "guess"); code != 200 {
		t.Errorf("another user: %d", code)
	}
	if code, _ := d.login("198.51.100.7", "editor", "right"); code != 302 {
		t.Errorf("the user from where he logged in before: %d", code)
	}
	if code, _ := d.knock("203.0.113.5", exchange.Member, "wordpress", "/wp-login.php", "log=editor&pwd=guess"); code != 429 {
		t.Errorf("a subscriber who guesses at the user: %d", code)
	}
}

func TestEveryGuessOfAMultiCallCounts(t *testing.T) {
	d := newDoor()
	body := "<methodCall>system.multicall" + strings.Repeat("<guess/>", 500)
	if code, _ := d.knock("192.0.2.1", 0, "wordpress", "/xmlrpc.php", body); code != 200 {
		t.Fatal(code)
	}
	code, retry := d.knock("192.0.2.1", 0, "wordpress", "/xmlrpc.php", "<methodCall>")
	if code != 429 || retry < 30*time.Minute {
		t.Errorf("after 500 guesses: %d, retry after %v", code, retry)
	}
	if code, _ := d.knock("192.0.2.1", exchange.Author, "wordpress", "/wp-json/wp/v2/users/me", "", "editor", "right"); code != 200 {
		t.Errorf("a program with a witnessed password from there: %d", code)
	}
}

func TestRestPasswords(t *testing.T) {
	d := newDoor()
	for n := range 10 {
		if code, _ := d.knock("192.0.2.1", 0, "wordpress", "/wp-json/wp/v2/users/me", "", fmt.Sprint("u", n), "guess"); code != 401 {
			t.Fatal(code)
		}
	}
	if code, _ := d.knock("192.0.2.1", 0, "wordpress", "/wp-json/wp/v2/users/me", "", "admin", "right"); code != 429 {
		t.Errorf("%d", code)
	}
}

func TestManyGuessesAtOnce(t *testing.T) {
	d := newDoor()
	inside := make(chan struct{})
	var held sync.WaitGroup
	d.h = d.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		held.Done()
		<-inside
		site(w, r)
	}))
	held.Add(10)
	var done sync.WaitGroup
	codes := make(chan int, 40)
	for n := range 10 {
		done.Go(func() { code, _ := d.login("192.0.2.1", fmt.Sprint("u", n), "guess"); codes <- code })
	}
	held.Wait()
	for range 30 {
		code, _ := d.login("192.0.2.1", "admin", "guess")
		codes <- code
	}
	close(inside)
	done.Wait()
	close(codes)
	n := map[int]int{}
	for c := range codes {
		n[c]++
	}
	if n[429] != 30 || n[200] != 10 {
		t.Errorf("answers %v", n)
	}
}

func TestDetectModeOnlyTells(t *testing.T) {
	d := newDoor()
	d.mode = config.Detect
	for range 30 {
		if code, _ := d.login("192.0.2.1", "admin", "guess"); code != 200 {
			t.Fatal(code)
		}
	}
	if len(d.events) != 1 || d.events[0].Action != event.Detected {
		t.Errorf("events %v", d.events)
	}
}

func TestOtherLoginForms(t *testing.T) {
	for _, tc := range []struct {
		profile, target, body string
		answer                string // JSON; a page when empty
		tries                 int    // until the limit
	}{
		{"drupal", "/user/login", "name=admin&pass=guess", "", 10},
		{"opencart", "/admin/index.php?route=common/login", "username=admin&password=guess", "", 10},
		{"opencart", "/admin/index.php?route=common/login.login&login_token=0", "username=admin&password=guess&redirect=", `{"error":"No match for Username and\/or Password."}`, 10},
		{"opencart", "/index.php?route=account/login.login&login_token=0", "email=a&password=guess", `{"error":{"warning":"Warning: No match"}}`, 10},
		{"opencart", "/admin/index.php?route=common/login.login&login_token=0", "username=admin&password=right", `{"redirect":"https:\/\/a\/admin\/index.php"}`, 100},
		{"joomla", "/administrator/index.php", "username=admin&passwd=guess&task=login", "", 30},
		{"bitrix", "/bitrix/admin/index.php?login=yes", "TYPE=AUTH&USER_LOGIN=admin&USER_PASSWORD=guess", "", 30},
		{"wordpress", "/my-account/", "username=admin&password=guess&woocommerce-login-nonce=1", "", 10},
	} {
		d := newDoor()
		d.h = d.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			if tc.answer != "" {
				w.Header().Set("Content-Type", "application/json")
				_, _ = io.WriteString(w, tc.answer)
			}
		}))
		n := 0
		for ; n < 100; n++ {
			if code, _ := d.knock("192.0.2.1", 0, tc.profile, tc.target, tc.body); code == 429 {
				break
			}
		}
		if n < tc.tries-1 || n > tc.tries+1 {
			t.Errorf("%s: refused after %d tries, want %d", tc.profile, n, tc.tries)
		}
	}
}

func TestBodyReachesTheSiteWhole(t *testing.T) {
	d := newDoor()
	var got string
	d.h = d.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		got = string(raw)
	}))
	for _, body := range []string{"", "log=a&pwd=b", "log=a&pwd=" + strings.Repeat("x", 3*lookAtForm)} {
		d.knock("192.0.2.1", 0, "wordpress", "/wp-login.php", body)
		if got != body {
			t.Errorf("%d bytes became %d", len(body), len(got))
		}
	}
}

func TestMemoryIsBounded(t *testing.T) {
	b := newBuckets(byClient, 1000, time.Now)
	for n := range uint64(20_000) {
		b.spend(n+1, 1)
	}
	if b.len() > 1000 {
		t.Errorf("%d keys", b.len())
	}
}

func BenchmarkPageView(b *testing.B) {
	d := New(Options{Record: func(event.Event) {}})
	x := &exchange.Exchange{Site: &config.Site{Name: "a"}, Profile: "wordpress", Target: "/"}
	r := httptest.NewRequest("GET", "/", nil)
	r = r.WithContext(exchange.With(r.Context(), x))
	n := 0
	h := d.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { n++ }))
	w := httptest.NewRecorder()
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(w, r)
	}
	if n == 0 {
		b.Fatal("refused")
	}
}
