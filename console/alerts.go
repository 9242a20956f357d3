package console

import (
	"crypto/rand"
	"errors"
	"net/http"
	"net/mail"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/qorgan/qorgan/console/alerts"
	"github.com/qorgan/qorgan/console/store"
)

// What one console keeps of each at most.
const (
	maxChannels   = 20
	maxAlertRules = 50
)

// alertKinds is the order in which kinds of alerts stand on the page.
var alertKinds = []store.AlertKind{store.OnClient, store.OnSite, store.OnCertificate, store.OnEdge, store.OnLoss}

// firstKinds are the kinds of the rules that come with the first channel: what
// nobody wants to miss, and nothing that a busy day brings.
var firstKinds = []store.AlertKind{store.OnSite, store.OnCertificate, store.OnEdge, store.OnLoss}

type alertsPage struct {
	frame
	Channels []channelCard
	Rules    []alertLine
	Forms    []alertForm
	Sites    []string // to choose from
	Mail     bool     // a mail server is configured
	Telegram bool
	Address  string // as it was typed, when it was wrong
	Error    string // key
	Done     string // key
	Secret   string // of the webhook that was made just now; shown once
}

// channelCard is a channel with what needs somebody.
type channelCard struct {
	store.Channel
	Failing bool
	Quiet   string // 22:00
	Loud    string
	Reads   string // the language, in itself
}

// alertLine is a rule in words.
type alertLine struct {
	ID     int64
	Text   string
	Urgent bool
	Person string
	Made   time.Time
}

// alertForm is a sentence with blanks, which makes a rule.
type alertForm struct {
	Kind   store.AlertKind
	Parts  []formPart
	Urgent bool
}

// formPart is text, or a blank.
type formPart struct {
	Text  string
	Blank string // count, within or site
	Value int64
	Max   int64
}

func (s *Server) alerts(w http.ResponseWriter, r *http.Request, v *visit) error {
	page := &alertsPage{}
	switch r.FormValue("done") {
	case "removed":
		page.Done = "alerts.removed"
	case "added":
		page.Done = "alerts.added"
	case "tried":
		page.Done = "alerts.tried"
	}
	return s.renderAlerts(w, r, v, http.StatusOK, page)
}

// addChannel takes an address of any kind: which it is shows in how it is
// written.
func (s *Server) addChannel(w http.ResponseWriter, r *http.Request, v *visit) error {
	ctx, address := r.Context(), strings.TrimSpace(r.PostFormValue("address"))
	refuse := func(key string) error {
		return s.renderAlerts(w, r, v, http.StatusUnprocessableEntity, &alertsPage{Error: key, Address: address})
	}
	c := store.Channel{Address: address, Language: v.words.Tag, Person: v.session.Person.Name, Made: s.now().UTC()}
	if l := s.words.byTag(r.PostFormValue("language")); l != nil {
		c.Language = l.Tag
	}
	var err error
	if c.Kind, err = s.channelKind(address); err != nil {
		return refuse(err.Error())
	}
	from, okFrom := minuteOfDay(r.PostFormValue("quiet"))
	to, okTo := minuteOfDay(r.PostFormValue("loud"))
	if !okFrom || !okTo {
		return refuse("alerts.wrong-quiet")
	}
	c.Quiet, c.Loud = from, to
	if c.Kind == store.ByWebhook {
		c.Secret = make([]byte, 32)
		rand.Read(c.Secret) // never fails
	}
	all, err := s.db.Channels(ctx, v.scope)
	if err != nil {
		return err
	}
	if len(all) >= maxChannels {
		return refuse("alerts.too-many")
	}
	if slices.ContainsFunc(all, func(o store.Channel) bool { return o.Kind == c.Kind && o.Address == c.Address }) {
		return refuse("alerts.there-already")
	}
	if _, err := s.db.InsertChannel(ctx, v.scope, c); err != nil {
		return err
	}
	s.act(r, v.session.Person, actAddChannel, string(c.Kind)+" "+c.Address)
	if err := s.firstRules(r, v); err != nil {
		return err
	}
	if c.Kind == store.ByWebhook {
		return s.renderAlerts(w, r, v, http.StatusOK, &alertsPage{Secret: alerts.WebhookSecret(c.Secret)})
	}
	http.Redirect(w, r, "/alerts?done=added", http.StatusSeeOther)
	return nil
}

