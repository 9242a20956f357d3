package console

import (
	"net/url"
	"strings"

	"github.com/qorgan/qorgan/console/alerts"
	"github.com/qorgan/qorgan/console/store"
)

// openDesk makes the desk that tells alerts.
func (s *Server) openDesk() (err error) {
	s.desk, err = alerts.New(alerts.Options{Store: s.db, Post: s.options.Post, Write: s.writeLetter, Certificates: s.endOfCertificates,
		Location: s.options.Location, Logger: s.options.Logger.With().Str("part", "alerts").Logger()})
	return err
}

// writeLetter puts news into the words of whoever reads the channel.
func (s *Server) writeLetter(c store.Channel, news []store.News, more int) alerts.Letter {
	words := s.channelWords(c)
	var l alerts.Letter
	var text strings.Builder
	for _, n := range news {
		item := alerts.Item{Kind: n.Kind, Site: n.Site, Object: n.Object, Count: n.Count, Over: n.Over,
			Text: newsText(words, n), URL: s.URL() + newsPath(n)}
		l.Items = append(l.Items, item)
		text.WriteString(item.Text + "\n" + item.URL + "\n\n")
	}
	l.More = more
	if more > 0 {
		text.WriteString(words.N("letter.more", int64(more)) + "\n\n")
	}
	text.WriteString(words.T("letter.why") + " " + s.URL() + "/alerts\n")
	l.Text = text.String()
	switch total := len(news) + more; {
	case total == 1:
		l.Subject = words.T("letter.subject", "text", l.Items[0].Text)
	default:
		l.Subject = words.N("letter.subject-several", int64(total))
	}
	return l
}

// trial is a letter that only shows that letters arrive.
func (s *Server) trial(c store.Channel) alerts.Letter {
	words := s.channelWords(c)
	text := words.T("letter.trial")
	return alerts.Letter{Subject: words.T("letter.subject", "text", text), Text: text + "\n" + s.URL() + "/alerts\n",
		Items: []alerts.Item{{Kind: "trial", Text: text, URL: s.URL() + "/alerts"}}}
}

func (s *Server) channelWords(c store.Channel) *language {
	if l := s.words.byTag(c.Language); l != nil {
		return l
	}
	return s.words.languages[0]
}

func newsText(words *language, n store.News) string {
	key := "letter." + string(n.Kind)
	if n.Over {
		key += "-over"
	}
	where := ""
	if n.Kind == store.OnClient && n.Site != "" {
		where = " " + words.T("alerts.on-site", "name", n.Site)
	}
	return words.N(key, n.Count, "object", n.Object, "site", where, "time", words.N("letter.minutes", int64(n.Within/unitOf(n.Kind))))
}

// newsPath leads to what the news is about.
func newsPath(n store.News) string {
	switch n.Kind {
	case store.OnClient:
		return listURL(filters{Span: "day", Client: n.Object, Site: n.Site})
	case store.OnSite:
		return listURL(filters{Span: "day", Site: n.Object})
	case store.OnCertificate:
		return "/sites#certificates"
	case store.OnEdge:
		if _, id, found := strings.Cut(n.Object, " ("); found {
			return "/edges#" + url.PathEscape(strings.TrimSuffix(id, ")"))
		}
		return "/edges"
	}
	return "/"
}
