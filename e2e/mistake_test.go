package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/qorgan/qorgan/sample"
)

// wordsOfMistake are what the pages say in each language, as a person looks for
// it.
var wordsOfMistake = map[string]struct{ mistake, proved, pass, done, back, gone string }{
	"en": {"This was a mistake", "Proved just now", "Let such requests pass", "The exception is in force.", "Take back", "It was taken back."},
	"ru": {"Это была ошибка", "Проверено только что", "Пропускать такие запросы", "Исключение действует.", "Отменить", "Отменено."},
	"kk": {"Бұл қате болды", "Дәл қазір тексерілді", "Мұндай сұрауларды өткізу", "Ерекшелік күшінде.", "Қайтарып алу", "Қайтарып алынды."},
}

// TestMistake is an honest visitor who is refused, and the owner who lets him
// pass: by the code on the refusal's page, with what the console says and no
// script, in each of its languages.
func TestMistake(t *testing.T) {
	shop := httptest.NewServer(sample.New())
	t.Cleanup(shop.Close)
	e := startEdge(t, shop.URL, "--console", freeAddr(t), "--mode", "block", "--profile", "wordpress")
	link := regexp.MustCompile(`https?://localhost:\d+/link/\S+`)
	signIn := ""
	await(t, "the link of the first sign-in", func() bool { signIn = link.FindString(e.log.String()); return signIn != "" })
	base := signIn[:strings.Index(signIn, "/link/")]
	chosen := false // a password
	for _, language := range []string{"kk", "ru", "en"} {
		t.Run(language, func(t *testing.T) {
			ctx := browse(t)
			if !chosen {
				chosen = true
				do(t, ctx, "choose a password", chromedp.Navigate(signIn), chromedp.SendKeys("#password", ownerPassword), chromedp.SendKeys("#again", ownerPassword), chromedp.Submit("#again"))
			} else {
				do(t, ctx, "sign in", chromedp.Navigate(base+"/sign-in"), chromedp.SendKeys("[name=name]", "admin"), chromedp.SendKeys("[name=password]", ownerPassword), chromedp.Submit("[name=password]"))
			}
			do(t, ctx, "without a script", until(`document.querySelector(".masthead nav")`), emulation.SetScriptExecutionDisabled(true))
			mistaken(t, ctx, e, base, language)
		})
	}
}

const ownerPassword = "four words side by side"

// mistaken is the whole in one language.
func mistaken(t *testing.T, ctx context.Context, e *edge, base, language string) {
	v, w := commenter{t: t, ctx: ctx, url: e.URL}, wordsOfMistake[language]
	honest := "Does it keep? My own shop calls file_get_contents( and fails."
	code := v.say(honest)
	if code == "" {
		t.Fatal("the comment was not refused")
	}
	e.stored(t, code)
	do(t, ctx, "find the incident by its code", chromedp.Navigate(base+"/"), clickText(languageName[language]), until(fmt.Sprintf("document.documentElement.lang === %q", language)),
		chromedp.SetValue("#find", strings.ToLower(code), chromedp.ByQuery), chromedp.Submit("#find", chromedp.ByQuery), see(code), see(w.mistake))
	lookAt(t, ctx, "incident-"+language)
	do(t, ctx, "ask for an exception", clickText(w.mistake), see(w.proved), see("file_get_contents("), see("933150"))
	lookAt(t, ctx, "mistake-"+language)
	do(t, ctx, "let it pass", clickText(w.pass), see(w.done), see(code))
	// The page is there because it is in force.
	if v.say(honest) != "" {
		t.Error("the comment is still refused")
	}
	if v.say(`Nice <script src=//evil.example/x.js></script>`) == "" {
		t.Error("an attack in the same field passes")
	}
	do(t, ctx, "look at what holds", chromedp.Navigate(base+"/exclusions"), see(code))
	lookAt(t, ctx, "exclusions-"+language)
	do(t, ctx, "take it back", clickText(w.back), see(w.gone))
	if v.say(honest) == "" {
		t.Error("after it was taken back the comment passes")
	}
	if language != "en" {
		return
	}
	wide := v.get("/search?q=x&file=/etc/passwd")
	e.stored(t, wide)
	do(t, ctx, "what would let attacks pass", chromedp.Navigate(base+"/incidents?text="+wide), clickText(w.mistake), see("No exception is offered"), see(";cat /etc/passwd"))
	lookAt(t, ctx, "mistake-refused")
	do(t, ctx, "the list's picture of days", chromedp.Navigate(base+"/incidents?span=week"), until(`document.querySelector(".days .bar")`))
	lookAt(t, ctx, "list")
}

