package console

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/console/alerts"
	"github.com/qorgan/qorgan/console/store"
)

func TestAlerts(t *testing.T) {
	s := newSite(t).signedIn()
	s.options.Post = alerts.Post{Mail: config.Mail{Server: "127.0.0.1:1", From: "qorgan@example.kz"}}
	if err := s.openDesk(); err != nil {
		t.Fatal(err)
	}
	if a := s.get("/alerts"); !strings.Contains(a.body, "Nobody is told anything yet") {
		t.Fatalf("%s\n%s", a.Status, a.body)
	}
	for address, status := range map[string]int{
		"": 422, "nobody": 422, "a@b@c": 422, "0": 422, "http://example.kz/": 422, "https://u:p@example.kz/": 422, "tls://host": 422,
		"-100123":          422, // no bot is configured
		"owner@example.kz": 303, "tls://log.example.kz:6514": 303,
	} {
		if a := s.post("/alerts/channels", url.Values{"address": {address}, "language": {"kk"}, "quiet": {"22:00"}, "loud": {"07:00"}}); a.StatusCode != status {
			t.Errorf("%q: %s", address, a.Status)
		}
	}
	if a := s.post("/alerts/channels", url.Values{"address": {"owner@example.kz"}}); a.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(a.body, "told already") {
		t.Errorf("twice: %s", a.Status)
	}
	if a := s.post("/alerts/channels", url.Values{"address": {"x@example.kz"}, "quiet": {"late"}}); a.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("with quiet hours that are none: %s", a.Status)
	}
	a := s.post("/alerts/channels", url.Values{"address": {"https://example.kz/hook"}})
	secret := regexp.MustCompile(`whsec_[A-Za-z0-9+/=&#;]{40,}`).FindString(a.body)
	if a.StatusCode != http.StatusOK || secret == "" {
		t.Fatalf("a webhook: %s", a.Status)
	}
	page := s.get("/alerts").body
	for _, want := range []string{"owner@example.kz", "Қазақша", "quiet from 22:00 until 07:00", "nothing told yet",
		"More than 1,000 refusals within 10 min on any site", "A certificate runs out within 10 days", "An edge is silent for 15 min"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if strings.Contains(page, secret) {
		t.Error("the secret is shown again")
	}

	for _, form := range []url.Values{
		{"kind": {"other"}},
		{"kind": {"client"}, "count": {"0"}, "within": {"1"}},
		{"kind": {"client"}, "count": {"5"}, "within": {"61"}},
		{"kind": {"client"}, "count": {"five"}, "within": {"1"}},
	} {
		if a := s.post("/alerts/rules", form); a.StatusCode != http.StatusBadRequest {
			t.Errorf("%v: %s", form, a.Status)
		}
	}
	if a := s.post("/alerts/rules", url.Values{"kind": {"client"}, "count": {"5"}, "within": {"2"}, "site": {"<b>kitap.kz"}, "urgent": {"1"}}); a.StatusCode != http.StatusSeeOther {
		t.Fatal(a.Status)
	}
	if page := s.get("/alerts").body; !strings.Contains(page, "More than 5 refusals of one client within 2 min on &lt;b&gt;kitap.kz") {
		t.Error("the rule is not there")
	}
	rules, err := s.db.AlertRules(t.Context(), store.Whole())
	if err != nil || len(rules) != 5 || !rules[4].Urgent || rules[4].Person != "admin" {
		t.Fatalf("%+v, %v", rules, err)
	}
	channels, err := s.db.Channels(t.Context(), store.Whole())
	if err != nil || len(channels) != 3 {
		t.Fatalf("%+v, %v", channels, err)
	}
	mail := channels[slices.IndexFunc(channels, func(c store.Channel) bool { return c.Kind == store.ByMail })]
	if a := s.post("/alerts/channels/"+strconv.FormatInt(mail.ID, 10)+"/try", nil); a.StatusCode != http.StatusBadGateway || !strings.Contains(a.body, "cannot be reached") {
		t.Errorf("a test to a mail server that is off: %s", a.Status)
	}
	for _, path := range []string{"/alerts/channels/" + strconv.FormatInt(mail.ID, 10) + "/remove", "/alerts/rules/" + strconv.FormatInt(rules[4].ID, 10) + "/remove"} {
		if a := s.post(path, nil); a.StatusCode != http.StatusSeeOther {
			t.Errorf("%s: %s", path, a.Status)
		}
		if a := s.post(path, nil); a.StatusCode != http.StatusNotFound {
			t.Errorf("%s again: %s", path, a.Status)
		}
	}
	trail := s.get("/trail").body
	for _, want := range []string{"has alerts sent to", "has alerts no longer sent to", "added the alert", "removed the alert"} {
		if !strings.Contains(trail, want) {
			t.Errorf("the trail does not say %q", want)
		}
	}
}

// TestLetters holds what is told in every language.
func TestLetters(t *testing.T) {
	s := newSite(t)
	s.options.BaseURL = "https://console.example.kz"
	at := time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)
	news := []store.News{
		{Kind: store.OnClient, Object: "203.0.113.1", Site: "shop.kz", Count: 61, Within: time.Minute, At: at},
		{Kind: store.OnSite, Object: "shop.kz", Count: 1001, Within: 10 * time.Minute, At: at},
		{Kind: store.OnCertificate, Object: "shop.kz", At: at},
		{Kind: store.OnEdge, Object: "almaty (0192-id)", Over: true, At: at},
		{Kind: store.OnLoss, Count: 2, At: at},
	}
	for _, test := range []struct{ language, subject, text string }{
		{"en", "Qorgan: 8 pieces of news", `Client 203.0.113.1 was refused 61 times in 1 minute on shop.kz.
https://console.example.kz/incidents?client=203.0.113.1&site=shop.kz&span=day

On shop.kz 1,001 requests were refused in 10 minutes.
https://console.example.kz/incidents?site=shop.kz&span=day

The certificate of shop.kz runs out soon, or browsers refuse it already.
https://console.example.kz/sites#certificates

Edge almaty (0192-id) is heard again.
https://console.example.kz/edges#0192-id

2 reports were lost.
https://console.example.kz/

And 3 more.

You get this because of an alert: https://console.example.kz/alerts
`},
		{"ru", "Qorgan: 8 новостей", "Клиент 203.0.113.1 получил 61 отказ за 1 минуту на shop.kz.\n"},
		{"kk", "Qorgan: 8 жаңалық", "203.0.113.1 клиентіне shop.kz сайтында 1 минутта 61 рет бас тартылды.\n"},
	} {
		l := s.writeLetter(store.Channel{Language: test.language}, news, 3)
		if l.Subject != test.subject || !strings.HasPrefix(l.Text, test.text) {
			t.Errorf("%s: %s\n%s", test.language, l.Subject, l.Text)
		}
	}
	if l := s.writeLetter(store.Channel{Language: "en"}, news[4:], 0); l.Subject != "Qorgan: 2 reports were lost." {
		t.Errorf("of one: %s", l.Subject)
	}
}