// firstRules makes the rules that come with the first channel, when there are
// none.
func (s *Server) firstRules(r *http.Request, v *visit) error {
	rules, err := s.db.AlertRules(r.Context(), v.scope)
	if err != nil || len(rules) > 0 {
		return err
	}
	for _, kind := range firstKinds {
		rule := alerts.Rule(kind)
		rule.Person, rule.Made = v.session.Person.Name, s.now().UTC()
		if err := s.db.InsertAlertRule(r.Context(), v.scope, rule); err != nil {
			return err
		}
	}
	return nil
}

// channelKind reads an address. The error is a key of words.
func (s *Server) channelKind(address string) (store.ChannelKind, error) {
	u, err := url.Parse(address)
	number, notNumber := strconv.ParseInt(address, 10, 64)
	switch {
	case len(address) > 300:
	case strings.Contains(address, "@") && !strings.Contains(address, "/"):
		if a, err := mail.ParseAddress(address); err == nil && a.Address == address {
			if s.options.Post.Mail.Server == "" {
				return "", errors.New("alerts.no-mail")
			}
			return store.ByMail, nil
		}
	case notNumber == nil && number != 0:
		if s.options.Post.Telegram.Token.Reveal() == "" {
			return "", errors.New("alerts.no-telegram")
		}
		return store.ByTelegram, nil
	case err == nil && u.Scheme == "https" && u.Hostname() != "" && u.User == nil:
		return store.ByWebhook, nil
	default:
		if _, _, err := alerts.ParseSyslog(address); err == nil {
			return store.BySyslog, nil
		}
	}
	return "", errors.New("alerts.wrong-address")
}

// minuteOfDay reads 22:00; nothing is midnight.
func minuteOfDay(text string) (int, bool) {
	if text == "" {
		return 0, true
	}
	t, err := time.Parse("15:04", text)
	return t.Hour()*60 + t.Minute(), err == nil
}

func (s *Server) removeChannel(w http.ResponseWriter, r *http.Request, v *visit) error {
	c, err := s.channel(r, v)
	if err != nil {
		return err
	}
	if err := s.db.DeleteChannel(r.Context(), v.scope, c.ID); err != nil {
		return err
	}
	s.act(r, v.session.Person, actRemoveChannel, string(c.Kind)+" "+c.Address)
	http.Redirect(w, r, "/alerts?done=removed", http.StatusSeeOther)
	return nil
}

// tryChannel sends a letter now and shows whether it was taken.
func (s *Server) tryChannel(w http.ResponseWriter, r *http.Request, v *visit) error {
	c, err := s.channel(r, v)
	if err != nil {
		return err
	}
	if err := s.desk.Try(r.Context(), c, s.trial(c)); err != nil {
		s.log.Warn().Err(err).Int64("channel", c.ID).Msg("a trial alert could not be delivered")
		return s.renderAlerts(w, r, v, http.StatusBadGateway, &alertsPage{Error: "alerts.cause." + alerts.Cause(err)})
	}
	http.Redirect(w, r, "/alerts?done=tried", http.StatusSeeOther)
	return nil
}

// channel returns the one that the path names.
func (s *Server) channel(r *http.Request, v *visit) (store.Channel, error) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		return store.Channel{}, errNotFound
	}
	all, err := s.db.Channels(r.Context(), v.scope)
	if err != nil {
		return store.Channel{}, err
	}
	i := slices.IndexFunc(all, func(c store.Channel) bool { return c.ID == id })
	if i < 0 {
		return store.Channel{}, errNotFound
	}
	return all[i], nil
}

func (s *Server) addAlert(w http.ResponseWriter, r *http.Request, v *visit) error {
	kind := store.AlertKind(r.PostFormValue("kind"))
	if !slices.Contains(alertKinds, kind) {
		return errBadInput
	}
	rule := alerts.Rule(kind)
	rule.Urgent, rule.Person, rule.Made = r.PostFormValue("urgent") != "", v.session.Person.Name, s.now().UTC()
	for _, p := range alertParts(s.words.languages[0], kind) {
		if p.Blank == "" {
			continue
		}
		text := strings.TrimSpace(r.PostFormValue(p.Blank))
		if p.Blank == "site" {
			if len(text) > 253 {
				return errBadInput
			}
			rule.Site = text
			continue
		}
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 1 || n > p.Max {
			return errBadInput
		}
		if p.Blank == "count" {
			rule.Count = n
		} else {
			rule.Within = time.Duration(n) * unitOf(kind)
		}
	}
	all, err := s.db.AlertRules(r.Context(), v.scope)
	if err != nil {
		return err
	}
	if len(all) >= maxAlertRules {
		return s.renderAlerts(w, r, v, http.StatusUnprocessableEntity, &alertsPage{Error: "alerts.too-many"})
	}
	if err := s.db.InsertAlertRule(r.Context(), v.scope, rule); err != nil {
		return err
	}
	s.act(r, v.session.Person, actAddAlert, ruleText(s.words.languages[0], rule))
	http.Redirect(w, r, "/alerts?done=added#rules", http.StatusSeeOther)
	return nil
}

