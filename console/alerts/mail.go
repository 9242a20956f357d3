package alerts

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"

	"github.com/wneessen/go-mail"

	"github.com/qorgan/qorgan/console/store"
)

// submissions is the port on which a mail server speaks TLS from the start
// (RFC 8314).
const submissions = 465

func (p Post) mail(ctx context.Context, c store.Channel, l Letter) error {
	if p.Mail.Server == "" {
		return errNoMail
	}
	host, port, err := net.SplitHostPort(p.Mail.Server)
	if err != nil {
		return err
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return err
	}
	m := mail.NewMsg()
	if err := errors.Join(m.From(p.Mail.From), m.To(c.Address)); err != nil {
		return fmt.Errorf("%w: %w", errRefused, err)
	}
	m.Subject(l.Subject)
	m.SetBodyString(mail.TypeTextPlain, l.Text)
	m.SetDateWithValue(l.Time)
	m.SetMessageIDWithValue(l.ID + "@qorgan")
	// Vacation notices and the like must not be sent in answer (RFC 3834).
	m.SetGenHeader("Auto-Submitted", "auto-generated")

	auth := mail.SMTPAuthAutoDiscover
	options := []mail.Option{mail.WithPort(number), mail.WithTimeout(deliveryTime)}
	switch {
	case number == submissions:
		options = append(options, mail.WithSSL())
	case loopback(host):
		options = append(options, mail.WithTLSPolicy(mail.TLSOpportunistic))
		auth = mail.SMTPAuthPlainNoEnc // it does not leave the machine
	default:
		options = append(options, mail.WithTLSPolicy(mail.TLSMandatory))
	}
	if p.Mail.User != "" {
		options = append(options, mail.WithSMTPAuth(auth),
			mail.WithUsername(p.Mail.User), mail.WithPassword(p.Mail.Password.Reveal()))
	}
	client, err := mail.NewClient(host, options...)
	if err != nil {
		return err
	}
	if err := client.DialAndSendWithContext(ctx, m); err != nil {
		var refusal *mail.SendError
		if errors.As(err, &refusal) && refusal.ErrorCode() != 0 {
			return fmt.Errorf("%w: %w", errRefused, err)
		}
		return err
	}
	return nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
