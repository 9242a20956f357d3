package alerts

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/qorgan/qorgan/console/store"
)

// webhook sends the letter as the Standard Webhooks specification has it: who
// receives it verifies the signature with a library of its language.
func (p Post) webhook(ctx context.Context, c store.Channel, l Letter) error {
	body, err := json.Marshal(map[string]any{
		"type": "qorgan.alert", "timestamp": l.Time.UTC().Format(time.RFC3339),
		"data": map[string]any{"subject": l.Subject, "items": l.Items, "more": l.More},
	})
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.Address, bytes.NewReader(body))
	if err != nil {
		return err
	}
	at := strconv.FormatInt(time.Now().Unix(), 10)
	signer := hmac.New(sha256.New, c.Secret)
	fmt.Fprintf(signer, "%s.%s.%s", l.ID, at, body)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "Qorgan")
	r.Header.Set("Webhook-Id", l.ID)
	r.Header.Set("Webhook-Timestamp", at)
	r.Header.Set("Webhook-Signature", "v1,"+base64.StdEncoding.EncodeToString(signer.Sum(nil)))
	return send(p, r)
}

// WebhookSecret is how a webhook's secret is shown to whoever verifies with it.
func WebhookSecret(secret []byte) string {
	return "whsec_" + base64.StdEncoding.EncodeToString(secret)
}

// send sends r once, follows nothing and takes any status of 2xx for done.
func send(p Post, r *http.Request) error {
	client := &http.Client{
		Transport:     &http.Transport{DialContext: p.dialer().DialContext, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	w, err := client.Do(r)
	if err != nil {
		return err
	}
	defer w.Body.Close()
	said, _ := io.ReadAll(io.LimitReader(w.Body, 200)) // it only helps to understand a refusal
	if w.StatusCode/100 != 2 {
		return fmt.Errorf("%w: status %d, %q", errRefused, w.StatusCode, said)
	}
	return nil
}
