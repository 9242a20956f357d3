package main

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/qorgan/qorgan/internal/freeport"
	"github.com/qorgan/qorgan/internal/postgrestest"
	"github.com/qorgan/qorgan/sample"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"qorgan": main, "stuck": stuck})
}

// TestScripts runs the program as people do. Besides testscript's own commands:
//
//	start NAME ARG...     run `qorgan ARG...` in the background, output in NAME.out and NAME.log
//	serving DIR           wait for DIR/addresses.json; sets $HTTP, $HTTPS, $ADMIN, $CONSOLE
//	logged NAME REGEXP    wait until the log of NAME matches
//	signal NAME SIGNAL    send TERM, HUP, KILL, ...
//	ended NAME CODE       wait for the end of NAME and compare its exit code
//	get STATUS URL [HOST] fetch URL, compare the status, keep the body in the file body
//	from ADDRESS STATUS URL HOST   as get, through a proxy that says that ADDRESS asks
//	refused ADDRESS URL HOST   ask like that again and again until it is refused
//	until REGEXP ARG...   run `qorgan ARG...` again and again until its output matches
//	incident VAR ARG...   run `qorgan ARG...` and set $VAR to the first incident code it prints
//	capture VAR RE ARG... run `qorgan ARG...` and set $VAR to what RE's group matches
//	hold URL HOST         begin a request whose answer the upstream holds back
//	release STATUS        let the upstream answer and compare what the client got
//	envsubst FILE         replace $UPSTREAM in FILE
//	address VAR           set $VAR to an address that is free, for who listens there again
//	occupy                listen on a free port; sets $BUSY to its address
//
// $UPSTREAM is the sample shop, behind which /hold waits; $DOCS is the folder of
// the documentation.
func TestScripts(t *testing.T) {
	dir, files := "testdata/script", []string(nil)
	if testing.Short() {
		// With the race detector every start takes half a minute: these go
		// through what runs beside the request path.
		dir, files = "", []string{"testdata/script/run_block_events.txtar", "testdata/script/reload.txtar", "testdata/script/fleet.txtar"}
	}
	runScripts(t, dir, files, nil)
}

// TestPostgresScripts runs those of testdata/postgres, in which $STORE is the
// address of an empty PostgreSQL.
func TestPostgresScripts(t *testing.T) {
	server := postgrestest.Start(t)
	runScripts(t, "testdata/postgres", nil, func(env *testscript.Env) {
		env.Setenv("STORE", postgrestest.Empty(t, server))
	})
}

func runScripts(t *testing.T, dir string, files []string, prepare func(*testscript.Env)) {
	testscript.Run(t, testscript.Params{
		Dir: dir, Files: files,
		Setup: func(env *testscript.Env) error {
			w := &world{running: map[string]*running{}, held: make(chan struct{}, 1), free: make(chan struct{}), got: make(chan int, 1)}
			upstream := httptest.NewServer(w)
			env.Defer(func() {
				w.stopAll()
				upstream.Close()
			})
			env.Setenv("UPSTREAM", upstream.URL)
			docs, err := filepath.Abs("../../docs")
			if err != nil {
				return err
			}
			env.Setenv("DOCS", docs)
			env.Setenv("XDG_STATE_HOME", filepath.Join(env.WorkDir, "state"))
			env.Values[worldKey{}] = w
			if prepare != nil {
				prepare(env)
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"start": start, "serving": serving, "logged": logged, "signal": sendSignal, "ended": ended,
			"get": get, "from": from, "refused": refused, "until": until, "incident": incident, "capture": capture, "hold": hold, "release": letGo, "envsubst": envsubst, "occupy": occupy, "address": address,
		},
	})
}

// patience bounds every wait; a wait ends as soon as its condition holds.
const patience = 60 * time.Second

type worldKey struct{}

// world is what one script has around it.
type world struct {
	running  map[string]*running
	held     chan struct{} // a request has reached /hold
	free     chan struct{} // closed: /hold may answer
	got      chan int      // the status the held request's client saw
	cleanups []func()
}

type running struct {
	cmd  *exec.Cmd
	log  string // file
	done chan struct{}
}

func of(ts *testscript.TestScript) *world { return ts.Value(worldKey{}).(*world) }

var shop = sample.New()

// ServeHTTP is the upstream.
func (w *world) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/hold" {
		shop.ServeHTTP(rw, r)
		return
	}
	w.held <- struct{}{}
	select {
	case <-w.free:
		fmt.Fprintln(rw, "at last")
	case <-r.Context().Done():
	}
}

