package siege

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

var (
	duration = flag.Duration("for", 5*time.Second, "how long a siege lasts")
	herdSize = flag.Int("n", 1000, "how many slow connections, of each kind together")
)

// site is the name of the besieged site.
const site = "shop.example.kz"

var dir string // of this run

func TestMain(m *testing.M) {
	if os.Getenv("SIEGE_HERD") != "" {
		herdMain()
		return
	}
	flag.Parse()
	var err error
	if dir, err = os.MkdirTemp("", "siege-*"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// binary builds the program once.
var binary = sync.OnceValues(func() (string, error) {
	if file := os.Getenv("QORGAN_BINARY"); file != "" {
		return file, nil
	}
	file := filepath.Join(dir, "qorgan")
	build := exec.Command("go", "build", "-o", file, "./cmd/qorgan")
	build.Dir = ".."
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, out)
	}
	return file, nil
})

// edge is the program under siege.
type edge struct {
	http, https string
	pid         int
	log         string
}

// start runs the program in front of an upstream until the test ends. extra
// are lines of its configuration.
func start(t *testing.T, upstream string, extra ...string) *edge {
	t.Helper()
	file, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	own := t.TempDir()
	conf := fmt.Sprintf("data: %s/data\nhttp: 127.0.0.1:0\nhttps: 127.0.0.1:0\nconsole: {listen: \"off\"}\nlog: {access: false}\n%s\nsites: [{hosts: [%s, \"*\"], upstreams: %s}]\n",
		own, strings.Join(extra, "\n"), site, upstream)
	path := filepath.Join(own, "qorgan.yaml")
	if err := os.WriteFile(path, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	e := &edge{log: filepath.Join(own, "log")}
	out, err := os.Create(e.log)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd := exec.Command(file, "run", "-c", path)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	e.pid = cmd.Process.Pid
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGINT)
		_ = cmd.Process.Signal(syscall.SIGINT) // at once: visitors of a siege never leave
		select {
		case <-ended:
		case <-time.After(60 * time.Second):
			_ = cmd.Process.Kill()
			t.Error("the program did not stop")
		}
		if t.Failed() {
			b, _ := os.ReadFile(e.log)
			t.Logf("the program's log ends in\n%s", b[max(0, len(b)-4000):])
		}
	})
	var a struct{ HTTP, HTTPS []string }
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(60 * time.Second); ; {
		if b, err := os.ReadFile(filepath.Join(own, "data", "addresses.json")); err == nil && json.Unmarshal(b, &a) == nil && len(a.HTTPS) > 0 {
			break
		}
		select {
		case err := <-ended:
			b, _ := os.ReadFile(e.log)
			t.Fatalf("the program ended: %v\n%s", err, b)
		case <-end:
			t.Fatal("the program does not serve")
		case <-tick.C:
		}
	}
	e.http, e.https = a.HTTP[0], a.HTTPS[0]
	return e
}

// resident is the memory that the system has given the program, in bytes.
func (e *edge) resident(t *testing.T) int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", e.pid))
	if err != nil {
		t.Skip("this system does not tell a process's memory: ", err)
	}
	fields := bytes.Fields(b)
	pages, err := strconv.ParseInt(string(fields[1]), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}

// besiege runs attack until the time is over and returns by how much the
// program's memory grew at most, and how quickly others were answered.
func (e *edge) besiege(t *testing.T, ask func() error, attack func(stop <-chan struct{})) (grown int64, times []time.Duration, failed int) {
	t.Helper()
	for range 50 { // what is made at the first request is none of the siege's
		if err := ask(); err != nil {
			t.Fatal(err)
		}
	}
	before := e.resident(t)
	stop := make(chan struct{})
	var owned sync.WaitGroup
	owned.Go(func() { attack(stop) })
	end := time.After(*duration)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for running := true; running; {
		select {
		case <-end:
			running = false
		case <-tick.C:
		}
		grown = max(grown, e.resident(t)-before)
		began := time.Now()
		if err := ask(); err != nil {
			failed++
			t.Logf("a benign request: %v", err)
			continue
		}
		times = append(times, time.Since(began))
	}
	close(stop)
	owned.Wait()
	return grown, times, failed
}

// visitor asks for a small page on connections of its own, from an address of
// its own, as people do.
func (e *edge) visitor(from string) func() error {
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: 10 * time.Second}
	client := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{
		DialContext: dialer.DialContext, DisableKeepAlives: true}}
	return func() error {
		r, err := http.NewRequest(http.MethodGet, "http://"+e.http+"/ok", nil)
		if err != nil {
			return err
		}
		r.Host = site
		r.Header.Set("User-Agent", "Mozilla/5.0")
		resp, err := client.Do(r)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			return err
		}
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("answered %s", resp.Status)
		}
		return nil
	}
}

// upstream answers /ok at once, /big with much, and keeps everybody else
// waiting.
func upstream(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	chunk := make([]byte, 64<<10)
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/ok":
			_, _ = io.WriteString(w, "ok")
		case "/big":
			for range 1 << 10 {
				if _, err := w.Write(chunk); err != nil {
					return
				}
			}
		default:
			<-r.Context().Done()
		}
	})}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ln) }()
	t.Cleanup(func() {
		_ = s.Close()
		<-ended
	})
	return "http://" + ln.Addr().String()
}
