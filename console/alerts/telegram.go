package alerts

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf16"

	"github.com/qorgan/qorgan/console/store"
)

// telegramText is the most UTF-16 units of one message (Bot API, sendMessage).
const telegramText = 4096

func (p Post) telegram(ctx context.Context, c store.Channel, l Letter) error {
	if p.Telegram.Token.Reveal() == "" {
		return errNoBot
	}
	body, err := json.Marshal(map[string]any{
		"chat_id": c.Address, "text": clip(l.Subject+"\n\n"+l.Text, telegramText),
		"link_preview_options": map[string]any{"is_disabled": true},
	})
	if err != nil {
		return err
	}
	// The token is a part of the address: no error may carry it.
	to := strings.TrimRight(p.Telegram.API.String(), "/") + "/bot" + p.Telegram.Token.Reveal() + "/sendMessage"
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("address of the bot is malformed")
	}
	r.Header.Set("Content-Type", "application/json")
	// The bot's server is the operator's own choice, so it may be inside.
	if err := send(Post{Inside: true}, r); err != nil {
		if u, ok := err.(*url.Error); ok {
			err = u.Err
		}
		return err
	}
	return nil
}

// clip cuts text so that it has at most units UTF-16 units.
func clip(text string, units int) string {
	encoded := utf16.Encode([]rune(text))
	if len(encoded) <= units {
		return text
	}
	cut := encoded[:units-1]
	if utf16.IsSurrogate(rune(cut[len(cut)-1])) && utf16.DecodeRune(rune(encoded[units-2]), rune(encoded[units-1])) != '\uFFFD' {
		cut = cut[:len(cut)-1]
	}
	return string(utf16.Decode(cut)) + "…"
}
