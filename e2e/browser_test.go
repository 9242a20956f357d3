package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/qorgan/qorgan/e2e/wordpress"
)

// browse starts a real Chromium that lives until the test ends.
func browse(t *testing.T) context.Context {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(needBrowser(t)),
		chromedp.NoSandbox, // the tests may run as root
		chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("ignore-certificate-errors", true), // the local authority is not installed
		chromedp.Flag("lang", "ru-RU"),
		chromedp.Flag("accept-lang", "ru-RU,ru"),
		chromedp.WindowSize(1280, 900),
	)
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 3*time.Minute)
	t.Cleanup(cancel)
	if err := chromedp.Run(ctx); err != nil { // the first run's context is the browser's life
		t.Fatalf("start browser: %v", err)
	}
	return ctx
}

// do runs browser steps; a failure leaves a picture of the page behind.
func do(t *testing.T, ctx context.Context, what string, steps ...chromedp.Action) {
	t.Helper()
	limited, cancel := context.WithTimeout(ctx, 45*time.Second)
	defer cancel()
	if err := chromedp.Run(limited, steps...); err != nil {
		var png []byte
		file := filepath.Join(os.TempDir(), "qorgan-e2e-failure.png")
		if chromedp.Run(ctx, chromedp.CaptureScreenshot(&png)) == nil && os.WriteFile(file, png, 0o644) == nil {
			t.Logf("see %s", file)
		}
		t.Fatalf("%s: %v", what, err)
	}
}

// see waits until the page shows the text.
func see(text string) chromedp.Action {
	return until(fmt.Sprintf("document.body && document.body.textContent.includes(%q)", text))
}

// until waits until the expression holds on whatever page the browser is: a
// page that is just being left cannot be asked, and is asked again.
func until(expression string) chromedp.Action {
	return chromedp.ActionFunc(func(ctx context.Context) error {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			var holds bool
			err := chromedp.Evaluate("!!("+expression+")", &holds).Do(ctx)
			if err == nil && holds {
				return nil
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("%s does not hold: %w", expression, errors.Join(ctx.Err(), err))
			case <-tick.C:
			}
		}
	})
}

// TestBrowser does an owner's day with a real browser over HTTPS and HTTP/2.
func TestBrowser(t *testing.T) {
	site := blog(t)
	ctx := browse(t)
	base := "http://" + host + site.URL[len("http://127.0.0.1"):]
	var e *edge
	if os.Getenv("QORGAN_E2E_DIRECT") == "" {
		addr := freeAddr(t)
		e = startEdge(t, site.URL, "--mode", "block", "--profile", "wordpress", "--tls", "internal", "--https", addr)
		base = "https://" + host + addr[len("127.0.0.1"):]
	}
	file := filepath.Join(t.TempDir(), "Тау мен дала's.png")
	if err := os.WriteFile(file, picture(t, 41), 0o644); err != nil {
		t.Fatal(err)
	}

	do(t, ctx, "read the blog", chromedp.Navigate(base+"/"), see("Steppe Notes"),
		chromedp.Navigate(base+"/?s="+"кофе+select+C%2B%2B"), see("кофе"))
	do(t, ctx, "comment", chromedp.Navigate(base+"/?p=1"),
		chromedp.SendKeys("#comment", "It's lovely — рахмет! 1 < 2 & \"so on\"", chromedp.ByQuery),
		chromedp.SendKeys("#author", "Айгерім", chromedp.ByQuery),
		chromedp.SendKeys("#email", "a@example.test", chromedp.ByQuery),
		chromedp.Click("#submit", chromedp.ByQuery), see("рахмет"))
	do(t, ctx, "sign in", chromedp.Navigate(base+"/wp-login.php"),
		chromedp.SetValue("#user_login", wordpress.Admin.User, chromedp.ByQuery),
		chromedp.SetValue("#user_pass", wordpress.Admin.Password, chromedp.ByQuery),
		chromedp.Click("#wp-submit", chromedp.ByQuery), until(`document.querySelector("#wpbody-content")`))
	do(t, ctx, "upload", chromedp.Navigate(base+"/wp-admin/media-new.php?browser-uploader"),
		chromedp.SetUploadFiles("#async-upload", []string{file}, chromedp.ByQuery),
		chromedp.Click("#html-upload", chromedp.ByQuery), until(`document.querySelector(".wp-list-table, .attachments")`))
	do(t, ctx, "write in the block editor", chromedp.Navigate(base+"/wp-admin/post-new.php"),
		until(`document.querySelector(".editor-post-title__input")`),
		chromedp.Evaluate(`(() => {
			const insert = (name, attributes) => wp.data.dispatch('core/block-editor').insertBlocks(wp.blocks.createBlock(name, attributes));
			if (wp.data.select('core/edit-post').isFeatureActive('welcomeGuide')) wp.data.dispatch('core/edit-post').toggleFeature('welcomeGuide');
			wp.data.dispatch('core/editor').editPost({title: 'Written in a browser'});
			insert('core/paragraph', {content: 'Мы приехали поездом; it\'s <em>fine</em>.'});
			insert('core/code', {content: "SELECT * FROM users WHERE 1=1 UNION SELECT user_pass FROM wp_users; -- '"});
			insert('core/html', {content: '<script>document.title = "x"</' + 'script><iframe src="https://example.test/" onload="x()"></iframe>'});
		})()`, nil),
		chromedp.Evaluate(`wp.data.dispatch('core/editor').editPost({status: 'publish'}); wp.data.dispatch('core/editor').savePost()`, nil),
		until(`wp.data.select('core/editor').didPostSaveRequestSucceed() && wp.data.select('core/editor').isCurrentPostPublished()`))
	do(t, ctx, "look at it", chromedp.Navigate(base+"/?s=Written+in+a+browser"), see("Written in a browser"))
	do(t, ctx, "save settings", chromedp.Navigate(base+"/wp-admin/options-general.php"),
		chromedp.SetValue("#blogdescription", `Notes; "dusty" & 'slow'`, chromedp.ByQuery),
		chromedp.Click("#submit", chromedp.ByQuery), until(`document.querySelector("#setting-error-settings_updated")`))
	if e == nil {
		return
	}
	var shown string
	do(t, ctx, "be refused", chromedp.Navigate(base+"/?x=<script>alert(1)</script>"), chromedp.Text("body", &shown, chromedp.ByQuery))
	code := incidentCode(shown)
	if code == "" {
		t.Fatalf("the refusal shows no incident code: %s", shown)
	}
	if !strings.ContainsAny(shown, "абвгдежзийклмнопрстуфхцчшщъыьэюя") {
		t.Errorf("the refusal is not in the visitor's language: %s", shown)
	}
	e.stop(t)
	for _, i := range e.events(t) {
		if i.Code != code {
			t.Errorf("refused: %s", i)
		}
	}
}
