package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
)

// startConsole runs the console alone until the test ends, and returns its
// address and the link of the first sign-in.
func startConsole(t *testing.T) (base, link string) {
	t.Helper()
	said, err := os.Create(filepath.Join(t.TempDir(), "said"))
	if err != nil {
		t.Fatal(err)
	}
	defer said.Close()
	out := func() string {
		text, err := os.ReadFile(said.Name())
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	c := exec.Command(binary(t), "console", "--listen", "127.0.0.1:0", "--tls", "off", "--data", t.TempDir())
	c.Stdout, c.Stderr = said, said
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.Wait() // how it ended is in its log
	}()
	t.Cleanup(func() {
		c.Process.Signal(syscall.SIGTERM)
		select {
		case <-done:
		case <-time.After(30 * time.Second):
			c.Process.Kill()
			<-done
			t.Errorf("the console did not stop:\n%s", tail(out()))
		}
	})
	address := regexp.MustCompile(`(http://localhost:\d+)(/link/\S+)`)
	await(t, "link of the first sign-in", func() bool { return address.MatchString(out()) })
	m := address.FindStringSubmatch(out())
	return m[1], m[1] + m[2]
}

// TestPeople lets the first person in, who invites a colleague for a hoster's
// owner and sets up what protects a sign-in: without a script, in three
// languages, on a telephone and wide, light and dark. Then a real browser makes
// a passkey and signs in with it.
func TestPeople(t *testing.T) {
	base, link := startConsole(t)
	ctx := browse(t)
	do(t, ctx, "first sign-in", emulation.SetScriptExecutionDisabled(true), chromedp.Navigate(link),
		chromedp.SendKeys("#password", ownerPassword, chromedp.ByQuery), chromedp.SendKeys("#again", ownerPassword, chromedp.ByQuery),
		chromedp.Submit("#password", chromedp.ByQuery), until(`document.querySelector("#headline")`))
	do(t, ctx, "a hoster", chromedp.Navigate(base+"/tenants"), chromedp.SendKeys("#name", "Hosting Almaty", chromedp.ByQuery), chromedp.Submit("#name", chromedp.ByQuery),
		until(`document.querySelector("#site")`))
	do(t, ctx, "his owner", chromedp.Navigate(base+"/tenants"), chromedp.SendKeys("#name", "Кітап дүкені", chromedp.ByQuery),
		chromedp.Evaluate(`document.querySelector("#parent").selectedIndex = 1`, nil), chromedp.Submit("#name", chromedp.ByQuery), until(`document.querySelector("#site")`))
	do(t, ctx, "his sites", chromedp.SendKeys("#site", "*.kitap.kz", chromedp.ByQuery), chromedp.Submit("#site", chromedp.ByQuery), until(`document.querySelector(".sessions code")`),
		chromedp.SendKeys("#site", "kitap.kz", chromedp.ByQuery), chromedp.Submit("#site", chromedp.ByQuery), until(`document.querySelector("#to-0")`))
	var tenant, invitation string
	do(t, ctx, "an invitation", chromedp.Location(&tenant), chromedp.Navigate(base+"/people"), chromedp.SendKeys("#note", "Айгерім Қасымова", chromedp.ByQuery),
		chromedp.Submit("#note", chromedp.ByQuery), until(`document.querySelector(".line code")`), chromedp.Text(".line code", &invitation, chromedp.ByQuery))
	if !strings.HasPrefix(invitation, base+"/join/") {
		t.Fatalf("the invitation is %q", invitation)
	}
	lookAt(t, ctx, "people-invited")
	for _, tag := range []string{"en", "ru", "kk"} {
		t.Run(tag, func(t *testing.T) {
			ctx := consoleOwner(t, base)
			do(t, ctx, "speak "+tag, emulation.SetScriptExecutionDisabled(true), clickText(languageName[tag]), until(`document.documentElement.lang === "`+tag+`"`))
			for name, path := range map[string]string{"people": "/people", "member": "/people/1", "tenants": "/tenants", "tenant": tenant[len(base):], "account": "/account", "trail": "/trail"} {
				do(t, ctx, "open "+path, chromedp.Navigate(base+path), until(`document.querySelector("h1")`))
				lookAt(t, ctx, name+"-"+tag)
			}
		})
	}
	ctx = consoleOwner(t, base)
	passkey(t, ctx, base)
	do(t, ctx, "without a script", emulation.SetScriptExecutionDisabled(true))
	do(t, ctx, "set up the second step", chromedp.Navigate(base+"/account"), chromedp.SendKeys("#old-second", ownerPassword, chromedp.ByQuery),
		chromedp.Submit("#old-second", chromedp.ByQuery), until(`document.querySelector(".qr")`))
	lookAt(t, ctx, "authenticator")
	other := browse(t)
	do(t, other, "the invitation, elsewhere", emulation.SetScriptExecutionDisabled(true), chromedp.Navigate(invitation), until(`document.querySelector("#again")`))
	lookAt(t, other, "join")
}

// consoleOwner opens a browser of its own and signs the owner in.
func consoleOwner(t *testing.T, base string) context.Context {
	t.Helper()
	ctx := browse(t)
	do(t, ctx, "sign in", chromedp.Navigate(base+"/sign-in"), chromedp.SendKeys("#name", "admin", chromedp.ByQuery),
		chromedp.SendKeys("#password", ownerPassword, chromedp.ByQuery), chromedp.Submit("#password", chromedp.ByQuery), until(`document.querySelector("#headline")`))
	return ctx
}

// passkey adds one and signs in with it, as a device with a fingerprint reader
// would.
func passkey(t *testing.T, ctx context.Context, base string) {
	t.Helper()
	do(t, ctx, "a device", emulation.SetScriptExecutionDisabled(false), webauthn.Enable(), chromedp.ActionFunc(func(ctx context.Context) error {
		_, err := webauthn.AddVirtualAuthenticator(&webauthn.VirtualAuthenticatorOptions{
			Protocol: webauthn.AuthenticatorProtocolCtap2, Transport: webauthn.AuthenticatorTransportInternal,
			HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true,
		}).Do(ctx)
		return err
	}))
	do(t, ctx, "a wrong password", chromedp.Navigate(base+"/account"), until(`!document.querySelector("#passkey").hidden`),
		chromedp.SendKeys("#old-passkey", "wrong wrong", chromedp.ByQuery), chromedp.Click("#passkey button", chromedp.ByQuery),
		until(`document.querySelector("#passkey [role=status]").textContent`))
	do(t, ctx, "add a passkey", chromedp.Navigate(base+"/account"), until(`!document.querySelector("#passkey").hidden`),
		chromedp.SendKeys("#old-passkey", ownerPassword, chromedp.ByQuery), chromedp.Click("#passkey button", chromedp.ByQuery),
		until(`document.querySelector(".done") && document.querySelector("form[action='/account/passkeys/remove']")`))
	do(t, ctx, "sign out", chromedp.Submit(".foot form[action='/sign-out'] button", chromedp.ByQuery), until(`document.querySelector("#password")`))
	do(t, ctx, "sign in with the passkey", until(`!document.querySelector("#passkey").hidden`), chromedp.Click("#passkey button", chromedp.ByQuery),
		until(`document.querySelector("#headline")`))
}
