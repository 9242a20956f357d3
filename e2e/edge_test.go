package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/qorgan/qorgan/internal/freeport"
)

// host is the name under which people know the site. A *.localhost name needs
// no resolver in a browser.
const host = "blog.localhost"

// edge is the program under test, started as an owner would start it.
type edge struct {
	URL  string // http://blog.localhost:port
	Addr string // 127.0.0.1:port
	Data string
	log  *bytes.Buffer
	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended
}

// binary builds the program once for all tests.
func binary(t *testing.T) string {
	t.Helper()
	if file := os.Getenv("QORGAN_BINARY"); file != "" {
		return file
	}
	file := filepath.Join(shared.dir, "qorgan")
	if _, err := os.Stat(file); err == nil {
		return file
	}
	build := exec.Command("go", "build", "-o", file, "./cmd/qorgan")
	build.Dir = ".."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return file
}

// startEdge runs the program in front of upstream until the test ends.
func startEdge(t *testing.T, upstream string, flags ...string) *edge {
	t.Helper()
	addr := freeAddr(t)
	e := &edge{Addr: addr, URL: "http://" + host + addr[strings.LastIndex(addr, ":"):], Data: t.TempDir(), log: new(bytes.Buffer)}
	args := append([]string{
		"run", "--site", host, "--to", upstream, "--http", addr, "--tls", "off",
		"--admin", freeAddr(t), "--console", "off", "--data", e.Data,
	}, flags...)
	e.cmd = exec.Command(binary(t), args...)
	e.cmd.Stdout, e.cmd.Stderr = e.log, e.log
	e.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := e.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	e.done = make(chan struct{})
	go func() {
		defer close(e.done)
		e.cmd.Wait() // how it ended is in its log
	}()
	t.Cleanup(func() { e.stop(t) })
	deadline := time.Now().Add(30 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
			return e
		}
		select {
		case <-e.done:
			t.Fatalf("the edge ended:\n%s", tail(e.log.String()))
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("the edge does not listen:\n%s", tail(e.log.String()))
		}
	}
	return nil
}

// stop asks the edge to drain and waits for its end.
func (e *edge) stop(t *testing.T) {
	t.Helper()
	e.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-e.done:
	case <-time.After(30 * time.Second):
		e.cmd.Process.Kill()
		<-e.done
		t.Errorf("the edge did not stop:\n%s", tail(e.log.String()))
	}
}

// incident is as much of a recorded event as these tests look at.
type incident struct {
	ID      string `json:"id"`
	Code    string `json:"code"`
	Kind    string `json:"kind"`
	Reason  string `json:"reason"`
	Rules   []int  `json:"rules"`
	Request struct {
		Method, Target string
	} `json:"request"`
	Matches []struct {
		Rule                 int
		Variable, Key, Value string
	} `json:"matches"`
}

func (i incident) String() string {
	s := fmt.Sprintf("%s %s %s %s %v", i.Kind, i.Reason, i.Request.Method, i.Request.Target, i.Rules)
	for _, m := range i.Matches {
		s += fmt.Sprintf("\n\t\t%d %s:%s = %.120q", m.Rule, m.Variable, m.Key, m.Value)
	}
	return s
}

// events asks the program itself what it recorded.
func (e *edge) events(t *testing.T) []incident {
	t.Helper()
	out, err := exec.Command(binary(t), "events", "--data", e.Data, "--json").Output()
	if err != nil {
		t.Fatalf("events: %v", err)
	}
	var all []incident
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var i incident
		if err := json.Unmarshal(lines.Bytes(), &i); err != nil {
			t.Fatalf("events: %v in %s", err, lines.Text())
		}
		all = append(all, i)
	}
	return all
}

// transport reaches any *.localhost name on this machine.
func transport() *http.Transport {
	return &http.Transport{DialContext: dialLoopback}
}

func freeAddr(t *testing.T) string {
	t.Helper()
	addr, err := freeport.Address()
	if err != nil {
		t.Fatal(err)
	}
	return addr
}

func tail(s string) string {
	if len(s) > 4000 {
		return s[len(s)-4000:]
	}
	return s
}
