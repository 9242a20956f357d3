package dns01

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Webhook posts {"fqdn": "_acme-challenge.example.kz.", "value": "…"} to
// URL/present and URL/cleanup, as lego's httpreq does, and takes 2xx for done.
type Webhook struct {
	URL            string
	User, Password string // for basic authentication; empty for none

	// Key signs: X-Qorgan-Timestamp is the time in Unix seconds, and
	// X-Qorgan-Signature "sha256=" and the HMAC in hex of timestamp, "." and body.
	// Empty: nothing is signed.
	Key string
}

// Present asks for a record.
func (p *Webhook) Present(ctx context.Context, r Record) error { return p.call(ctx, "present", r) }

// CleanUp asks for its removal.
func (p *Webhook) CleanUp(ctx context.Context, r Record) error { return p.call(ctx, "cleanup", r) }

func (p *Webhook) call(ctx context.Context, what string, r Record) error {
	body := map[string]string{"fqdn": r.Name, "value": r.Value}
	return post(ctx, strings.TrimSuffix(p.URL, "/")+"/"+what, body, func(req *http.Request, b []byte) {
		if p.User != "" {
			req.SetBasicAuth(p.User, p.Password)
		}
		if p.Key != "" {
			at := strconv.FormatInt(time.Now().Unix(), 10)
			req.Header.Set("X-Qorgan-Timestamp", at)
			req.Header.Set("X-Qorgan-Signature", "sha256="+Sign(p.Key, at, b))
		}
	})
}

// Sign returns the signature of a webhook's body at a time in Unix seconds.
func Sign(key, at string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(at + "."))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}