func (w *world) stopAll() {
	for _, r := range w.running {
		select {
		case <-r.done:
		default:
			_ = r.cmd.Process.Kill()
			<-r.done
		}
	}
	for _, f := range w.cleanups {
		f()
	}
}

// wait asks again and again, until ok or the patience is at its end.
func wait(ts *testscript.TestScript, what string, ok func() bool) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	end := time.After(patience)
	for !ok() {
		select {
		case <-tick.C:
		case <-end:
			for name, r := range of(ts).running {
				b, _ := os.ReadFile(r.log)
				ts.Logf("%s:\n%s", name, b)
			}
			ts.Fatalf("waited in vain for %s", what)
		}
	}
}

// program is the path of the qorgan that testscript made.
func program(ts *testscript.TestScript) string {
	for _, dir := range filepath.SplitList(ts.Getenv("PATH")) {
		if path := filepath.Join(dir, "qorgan"); isFile(path) {
			return path
		}
	}
	ts.Fatalf("no qorgan in PATH")
	return ""
}

func command(ts *testscript.TestScript, args []string) *exec.Cmd {
	cmd := exec.Command(program(ts), args...)
	cmd.Dir = ts.MkAbs(".")
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "XDG_STATE_HOME", "GOCOVERDIR", "QORGAN_STORE"} {
		cmd.Env = append(cmd.Env, name+"="+ts.Getenv(name))
	}
	return cmd
}

func start(ts *testscript.TestScript, neg bool, args []string) {
	name := args[0]
	r := &running{cmd: command(ts, args[1:]), log: ts.MkAbs(name + ".log"), done: make(chan struct{})}
	out, err := os.Create(ts.MkAbs(name + ".out"))
	ts.Check(err)
	log, err := os.Create(r.log)
	ts.Check(err)
	r.cmd.Stdout, r.cmd.Stderr = out, log
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	ts.Check(r.cmd.Start())
	of(ts).running[name] = r
	go func() {
		_ = r.cmd.Wait() // the exit code is in ProcessState
		out.Close()
		log.Close()
		close(r.done)
	}()
}

func find(ts *testscript.TestScript, name string) *running {
	r := of(ts).running[name]
	if r == nil {
		ts.Fatalf("%s was not started", name)
	}
	return r
}

func serving(ts *testscript.TestScript, neg bool, args []string) {
	var a addresses
	wait(ts, args[0]+"/addresses.json", func() bool {
		b, err := os.ReadFile(ts.MkAbs(filepath.Join(args[0], "addresses.json")))
		return err == nil && json.Unmarshal(b, &a) == nil
	})
	for _, env := range []struct {
		name  string
		value []string
	}{{"HTTP", a.HTTP}, {"HTTPS", a.HTTPS}} {
		if len(env.value) > 0 {
			ts.Setenv(env.name, env.value[0])
		}
	}
	ts.Setenv("ADMIN", a.Admin)
	ts.Setenv("CONSOLE", a.Console)
}

func logged(ts *testscript.TestScript, neg bool, args []string) {
	r, re := find(ts, args[0]), regexp.MustCompile(args[1])
	wait(ts, args[1], func() bool {
		b, err := os.ReadFile(r.log)
		return err == nil && re.Match(b)
	})
}

func sendSignal(ts *testscript.TestScript, neg bool, args []string) {
	s := map[string]syscall.Signal{"TERM": syscall.SIGTERM, "INT": syscall.SIGINT, "HUP": syscall.SIGHUP, "KILL": syscall.SIGKILL}[args[1]]
	ts.Check(find(ts, args[0]).cmd.Process.Signal(s))
}

func ended(ts *testscript.TestScript, neg bool, args []string) {
	r := find(ts, args[0])
	wait(ts, "the end of "+args[0], func() bool {
		select {
		case <-r.done:
			return true
		default:
			return false
		}
	})
	if code := strconv.Itoa(r.cmd.ProcessState.ExitCode()); code != args[1] {
		b, _ := os.ReadFile(r.log)
		ts.Fatalf("%s ended with %s, want %s:\n%s", args[0], code, args[1], b)
	}
}

// fetch asks for url with an own Host, and takes any certificate.
func fetch(url, host string) (status int, body []byte, err error) { return fetchFrom("", url, host) }

