package console

import (
	"encoding/base32"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestTOTP are the examples of RFC 6238, appendix B, cut to six digits.
func TestTOTP(t *testing.T) {
	secret := []byte("12345678901234567890")
	for at, want := range map[int64]string{59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037", 20000000000: "353130"} {
		if got := totpCode(secret, at/30); got != want {
			t.Errorf("at %d: %s; want %s", at, got, want)
		}
		if at < 60 {
			continue // there is no time before it
		}
		for shift, ok := range map[int64]bool{0: true, 30: true, -30: true, 60: false, -60: false} {
			if _, got := totpMatch(secret, want, time.Unix(at+shift, 0)); got != ok {
				t.Errorf("the code of %d, %d s later: %v", at, shift, got)
			}
		}
	}
	if _, ok := totpMatch(secret, "", time.Unix(59, 0)); ok {
		t.Error("no code is a code")
	}
}

// withSecond signs in and sets the second step up; it returns the secret and
// the recovery codes.
func (s *site) withSecond() (secret []byte, codes []string) {
	s.t.Helper()
	s.signedIn()
	if a := s.post("/account/authenticator/begin", url.Values{"old": {"wrong"}}); a.StatusCode != http.StatusUnprocessableEntity {
		s.t.Errorf("without the password: %s", a.Status)
	}
	a := s.post("/account/authenticator/begin", url.Values{"old": {goodPassword}})
	m := regexp.MustCompile(`class="secret">([A-Z2-7 ]+)<`).FindStringSubmatch(a.body)
	if a.StatusCode != http.StatusOK || m == nil || !strings.Contains(a.body, `<path d="M`) {
		s.t.Fatalf("begin: %s", a.Status)
	}
	secret, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ReplaceAll(m[1], " ", ""))
	if err != nil {
		s.t.Fatal(err)
	}
	if a := s.post("/account/authenticator", url.Values{"code": {"000"}}); a.StatusCode != http.StatusUnprocessableEntity {
		s.t.Errorf("a wrong first code: %s", a.Status)
	}
	a = s.post("/account/authenticator", url.Values{"code": {s.codeNow(secret)}})
	for _, m := range regexp.MustCompile(`<li><code>([a-z2-7-]+)</code>`).FindAllStringSubmatch(a.body, -1) {
		codes = append(codes, m[1])
	}
	if a.StatusCode != http.StatusOK || len(codes) != recoveryCount {
		s.t.Fatalf("add: %s, %d recovery codes", a.Status, len(codes))
	}
	return secret, codes
}

func (s *site) codeNow(secret []byte) string { return totpCode(secret, s.now().Unix()/30) }

func TestSecondStep(t *testing.T) {
	s := newSite(t)
	at := time.Now()
	s.now = func() time.Time { return at }
	secret, codes := s.withSecond()
	first := s.codeNow(secret)
	password := func() {
		t.Helper()
		s.client = s.browser()
		a := s.post("/sign-in", url.Values{"name": {"admin"}, "password": {goodPassword}, "to": {"/sites"}})
		if a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != "/sign-in/code?to=%2Fsites" {
			t.Fatalf("password: %s to %s", a.Status, a.Header.Get("Location"))
		}
		if a := s.get("/"); a.StatusCode == http.StatusOK {
			t.Fatal("the password alone signs in")
		}
		if a := s.get("/sign-in/code?to=%2Fsites"); a.StatusCode != http.StatusOK {
			t.Fatalf("the second step: %s", a.Status)
		}
	}
	code := func(code string) answer { return s.post("/sign-in/code", url.Values{"code": {code}, "to": {"/sites"}}) }

	password()
	for _, wrong := range []string{"", "000000", first, "aaaa-bbbb-cccc-dddd", strings.Repeat("1", 100)} { // first was used to set up
		if a := code(wrong); a.StatusCode != http.StatusUnauthorized {
			t.Errorf("code %q: %s", wrong, a.Status)
		}
	}
	at = at.Add(totpStep)
	if a := code(s.codeNow(secret)); a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != "/sites" {
		t.Fatalf("the right code: %s", a.Status)
	}
	if a := s.get("/"); a.StatusCode != http.StatusOK {
		t.Errorf("after both steps: %s", a.Status)
	}
	if a := code(s.codeNow(secret)); a.Header.Get("Location") != "/sign-in" {
		t.Errorf("a ceremony twice: %s to %q", a.Status, a.Header.Get("Location"))
	}
	password()
	if a := code(s.codeNow(secret)); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("a code twice: %s", a.Status)
	}
	at = at.Add(time.Hour)
	password()
	if a := code(strings.ToUpper(strings.ReplaceAll(codes[3], "-", " "))); a.StatusCode != http.StatusSeeOther {
		t.Errorf("a recovery code: %s", a.Status)
	}
	password()
	if a := code(codes[3]); a.StatusCode != http.StatusUnauthorized {
		t.Errorf("a recovery code twice: %s", a.Status)
	}
	password()
	at = at.Add(secondLife + time.Second)
	if a := code(s.codeNow(secret)); a.Header.Get("Location") != "/sign-in" {
		t.Errorf("after its time: %s to %q", a.Status, a.Header.Get("Location"))
	}
}

func TestSecondStepIsThrottled(t *testing.T) {
	s := newSite(t)
	at := time.Now()
	s.now = func() time.Time { return at }
	s.withSecond()
	s.client = s.browser()
	for i := range secondBurst + 1 {
		if i%5 == 0 { // the password again does not begin anew
			at = at.Add(nameEvery)
			s.post("/sign-in", url.Values{"name": {"admin"}, "password": {goodPassword}})
		}
		a := s.post("/sign-in/code", url.Values{"code": {fmt.Sprintf("%06d", i)}})
		if want := map[bool]int{true: http.StatusTooManyRequests, false: http.StatusUnauthorized}[i == secondBurst]; a.StatusCode != want {
			t.Errorf("attempt %d: %s", i, a.Status)
		}
	}
}

func TestSecondStepIsTakenAway(t *testing.T) {
	s := newSite(t)
	_, old := s.withSecond()
	a := s.post("/account/recovery", url.Values{"old": {goodPassword}})
	if a.StatusCode != http.StatusOK || strings.Contains(a.body, old[0]) {
		t.Errorf("new recovery codes: %s", a.Status)
	}
	if a := s.post("/account/authenticator/remove", url.Values{"old": {"wrong"}}); a.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("without the password: %s", a.Status)
	}
	if a := s.post("/account/authenticator/remove", url.Values{"old": {goodPassword}}); a.StatusCode != http.StatusSeeOther {
		t.Errorf("remove: %s", a.Status)
	}
	s.client = s.browser()
	if a := s.post("/sign-in", url.Values{"name": {"admin"}, "password": {goodPassword}, "to": {"/"}}); a.Header.Get("Location") != "/" {
		t.Errorf("sign in without: to %q", a.Header.Get("Location"))
	}
}
