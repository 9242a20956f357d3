package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	host        = "shop.example.kz"
	connections = 8
)

// head is what a browser of today sends along with every request.
const head = " HTTP/1.1\r\nHost: " + host + "\r\n" +
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0\r\n" +
	"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n" +
	"Accept-Language: kk,ru;q=0.8,en-US;q=0.5,en;q=0.3\r\n" +
	"Accept-Encoding: gzip, deflate, br, zstd\r\n" +
	"Referer: https://shop.example.kz/2026/11/felt-slippers/?utm_source=letter\r\n" +
	"Cookie: _ga=GA1.1.1987654321.1760000000; wordpress_test_cookie=WP%20Cookie%20check; wp-settings-time-2=1760000000\r\n" +
	"Sec-Fetch-Dest: document\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Site: same-origin\r\n"

// targets are what nine of ten requests ask for: pages, a search, a feed of the
// REST API, styles, scripts and pictures.
var targets = []string{
	"/", "/2026/11/felt-slippers/", "/category/news/page/2/", "/?s=felt+slippers&post_type=product&orderby=price",
	"/wp-json/wp/v2/posts?per_page=10&_embed=1", "/wp-content/themes/steppe/style.css?ver=6.8.3",
	"/wp-includes/js/jquery/jquery.min.js?ver=3.7.1", "/wp-content/uploads/2026/11/slippers-1024x683.jpg",
}

// forms are what the tenth sends: a login and a comment.
var forms = []struct{ target, body string }{
	{"/wp-login.php", "log=aigerim&pwd=an-honest-word&wp-submit=Log+In&redirect_to=https%3A%2F%2Fshop.example.kz%2Fwp-admin%2F&testcookie=1"},
	{"/wp-comments-post.php", "comment=" + strings.Repeat("The+slippers+came+on+Friday%2C+warm+and+well+made.+", 12) +
		"&author=Aigerim&email=aigerim%40example.kz&url=&submit=Post+Comment&comment_post_ID=7&comment_parent=0"},
}

// mix returns the requests in the order in which every connection sends them.
func mix() (requests []string) {
	for n := range 10 * len(targets) {
		if n%10 == 9 {
			f := forms[n/10%len(forms)]
			requests = append(requests, fmt.Sprintf("POST %s%sContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s", f.target, head, len(f.body), f.body))
			continue
		}
		requests = append(requests, "GET "+targets[n%len(targets)]+head+"\r\n")
	}
	return requests
}

// load sends the mix for so long and returns how many requests were answered
// with 200. Another status is an error, and so is more than one answer in a
// hundred cut: some servers close a connection now and then.
func load(ctx context.Context, addr string, length time.Duration) (int64, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, length, errDone)
	defer cancel()
	requests := mix()
	var answered, cut atomic.Int64
	var all sync.WaitGroup
	failed := make(chan error, connections)
	for i := range connections {
		all.Go(func() {
			for n := i * len(requests) / connections; ctx.Err() == nil; cut.Add(1) {
				sent, err := send(ctx, addr, requests, n)
				answered.Add(int64(sent))
				n += sent
				var status errStatus
				if errors.As(err, &status) || sent == 0 && err != nil {
					failed <- err
					cancel()
					return
				}
			}
		})
	}
	all.Wait()
	close(failed)
	if err := <-failed; err != nil {
		return 0, err
	}
	if err := context.Cause(ctx); err != errDone {
		return 0, err
	}
	if n := cut.Load() - connections; n*100 > answered.Load() {
		return 0, fmt.Errorf("%d answers cut, %d whole", n, answered.Load())
	}
	return answered.Load(), nil
}

var errDone = errors.New("the time is over")

// errStatus is an answer other than 200.
type errStatus struct {
	request string
	status  int
}

func (e errStatus) Error() string {
	target, _, _ := strings.Cut(e.request, " HTTP/")
	return fmt.Sprintf("%s: status %d", target, e.status)
}

// send sends one request after the other over one connection, beginning with
// the one at n, and returns how many were answered.
func send(ctx context.Context, addr string, requests []string, n int) (sent int, err error) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	r := bufio.NewReaderSize(c, 64<<10)
	get := &http.Request{Method: http.MethodGet}
	for ; ctx.Err() == nil; sent++ {
		request := requests[(n+sent)%len(requests)]
		if _, err := io.WriteString(c, request); err != nil {
			return sent, fmt.Errorf("send: %w", err)
		}
		resp, err := http.ReadResponse(r, get)
		if err != nil {
			return sent, fmt.Errorf("receive: %w", err)
		}
		if resp.StatusCode != http.StatusOK {
			return sent, errStatus{request, resp.StatusCode}
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			return sent, fmt.Errorf("receive: %w", err)
		}
		if resp.Close {
			return sent + 1, nil
		}
	}
	return sent, nil
}
