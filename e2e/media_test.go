package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"net/url"
	"testing"
)

// picture draws a small PNG whose bytes differ with n.
func picture(t *testing.T, n int) []byte {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, 64, 48))
	for i := range img.Pix {
		img.Pix[i] = byte(i*n + i/7)
	}
	img.Set(n%64, n%48, color.White)
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// addMedia uploads as the media library does.
func addMedia(name, contentType string, data func(*testing.T) []byte) action {
	return action{"upload " + name, func(t *testing.T, p *people) {
		form := p.editor.get(t, "/wp-admin/media-new.php").want(t, 200, "async-upload")
		p.editor.upload(t, "/wp-admin/async-upload.php", "async-upload", name, contentType, data(t), map[string]string{
			"name": name, "action": "upload-attachment", "_wpnonce": form.hidden(t, "_wpnonce"), "post_id": "0", "html-upload": "",
		})
	}}
}

// addMediaREST uploads as the block editor and the mobile apps do: the file is
// the body.
func addMediaREST(t *testing.T, p *person, name string, data []byte) int {
	t.Helper()
	a := p.send(t, "POST", "/wp-json/wp/v2/media?_locale=user", "image/png", data, "X-WP-Nonce", p.nonce,
		"Content-Disposition", fmt.Sprintf(`attachment; filename="%s"`, name), "Accept", "application/json")
	a.want(t, 201, "source_url")
	var m struct{ ID int }
	if err := json.Unmarshal([]byte(a.body), &m); err != nil {
		t.Fatal(err)
	}
	return m.ID
}

var media = []action{
	addMedia("steppe.png", "image/png", func(t *testing.T) []byte { return picture(t, 3) }),
	addMedia("Aigerim's photo (1).png", "image/png", func(t *testing.T) []byte { return picture(t, 5) }),
	addMedia("фото тау.png", "image/png", func(t *testing.T) []byte { return picture(t, 7) }),
	addMedia("select from menu & more.png", "image/png", func(t *testing.T) []byte { return picture(t, 9) }),
	addMedia("price list.pdf", "application/pdf", func(t *testing.T) []byte {
		return []byte("%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF")
	}),
	addMedia("big.png", "image/png", func(t *testing.T) []byte {
		return append(picture(t, 11), bytes.Repeat([]byte{0xA5, 0x5A, '<', '?', '\'', 0}, 20<<20/6)...)
	}),
	{"upload in the block editor", func(t *testing.T, p *people) {
		p.editor.upload(t, "/wp-json/wp/v2/media?_locale=user&_wpnonce="+p.editor.nonce, "file", "editor.png", "image/png", picture(t, 13), map[string]string{"title": "Editor's picture"}).want(t, 201, "source_url")
	}},
	{"upload as a raw body", func(t *testing.T, p *people) { addMediaREST(t, p.editor, "raw.png", picture(t, 15)) }},
	{"describe", func(t *testing.T, p *people) {
		id := addMediaREST(t, p.editor, "described.png", picture(t, 17))
		p.editor.rest(t, "PUT", fmt.Sprintf("/wp/v2/media/%d", id), map[string]any{"alt_text": `Sunrise; "gold" & <blue>`, "caption": "Тау <em>шыңы</em>", "title": "It's dawn"}).want(t, 200, "")
	}},
	{"crop", func(t *testing.T, p *people) {
		id := addMediaREST(t, p.editor, "crop.png", picture(t, 19))
		p.editor.rest(t, "POST", fmt.Sprintf("/wp/v2/media/%d/edit?_locale=user", id), map[string]any{"src": p.editor.base + "/x.png", "x": 10, "y": 10, "width": 50, "height": 50})
	}},
	{"delete", func(t *testing.T, p *people) {
		id := addMediaREST(t, p.editor, "delete.png", picture(t, 21))
		p.editor.rest(t, "DELETE", fmt.Sprintf("/wp/v2/media/%d?force=true", id), nil).want(t, 200, "deleted")
	}},
	{"library", func(t *testing.T, p *people) {
		p.editor.get(t, "/wp-admin/upload.php?mode=list").want(t, 200, "wp-list-table")
		p.editor.post(t, "/wp-admin/admin-ajax.php", url.Values{"action": {"query-attachments"}, "post_id": {"0"}, "query[orderby]": {"date"}, "query[order]": {"DESC"}, "query[posts_per_page]": {"80"}, "query[paged]": {"1"}, "query[s]": {"фото"}}).want(t, 200, `"success":true`)
	}},
	{"featured image", func(t *testing.T, p *people) {
		id := addMediaREST(t, p.editor, "featured.png", picture(t, 23))
		postID(t, p.editor, map[string]any{"title": "With a picture", "status": "publish", "featured_media": id,
			"content": fmt.Sprintf("<!-- wp:image {\"id\":%d,\"sizeSlug\":\"large\"} -->\n<figure class=\"wp-block-image size-large\"><img src=\"/x.png\" alt=\"a > b\"/></figure>\n<!-- /wp:image -->", id)})
	}},
}
