package console

import (
	"bufio"
	"embed"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	lang "golang.org/x/text/language"

	"github.com/qorgan/qorgan/console/store"
)

// The words of every page, one file a language: "key = text" a line. {name}
// is filled in; forms for different numbers stand side by side, separated by
// "|", in the order in which the language counts.
//
//go:embed words/*.txt
var wordFiles embed.FS

const languageCookie = "qorgan_language"

// words is every language the console speaks.
type words struct {
	languages []*language // the first is the default
	matcher   lang.Matcher
}

// language is one language.
type language struct {
	Tag    string
	Name   string // in itself
	texts  map[string]string
	plural func(n int64) int // which of the forms
	group  string            // between thousands
	tag    lang.Tag
}

// loadWords reads the embedded files.
func loadWords() (*words, error) {
	one := func(n int64) int { return 0 }
	two := func(n int64) int {
		if n == 1 {
			return 0
		}
		return 1
	}
	slavic := func(n int64) int { // Unicode CLDR, Russian
		switch {
		case n%10 == 1 && n%100 != 11:
			return 0
		case n%10 >= 2 && n%10 <= 4 && (n%100 < 12 || n%100 > 14):
			return 1
		}
		return 2
	}
	w := &words{languages: []*language{
		{Tag: "en", Name: "English", plural: two, group: ","},
		{Tag: "ru", Name: "Русский", plural: slavic, group: "\u202f"},
		{Tag: "kk", Name: "Қазақша", plural: one, group: "\u202f"},
	}}
	var tags []lang.Tag
	for _, l := range w.languages {
		text, err := wordFiles.ReadFile("words/" + l.Tag + ".txt")
		if err != nil {
			return nil, err
		}
		if l.texts, err = parseWords(string(text)); err != nil {
			return nil, fmt.Errorf("words/%s.txt: %w", l.Tag, err)
		}
		l.tag = lang.MustParse(l.Tag)
		tags = append(tags, l.tag)
	}
	w.matcher = lang.NewMatcher(tags)
	return w, nil
}

func parseWords(text string) (map[string]string, error) {
	texts := map[string]string{}
	lines := bufio.NewScanner(strings.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, value, found := strings.Cut(line, "=")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		if !found || key == "" || value == "" {
			return nil, fmt.Errorf("line %d: want key = text", n)
		}
		if texts[key] != "" {
			return nil, fmt.Errorf("line %d: %s is there twice", n, key)
		}
		texts[key] = value
	}
	return texts, lines.Err()
}

func (w *words) byTag(tag string) *language {
	for _, l := range w.languages {
		if l.Tag == tag {
			return l
		}
	}
	return nil
}

// choose returns the language of a request: the person's, the browser's
// choice made here, its Accept-Language.
func (w *words) choose(r *http.Request, session *store.Session) *language {
	if session != nil {
		if l := w.byTag(session.Person.Language); l != nil {
			return l
		}
	}
	if c, err := r.Cookie(languageCookie); err == nil {
		if l := w.byTag(c.Value); l != nil {
			return l
		}
	}
	wanted, _, err := lang.ParseAcceptLanguage(r.Header.Get("Accept-Language"))
	if err != nil || len(wanted) == 0 {
		return w.languages[0]
	}
	_, i, _ := w.matcher.Match(wanted...)
	return w.languages[i]
}

// T returns the text for a key, with args filled in: a name, its value, and
// so on. An unknown key is shown as it is; a test keeps that from happening.
func (l *language) T(key string, args ...any) string {
	text, ok := l.texts[key]
	if !ok {
		return "⟨" + key + "⟩"
	}
	return l.fill(text, args)
}

// N returns the text for a key in the form that n asks for; {n} is n.
func (l *language) N(key string, n int64, args ...any) string {
	forms := strings.Split(l.T(key), "|")
	form := forms[min(l.plural(n), len(forms)-1)]
	return l.fill(form, append([]any{"n", l.Number(n)}, args...))
}

func (l *language) has(key string) bool { return l.texts[key] != "" }

func (l *language) fill(text string, args []any) string {
	if len(args) == 0 {
		return text
	}
	pairs := make([]string, 0, len(args))
	for i := 0; i+1 < len(args); i += 2 {
		pairs = append(pairs, "{"+fmt.Sprint(args[i])+"}", fmt.Sprint(args[i+1]))
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// Number writes a number with its thousands apart.
func (l *language) Number(n int64) string {
	s := strconv.FormatInt(n, 10)
	first := len(s) % 3
	if len(s) < 5 && l.group != "," { // 1234, but 12 345
		return s
	}
	var b strings.Builder
	for i, c := range s {
		if i > 0 && (i-first)%3 == 0 && s[i-1] != '-' {
			b.WriteString(l.group)
		}
		b.WriteRune(c)
	}
	return b.String()
}

// Clock writes a time of day.
func (l *language) Clock(t time.Time) string { return t.Format("15:04") }

// Day writes a day, without its year when that is now's.
func (l *language) Day(t, now time.Time) string {
	day := l.T("date.day", "day", t.Day(), "month", l.month(t.Month()))
	if t.Year() != now.Year() {
		day = l.T("date.year", "date", day, "year", t.Year())
	}
	return day
}

// LongDay writes a day with its weekday and year.
func (l *language) LongDay(t time.Time) string {
	weekdays := strings.Fields(l.T("date.weekdays"))
	return l.T("date.long", "weekday", weekdays[int(t.Weekday())], "day", t.Day(), "month", l.month(t.Month()), "year", t.Year())
}

// Weekday writes a weekday in two or three letters.
func (l *language) Weekday(t time.Time) string {
	return strings.Fields(l.T("date.short-weekdays"))[int(t.Weekday())]
}

func (l *language) month(m time.Month) string { return strings.Fields(l.T("date.months"))[int(m)-1] }

// When writes a moment as one speaks of it: by the clock today and yesterday,
// with the day before that.
func (l *language) When(t, now time.Time) string {
	t = t.In(now.Location())
	switch days := daysBetween(t, now); {
	case days == 0:
		return l.Clock(t)
	case days == 1:
		return l.T("date.yesterday", "time", l.Clock(t))
	default:
		return l.T("date.at", "date", l.Day(t, now), "time", l.Clock(t))
	}
}

// DayHead writes a day as the heading of what happened on it.
func (l *language) DayHead(t, now time.Time) string {
	t = t.In(now.Location())
	switch daysBetween(t, now) {
	case 0:
		return l.T("date.today-only")
	case 1:
		return l.T("date.yesterday-only")
	}
	return l.Day(t, now)
}

// Ago writes how long ago t was, roughly.
func (l *language) Ago(t, now time.Time) string {
	switch d := now.Sub(t); {
	case d < time.Minute:
		return l.T("ago.now")
	case d < time.Hour:
		return l.N("ago.minutes", int64(d/time.Minute))
	case d < 48*time.Hour:
		return l.N("ago.hours", int64(d/time.Hour))
	default:
		return l.N("ago.days", int64(d/(24*time.Hour)))
	}
}

func daysBetween(a, b time.Time) int {
	day := func(t time.Time) time.Time { return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC) }
	return int(day(b).Sub(day(a)) / (24 * time.Hour))
}

// capital returns s with a capital first letter.
func capital(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	return string(unicode.ToUpper(r)) + s[n:]
}
