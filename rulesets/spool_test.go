package rulesets

import (
	"bytes"
	"mime/multipart"
	"net/http"
	"path/filepath"
	"testing"

	"github.com/qorgan/qorgan/event"
)

// TestUploadWithoutDisk: a body for which the machine has no place is the
// machine's fault: 503, an event, nothing at the upstream.
func TestUploadWithoutDisk(t *testing.T) {
	j := newJudge(t, Options{Spool: filepath.Join(t.TempDir(), "gone")})
	e := newEdge(t, j, testSite(), func(http.ResponseWriter, *http.Request) { t.Error("the upstream was asked") })
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreateFormFile("async-upload", "film.mp4")
	if err == nil {
		_, err = part.Write(make([]byte, 2*inMemory))
	}
	if err != nil || form.Close() != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequest("POST", e.URL+"/wp-admin/async-upload.php", &body)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "shop.example.kz"
	req.Header = http.Header{"User-Agent": {"Mozilla/5.0"}, "Accept": {"*/*"}, "Content-Type": {form.FormDataContentType()}}
	resp, err := e.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	events := e.rec.take()
	if resp.StatusCode != http.StatusServiceUnavailable || len(events) != 1 || events[0].Kind != event.KindEngine || events[0].Reason != "engine-spool" {
		t.Errorf("status %d, events %+v", resp.StatusCode, events)
	}
}