func (s *Server) removeAlert(w http.ResponseWriter, r *http.Request, v *visit) error {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		return errNotFound
	}
	if err := s.db.DeleteAlertRule(r.Context(), v.scope, id); err != nil {
		return err
	}
	s.act(r, v.session.Person, actRemoveAlert, strconv.FormatInt(id, 10))
	http.Redirect(w, r, "/alerts?done=removed#rules", http.StatusSeeOther)
	return nil
}

func (s *Server) renderAlerts(w http.ResponseWriter, r *http.Request, v *visit, status int, page *alertsPage) error {
	channels, err := s.db.Channels(r.Context(), v.scope)
	if err != nil {
		return err
	}
	rules, err := s.db.AlertRules(r.Context(), v.scope)
	if err != nil {
		return err
	}
	for _, c := range channels {
		card := channelCard{Channel: c, Failing: c.Tries > 0}
		if c.Quiet != c.Loud {
			card.Quiet, card.Loud = clockOf(c.Quiet), clockOf(c.Loud)
		}
		if l := s.words.byTag(c.Language); l != nil {
			card.Reads = l.Name
		}
		page.Channels = append(page.Channels, card)
	}
	for _, rule := range rules {
		page.Rules = append(page.Rules, alertLine{ID: rule.ID, Text: ruleText(v.words, rule), Urgent: rule.Urgent, Person: rule.Person, Made: rule.Made})
	}
	for _, kind := range alertKinds {
		page.Forms = append(page.Forms, alertForm{Kind: kind, Parts: alertParts(v.words, kind), Urgent: alerts.Rule(kind).Urgent})
	}
	sites, err := s.ownSites(r, v)
	if err != nil {
		return err
	}
	for _, site := range sites[:min(len(sites), maxDatalist)] {
		page.Sites = append(page.Sites, site.Name)
	}
	page.Mail, page.Telegram = s.options.Post.Mail.Server != "", s.options.Post.Telegram.Token.Reveal() != ""
	page.Section = "account"
	s.render(w, r, v, status, "alerts", page)
	return nil
}

// maxDatalist is the most sites that a field offers.
const maxDatalist = 200

func clockOf(minute int) string {
	return time.Date(0, 1, 1, minute/60, minute%60, 0, 0, time.UTC).Format("15:04")
}

// unitOf is what the blank "within" counts in.
func unitOf(kind store.AlertKind) time.Duration {
	if kind == store.OnCertificate {
		return 24 * time.Hour
	}
	return time.Minute
}

// ruleText says a rule.
func ruleText(l *language, r store.AlertRule) string {
	where := l.T("alerts.any-site")
	if r.Site != "" {
		where = l.T("alerts.on-site", "name", r.Site)
	}
	return l.T("alerts.rule."+string(r.Kind), "count", l.Number(r.Count), "within", l.Number(int64(r.Within/unitOf(r.Kind))), "site", where)
}

// alertParts is the sentence of a kind with its blanks.
func alertParts(l *language, kind store.AlertKind) (parts []formPart) {
	usual := alerts.Rule(kind)
	rest := l.T("alerts.rule." + string(kind))
	for rest != "" {
		text, after, found := strings.Cut(rest, "{")
		if text != "" {
			parts = append(parts, formPart{Text: text})
		}
		if !found {
			return parts
		}
		blank, after, _ := strings.Cut(after, "}")
		p := formPart{Blank: blank}
		switch blank {
		case "count":
			p.Value, p.Max = usual.Count, 1_000_000
		case "within":
			p.Value, p.Max = int64(usual.Within/unitOf(kind)), int64(alerts.Longest/time.Minute)
			if kind == store.OnEdge {
				p.Max = 24 * 60
			}
		}
		parts, rest = append(parts, p), after
	}
	return parts
}
