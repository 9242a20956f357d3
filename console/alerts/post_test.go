package alerts

import (
	"bufio"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"mime"
	"net"
	"net/http"
	"net/http/httptest"
	"net/mail"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/console/store"
)

var letter = Letter{
	ID: "0192-letter", Time: time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC),
	Subject: "Қорған: сайтқа шабуыл", Text: "Бірінші жол.\nSecond line: https://console.example.kz/incidents",
	Items: []Item{{Kind: store.OnSite, Site: "shop.kz", Object: `a"b]c\d`, Count: 7, Text: "Сайт", URL: "https://console.example.kz/"}},
}

// mailbox is a mail server that keeps what it gets.
type mailbox struct {
	mu       sync.Mutex
	letters  []string
	accounts map[string]string
	refuse   bool
}

func (b *mailbox) NewSession(*smtp.Conn) (smtp.Session, error) { return &mailSession{box: b}, nil }

type mailSession struct {
	box  *mailbox
	from string
	to   []string
	in   bool
}

func (s *mailSession) AuthMechanisms() []string { return []string{sasl.Plain} }
func (s *mailSession) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if want, ok := s.box.accounts[user]; !ok || want != password {
			return smtp.ErrAuthFailed
		}
		s.in = true
		return nil
	}), nil
}
func (s *mailSession) Mail(from string, _ *smtp.MailOptions) error {
	if len(s.box.accounts) > 0 && !s.in {
		return smtp.ErrAuthRequired
	}
	s.from = from
	return nil
}
func (s *mailSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	if s.box.refuse {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such mailbox"}
	}
	s.to = append(s.to, to)
	return nil
}
func (s *mailSession) Data(r io.Reader) error {
	b, err := io.ReadAll(r)
	s.box.mu.Lock()
	defer s.box.mu.Unlock()
	s.box.letters = append(s.box.letters, "from "+s.from+" to "+strings.Join(s.to, " ")+"\n"+string(b))
	return err
}
func (s *mailSession) Reset()        {}
func (s *mailSession) Logout() error { return nil }

// mailServer starts a mail server for box and returns its address.
func mailServer(t *testing.T, box *mailbox) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := smtp.NewServer(box)
	server.AllowInsecureAuth = true
	server.Domain = "localhost"
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(l) }() // ends with Close
	t.Cleanup(func() { server.Close(); <-done })
	return l.Addr().String()
}

func TestMail(t *testing.T) {
	box := &mailbox{accounts: map[string]string{"qorgan": "secret"}}
	post := Post{Mail: config.Mail{Server: mailServer(t, box), From: "qorgan@example.kz", User: "qorgan", Password: config.NewSecret("secret")}}
	to := store.Channel{Kind: store.ByMail, Address: "owner@example.kz"}
	if err := post.Deliver(t.Context(), to, letter); err != nil {
		t.Fatal(err)
	}
	envelope, text, _ := strings.Cut(box.letters[0], "\n")
	if envelope != "from qorgan@example.kz to owner@example.kz" {
		t.Errorf("envelope: %s", envelope)
	}
	m, err := mail.ReadMessage(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	if err != nil || subject != letter.Subject {
		t.Errorf("subject %q, %v", subject, err)
	}
	if got := m.Header.Get("Auto-Submitted"); got != "auto-generated" {
		t.Errorf("Auto-Submitted: %q", got)
	}
	if got := m.Header.Get("Message-Id"); got != "<"+letter.ID+"@qorgan>" {
		t.Errorf("Message-Id: %q", got)
	}

	post.Mail.Password = config.NewSecret("wrong")
	if err := post.Deliver(t.Context(), to, letter); err == nil {
		t.Error("a wrong password is no error")
	} else if strings.Contains(err.Error(), "wrong") {
		t.Errorf("the error tells the password: %v", err)
	}
	box.refuse, box.accounts = true, nil
	post.Mail.User, post.Mail.Password = "", config.Secret{}
	if err := post.Deliver(t.Context(), to, letter); Cause(err) != "refused" {
		t.Errorf("a mailbox that is not there: %v, cause %s", err, Cause(err))
	}
	if len(box.letters) != 1 {
		t.Errorf("%d letters arrived", len(box.letters))
	}
	if err := (Post{}).Deliver(t.Context(), to, letter); Cause(err) != "unconfigured" {
		t.Errorf("without a server: %v", err)
	}
}

func TestWebhook(t *testing.T) {
	secret := []byte("0123456789abcdef0123456789abcdef")
	status := http.StatusNoContent
	var verified bool
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(WebhookSecret(secret), "whsec_"))
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(r.Header.Get("Webhook-Id") + "." + r.Header.Get("Webhook-Timestamp") + "." + string(body)))
		var got struct {
			Type string
			Data struct {
				Subject string
				Items   []Item
			}
		}
		verified = err == nil && r.Header.Get("Webhook-Signature") == "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)) &&
			json.Unmarshal(body, &got) == nil && got.Data.Subject == letter.Subject && len(got.Data.Items) == 1 && got.Data.Items[0] == letter.Items[0]
		if status == http.StatusFound {
			http.Redirect(w, r, "/elsewhere", status)
			return
		}
		w.WriteHeader(status)
	}))
	defer server.Close()
	to := store.Channel{Kind: store.ByWebhook, Address: server.URL + "/hook", Secret: secret}
	if err := (Post{Inside: true}).Deliver(t.Context(), to, letter); err != nil || !verified {
		t.Errorf("delivered: %v, verified: %v", err, verified)
	}
	for _, status = range []int{http.StatusFound, http.StatusGone, http.StatusInternalServerError} {
		if err := (Post{Inside: true}).Deliver(t.Context(), to, letter); Cause(err) != "refused" {
			t.Errorf("an answer of %d: %v", status, err)
		}
	}
	verified = false
	if err := (Post{}).Deliver(t.Context(), to, letter); Cause(err) != "inside" || verified {
		t.Errorf("to this machine: %v", err)
	}
}