// fetchFrom is fetch as a proxy does it for a client.
func fetchFrom(client, url, host string) (status int, body []byte, err error) {
	r, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return 0, nil, err
	}
	if client != "" {
		r.Header.Set("X-Forwarded-For", client)
	}
	name, _, _ := net.SplitHostPort(r.URL.Host)
	if host != "" {
		r.Host, name = host, host
	}
	browser := &http.Client{Transport: &http.Transport{
		TLSClientConfig:   &tls.Config{ServerName: name, InsecureSkipVerify: true},
		DisableKeepAlives: true,
	}}
	w, err := browser.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer w.Body.Close()
	body, err = io.ReadAll(w.Body)
	return w.StatusCode, body, err
}

func get(ts *testscript.TestScript, neg bool, args []string) {
	host := ""
	if len(args) > 2 {
		host = args[2]
	}
	status, body, err := fetch(args[1], host)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs("body"), body, 0o600))
	if strconv.Itoa(status) != args[0] {
		ts.Fatalf("%s: status %d, want %s\n%s", args[1], status, args[0], body)
	}
}

func from(ts *testscript.TestScript, neg bool, args []string) {
	status, body, err := fetchFrom(args[0], args[2], args[3])
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs("body"), body, 0o600))
	if strconv.Itoa(status) != args[1] {
		ts.Fatalf("%s from %s: status %d, want %s\n%s", args[2], args[0], status, args[1], body)
	}
}

func refused(ts *testscript.TestScript, neg bool, args []string) {
	want := http.StatusForbidden
	if neg {
		want = http.StatusOK
	}
	wait(ts, fmt.Sprintf("%d for %s", want, args[0]), func() bool {
		status, _, err := fetchFrom(args[0], args[1], args[2])
		ts.Check(err)
		return status == want
	})
}

func until(ts *testscript.TestScript, neg bool, args []string) {
	re := regexp.MustCompile(args[0])
	wait(ts, args[0], func() bool {
		cmd := command(ts, args[1:])
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		_ = cmd.Run() // what counts is what it printed
		ts.Check(os.WriteFile(ts.MkAbs("until.out"), out.Bytes(), 0o600))
		return re.Match(out.Bytes())
	})
}

func incident(ts *testscript.TestScript, neg bool, args []string) {
	out, err := command(ts, args[1:]).Output()
	ts.Check(err)
	if id, _, ok := strings.Cut(string(out), "  "); ok && out[0] != '{' { // a list begins with it
		ts.Setenv(args[0], id)
		return
	}
	var ev struct{ Code string }
	ts.Check(json.NewDecoder(bytes.NewReader(out)).Decode(&ev))
	ts.Setenv(args[0], ev.Code)
}

func capture(ts *testscript.TestScript, neg bool, args []string) {
	out, err := command(ts, args[2:]).Output()
	ts.Check(err)
	found := regexp.MustCompile(args[1]).FindSubmatch(out)
	if found == nil {
		ts.Fatalf("no %s in %s", args[1], out)
	}
	ts.Setenv(args[0], string(found[1]))
}

func hold(ts *testscript.TestScript, neg bool, args []string) {
	w := of(ts)
	go func() {
		status, _, err := fetch(args[0]+"/hold", args[1])
		if err != nil {
			status = 0
		}
		w.got <- status
	}()
	select {
	case <-w.held:
	case <-time.After(patience):
		ts.Fatalf("the upstream was not asked")
	}
}

func letGo(ts *testscript.TestScript, neg bool, args []string) {
	w := of(ts)
	if args[0] != "cut" {
		close(w.free)
	}
	select {
	case status := <-w.got:
		got := strconv.Itoa(status)
		if got != args[0] && !(args[0] == "cut" && status != http.StatusOK) {
			ts.Fatalf("the client got %s, want %s", got, args[0])
		}
	case <-time.After(patience):
		ts.Fatalf("the client got nothing")
	}
}

func address(ts *testscript.TestScript, neg bool, args []string) {
	free, err := freeport.Address()
	ts.Check(err)
	ts.Setenv(args[0], free)
}

func occupy(ts *testscript.TestScript, neg bool, args []string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	of(ts).cleanups = append(of(ts).cleanups, func() { l.Close() })
	ts.Setenv("BUSY", l.Addr().String())
}

func envsubst(ts *testscript.TestScript, neg bool, args []string) {
	b := ts.ReadFile(args[0])
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(os.Expand(b, ts.Getenv)), 0o600))
}