// stored waits until an incident is on record.
func (e *edge) stored(t *testing.T, code string) {
	t.Helper()
	await(t, "incident "+code, func() bool {
		return slices.ContainsFunc(e.events(t), func(i incident) bool { return i.Code == code })
	})
}

var languageName = map[string]string{"en": "English", "ru": "Русский", "kk": "Қазақша"}

// commenter writes comments.
type commenter struct {
	t   *testing.T
	ctx context.Context
	url string
}

// say writes a comment in the shop and returns the code of its refusal; empty
// when it was taken.
func (v commenter) say(text string) string {
	v.t.Helper()
	var shown string
	do(v.t, v.ctx, "comment", chromedp.Navigate(v.url+"/goods/steppe-tea"), chromedp.SendKeys("[name=name]", "Айгүл", chromedp.ByQuery),
		chromedp.SendKeys("[name=text]", text, chromedp.ByQuery), chromedp.Submit("[name=text]", chromedp.ByQuery),
		until(`document.readyState === "complete" && !document.querySelector("[name=text]")?.value`), chromedp.Text("body", &shown, chromedp.ByQuery))
	return incidentCode(shown)
}

// get opens a page and returns the code of its refusal.
func (v commenter) get(target string) string {
	v.t.Helper()
	var shown string
	do(v.t, v.ctx, "open "+target, chromedp.Navigate(v.url+target), chromedp.Text("body", &shown, chromedp.ByQuery))
	return incidentCode(shown)
}

// clickText clicks the first link or button of the page's content that says
// text.
func clickText(text string) chromedp.Action {
	return chromedp.Click(fmt.Sprintf(`(//a|//button)[starts-with(normalize-space(.), %q)]`, text), chromedp.BySearch)
}

// await asks again until ok holds.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for tick := time.NewTicker(50 * time.Millisecond); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("%s did not come", what)
		}
	}
}

// lookAt looks at the page where a person does: on a telephone and on a wide
// screen, light and dark. Nothing may stick out, and, with axe-core at hand
// (QORGAN_AXE names its file), nothing may be wrong for who cannot see it.
// QORGAN_PICTURES names a folder for what was seen.
func lookAt(t *testing.T, ctx context.Context, name string) {
	t.Helper()
	axe, _ := os.ReadFile(os.Getenv("QORGAN_AXE"))
	for _, screen := range []struct {
		name          string
		width, height int64
		scheme        string
	}{{"wide", 1280, 900, "light"}, {"telephone", 390, 844, "light"}, {"telephone-dark", 390, 844, "dark"}, {"wide-dark", 1280, 900, "dark"}} {
		var out int
		var png []byte
		do(t, ctx, name+" "+screen.name, chromedp.EmulateViewport(screen.width, screen.height),
			emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: screen.scheme}}),
			chromedp.Evaluate(`document.documentElement.scrollWidth - document.documentElement.clientWidth`, &out))
		if out > 0 {
			t.Errorf("%s, %s: %d pixels stick out", name, screen.name, out)
		}
		if len(axe) > 0 {
			var found string
			do(t, ctx, "axe", emulation.SetScriptExecutionDisabled(false), chromedp.Evaluate(string(axe)+";0", nil),
				chromedp.Evaluate(`axe.run().then(r => JSON.stringify(r.violations.map(v => v.id + ": " + v.nodes.map(n => n.target.join(" ") + " " + (n.any[0]?.message || "")).slice(0, 3).join("; "))))`, &found,
					chromedp.EvalAsValue, awaitPromise),
				emulation.SetScriptExecutionDisabled(true))
			var list []string
			if err := json.Unmarshal([]byte(found), &list); err != nil || len(list) > 0 {
				t.Errorf("%s, %s: %v %s", name, screen.name, err, found)
			}
		}
		if folder := os.Getenv("QORGAN_PICTURES"); folder != "" {
			do(t, ctx, "picture", chromedp.FullScreenshot(&png, 100))
			if err := os.WriteFile(filepath.Join(folder, name+"-"+screen.name+".png"), png, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	do(t, ctx, "back to the usual screen", chromedp.EmulateViewport(1280, 900))
}

func awaitPromise(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }
