package rulesets

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/qorgan/qorgan/config"
)

// talk sends raw bytes and returns all that comes back.
func (e *edge) talk(t *testing.T, raw string) string {
	t.Helper()
	conn, err := net.Dial("tcp", e.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(conn, raw); err != nil {
		t.Fatal(err)
	}
	if c, ok := conn.(*net.TCPConn); ok {
		_ = c.CloseWrite()
	}
	answer, _ := io.ReadAll(conn)
	return string(answer)
}

func TestBodyThatEndsEarlyIsNotForwarded(t *testing.T) {
	e := newEdge(t, sharedJudge(), testSite(), nil)
	head := "POST / HTTP/1.1\r\nHost: shop.example.kz\r\nUser-Agent: Mozilla/5.0\r\nAccept: */*\r\nContent-Type: application/x-www-form-urlencoded\r\n"
	for name, raw := range map[string]string{
		"shorter than announced": head + "Content-Length: 20\r\n\r\na=1",
		"chunked without end":    head + "Transfer-Encoding: chunked\r\n\r\n3\r\na=1\r\n",
		"no chunk at all":        head + "Transfer-Encoding: chunked\r\n\r\nzz\r\na=1\r\n",
	} {
		if answer := e.talk(t, raw); strings.HasPrefix(answer, "HTTP/1.1 2") {
			t.Errorf("%s: answered %q", name, answer)
		}
		if len(e.seen) != 0 {
			t.Errorf("%s: the upstream saw a request", name)
		}
	}
}

func TestChunkedBodyIsForwardedWithALength(t *testing.T) {
	e := newEdge(t, sharedJudge(), testSite(), nil)
	answer := e.talk(t, "POST / HTTP/1.1\r\nHost: shop.example.kz\r\nUser-Agent: Mozilla/5.0\r\nAccept: */*\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked\r\n\r\n3\r\na=1\r\n4\r\n&b=2\r\n0\r\n\r\n")
	if !strings.HasPrefix(answer, "HTTP/1.1 200") {
		t.Fatalf("answer %q, events %+v", answer, e.rec.take())
	}
	if r := <-e.seen; r.ContentLength != 7 || len(r.TransferEncoding) != 0 {
		t.Errorf("length %d, transfer encoding %v", r.ContentLength, r.TransferEncoding)
	}
	if got := <-e.body; got != "a=1&b=2" {
		t.Errorf("body %q", got)
	}
}

func TestContinueIsPromisedOnlyToAnAcceptableHead(t *testing.T) {
	e := newEdge(t, sharedJudge(), testSite(), nil)
	ask := func(target string) (net.Conn, *bufio.Reader, string) {
		conn, err := net.Dial("tcp", e.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
		// The rule set itself counts Expect among the restricted headers.
		fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: shop.example.kz\r\nUser-Agent: Mozilla/5.0\r\nAccept: */*\r\nExpect: 100-continue\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 3\r\n\r\n", target)
		r := bufio.NewReader(conn)
		line, _ := r.ReadString('\n')
		return conn, r, line
	}
	if _, _, line := ask("/?f=../../../../etc/passwd"); !strings.Contains(line, " 403 ") {
		t.Errorf("first line %q, want a refusal before the body", line)
	}
	e.site.Exclusions = []config.Exclusion{{Rules: []config.RuleRange{{First: 920450, Last: 920450}}}}
	e = newEdge(t, sharedJudge(), e.site, nil)
	conn, r, line := ask("/")
	if !strings.Contains(line, " 100 ") {
		t.Fatalf("first line %q, want 100", line)
	}
	_, _ = r.ReadString('\n')
	_, _ = io.WriteString(conn, "a=1")
	if line, _ = r.ReadString('\n'); !strings.Contains(line, " 200 ") {
		t.Errorf("final line %q", line)
	}
	if got := <-e.body; got != "a=1" {
		t.Errorf("body %q", got)
	}
}

func TestBodyLargerThanTheLimit(t *testing.T) {
	site := testSite()
	site.Limits.Inspect = 1000
	big := "a=" + strings.Repeat("x", 2000)
	e := newEdge(t, sharedJudge(), site, nil)
	if got := e.do(t, "POST", "/", form, big); got != http.StatusRequestEntityTooLarge {
		t.Errorf("status %d, want 413", got)
	}
	if ev := e.rec.take(); len(ev) != 1 || ev[0].Reason != "body-too-large" {
		t.Errorf("events %+v", ev)
	}
	detect := *site
	detect.Mode = config.Detect
	e = newEdge(t, sharedJudge(), &detect, nil)
	if got := e.do(t, "POST", "/", form, big); got != 200 {
		t.Errorf("a site that only detects answered %d", got)
	}
	if got := <-e.body; got != big {
		t.Errorf("the upstream read %d bytes, want %d", len(got), len(big))
	}
}

func TestImageIsStreamedUnread(t *testing.T) {
	arrived := make(chan struct{})
	site := testSite()
	site.Exclusions = []config.Exclusion{{Rules: []config.RuleRange{{First: 920420, Last: 920420}}}}
	e := newEdge(t, sharedJudge(), site, func(w http.ResponseWriter, r *http.Request) {
		// The handler runs before the body is there.
		first := make([]byte, 600)
		if _, err := io.ReadFull(r.Body, first); err != nil {
			t.Error(err)
		}
		close(arrived)
		rest, _ := io.ReadAll(r.Body)
		fmt.Fprint(w, len(first)+len(rest))
	})
	pr, pw := io.Pipe()
	req, err := http.NewRequest("POST", e.URL+"/upload", pr)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "shop.example.kz"
	req.Header = http.Header{"User-Agent": {"Mozilla/5.0"}, "Accept": {"*/*"}, "Content-Type": {"image/png"}}
	go func() {
		_, _ = pw.Write([]byte("\x89PNG" + strings.Repeat("\x00", 996)))
		<-arrived
		_, _ = pw.Write(make([]byte, 5<<20))
		pw.Close()
	}()
	resp, err := e.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, _ := io.ReadAll(resp.Body); string(b) != fmt.Sprint(1000+(5<<20)) {
		t.Errorf("status %d, upstream counted %q bytes; events %+v", resp.StatusCode, b, e.rec.take())
	}
}

// uploadSize is what is sent as one file: more than this test may hold.
const uploadSize = 256 << 20

func TestLargeUploadPassesUnchangedInLittleMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("uploads 256 MB")
	}
	sums := make(chan string, 1)
	dir := t.TempDir()
	j := newJudge(t, Options{Spool: dir})
	e := newEdge(t, j, testSite(), func(w http.ResponseWriter, r *http.Request) {
		h := sha256.New()
		n, err := io.Copy(h, r.Body)
		sums <- fmt.Sprintf("%d %v %x", n, err, h.Sum(nil))
	})
	want := sha256.New()
	pr, pw := io.Pipe()
	form := multipart.NewWriter(io.MultiWriter(pw, want))
	var before, during runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	go func() {
		part, _ := form.CreateFormFile("async-upload", "film.mp4")
		piece := make([]byte, 1<<20)
		for i := range piece {
			piece[i] = byte(i * 7)
		}
		for range uploadSize / len(piece) {
			_, _ = part.Write(piece)
		}
		_ = form.Close()
		runtime.ReadMemStats(&during)
		pw.Close()
	}()
	req, err := http.NewRequest("POST", e.URL+"/wp-admin/async-upload.php", pr)
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
	if resp.StatusCode != 200 {
		t.Fatalf("status %d, events %+v", resp.StatusCode, e.rec.take())
	}
	got := <-sums
	if !strings.HasSuffix(got, fmt.Sprintf("<nil> %x", want.Sum(nil))) {
		t.Errorf("the upstream read %s", got)
	}
	if grown := int64(during.HeapAlloc) - int64(before.HeapAlloc); grown > 64<<20 {
		t.Errorf("heap grew by %d MB", grown>>20)
	}
	left, _ := os.ReadDir(dir)
	if len(left) != 0 {
		t.Errorf("%d spool files left behind", len(left))
	}
}

func TestResponseThatLeaksIsReplaced(t *testing.T) {
	site := testSite()
	site.Responses = true
	page := "plain page"
	kind := "text/html"
	e := newEdge(t, sharedJudge(), site, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", kind)
		w.Header().Set("X-Upstream", "yes")
		_, _ = io.WriteString(w, page)
	})
	get := func() (int, string, http.Header) {
		req, _ := http.NewRequest("GET", e.URL+"/", nil)
		req.Host = "shop.example.kz"
		req.Header = http.Header{"User-Agent": {"Mozilla/5.0"}, "Accept": {"*/*"}}
		resp, err := e.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(b), resp.Header
	}
	if status, body, h := get(); status != 200 || body != page || h.Get("X-Upstream") != "yes" {
		t.Fatalf("harmless page: %d %q %v", status, body, h)
	}
	page = "<html><?php echo 'secret'; ?></html>"
	status, body, h := get()
	if status != 403 || strings.Contains(body, "secret") || h.Get("X-Upstream") != "" {
		t.Errorf("leak: %d %q %v", status, body, h)
	}
	if ev := e.rec.take(); len(ev) != 1 || !contains(ev[0].Rules, 953120) || ev[0].Score < 4 {
		t.Errorf("events %+v", ev)
	}
	kind = "image/svg+xml"
	if status, body, _ := get(); status != 200 || body != page {
		t.Errorf("a type no rule reads: %d %q", status, body)
	}
}

func TestStreamedResponseIsNotHeldBack(t *testing.T) {
	site := testSite()
	site.Responses = true
	read := make(chan struct{})
	e := newEdge(t, sharedJudge(), site, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "data: 1\n\n")
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Error(err)
		}
		<-read
		_, _ = io.WriteString(w, "data: 2\n\n")
	})
	req, _ := http.NewRequest("GET", e.URL+"/events", nil)
	req.Host = "shop.example.kz"
	req.Header = http.Header{"User-Agent": {"Mozilla/5.0"}, "Accept": {"text/event-stream"}}
	resp, err := e.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	first := make([]byte, 9)
	if _, err := io.ReadFull(resp.Body, first); err != nil || string(first) != "data: 1\n\n" {
		t.Fatalf("first event %q, %v", first, err)
	}
	close(read)
	if rest, _ := io.ReadAll(resp.Body); string(rest) != "data: 2\n\n" {
		t.Errorf("rest %q", rest)
	}
}