func TestPublic(t *testing.T) {
	for address, want := range map[string]bool{
		"1.1.1.1": true, "2a00:1450::1": true,
		"127.0.0.1": false, "::1": false, "10.1.2.3": false, "172.16.0.1": false, "192.168.1.1": false, "169.254.169.254": false,
		"100.64.0.1": false, "0.0.0.0": false, "0.1.2.3": false, "255.255.255.255": false, "fe80::1": false, "fc00::1": false,
		"64:ff9b::7f00:1": false, "224.0.0.1": false, "ff02::1": false, "192.0.0.1": false, "198.18.0.1": false, "2002:7f00:1::": false,
	} {
		if got := public(netip.MustParseAddr(address)); got != want {
			t.Errorf("public(%s) = %v", address, got)
		}
	}
}

func TestTelegram(t *testing.T) {
	var path string
	var got struct {
		Chat string `json:"chat_id"`
		Text string
	}
	status := http.StatusOK
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path = r.URL.Path
		_ = json.NewDecoder(r.Body).Decode(&got) // what is missing fails below
		w.WriteHeader(status)
	}))
	defer server.Close()
	api, _ := url.Parse(server.URL)
	post := Post{Telegram: config.Telegram{Token: config.NewSecret("123:abc"), API: api}}
	to := store.Channel{Kind: store.ByTelegram, Address: "-1001"}
	long := letter
	long.Text = strings.Repeat("😀", 5000)
	if err := post.Deliver(t.Context(), to, long); err != nil {
		t.Fatal(err)
	}
	if path != "/bot123:abc/sendMessage" || got.Chat != "-1001" || !strings.HasPrefix(got.Text, letter.Subject) || !strings.HasSuffix(got.Text, "😀…") {
		t.Errorf("path %s, chat %s, text %.40q…", path, got.Chat, got.Text)
	}
	status = http.StatusForbidden
	if err := post.Deliver(t.Context(), to, letter); Cause(err) != "refused" {
		t.Errorf("a bot that was blocked: %v", err)
	}
	server.Close()
	if err := post.Deliver(t.Context(), to, letter); err == nil || strings.Contains(err.Error(), "123:abc") {
		t.Errorf("the error is none, or tells the token: %v", err)
	}
}

func TestSyslog(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	got := make(chan string, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			close(got)
			return
		}
		defer conn.Close()
		b, _ := io.ReadAll(bufio.NewReader(conn))
		got <- string(b)
	}()
	to := store.Channel{Kind: store.BySyslog, Address: "tcp://" + l.Addr().String()}
	if err := (Post{Inside: true}).Deliver(t.Context(), to, letter); err != nil {
		t.Fatal(err)
	}
	text := <-got
	length, message, _ := strings.Cut(text, " ")
	if len(message) == 0 || length != strconv.Itoa(len(message)) {
		t.Errorf("length %s of %d bytes", length, len(message))
	}
	for _, want := range []string{"<108>1 2026-11-24T08:00:00Z ", " site [alert@32473 ", `object="a\"b\]c\\d"`, ` count="7"`, "] \ufeffСайт"} {
		if !strings.Contains(message, want) {
			t.Errorf("%q has no %q", message, want)
		}
	}
	packet, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer packet.Close()
	to.Address = "udp://" + packet.LocalAddr().String()
	if err := (Post{Inside: true}).Deliver(t.Context(), to, letter); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 2000)
	if n, _, err := packet.ReadFrom(b); err != nil || !strings.HasPrefix(string(b[:n]), "<108>1 ") {
		t.Errorf("over UDP: %q, %v", b[:n], err)
	}
	for _, address := range []string{"", "tcp://", "tcp://host", "http://host:1", "tcp://host:1/path", "tcp://a@host:1"} {
		if _, _, err := ParseSyslog(address); err == nil {
			t.Errorf("%q is an address", address)
		}
	}
}
