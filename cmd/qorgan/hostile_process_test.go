package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// What a machine may do to the edge: end its process, take its disk or its
// descriptors away. Each test runs the program as a process of its own, on
// sockets, with a real upstream behind it.

// child is a running edge.
type child struct {
	cmd  *exec.Cmd
	data string
	log  string
	done chan struct{}
}

// startChild runs a shell script in which "$@" is the program with its arguments: an
// edge for shop.example.kz in front of up. It is killed with the test.
func startChild(t *testing.T, script, data, up string, files []*os.File, args ...string) *child {
	t.Helper()
	if testing.Short() {
		t.Skip("starts the program anew, which takes long with the race detector")
	}
	program, err := exec.LookPath("qorgan")
	if err != nil {
		t.Fatal(err)
	}
	args = append([]string{"-c", script, "sh", program, "run", "--site", "shop.example.kz", "--to", up, "--tls", "off", "--console", "off", "--data", data}, args...)
	p := &child{cmd: exec.Command("sh", args...), data: data, log: filepath.Join(t.TempDir(), "log"), done: make(chan struct{})}
	log, err := os.Create(p.log)
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stderr, p.cmd.ExtraFiles = log, files
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait()
		_ = log.Close()
		close(p.done)
	}()
	t.Cleanup(func() { p.end(t, syscall.SIGKILL) })
	return p
}

// end sends a signal to the process and waits for its end.
func (p *child) end(t *testing.T, s syscall.Signal) {
	t.Helper()
	_ = syscall.Kill(-p.cmd.Process.Pid, s)
	select {
	case <-p.done:
	case <-time.After(patience):
		t.Fatal("the process does not end")
	}
}

// addresses waits until the process serves and returns its plain address. root
// is where its files are seen from here.
func (p *child) addresses(t *testing.T, root string) string {
	t.Helper()
	var a addresses
	p.until(t, "the edge serves", func() bool {
		b, err := os.ReadFile(filepath.Join(root, addressesFile(p.data)))
		return err == nil && json.Unmarshal(b, &a) == nil
	})
	return a.HTTP[0]
}

func (p *child) said() string {
	b, _ := os.ReadFile(p.log)
	return string(b)
}

// until waits for a condition, or for the end of the process.
func (p *child) until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(patience); !ok(); {
		select {
		case <-tick.C:
		case <-p.done:
			t.Fatalf("the process ended before %s:\n%s", what, p.said())
		case <-end:
			t.Fatalf("waited in vain until %s:\n%s", what, p.said())
		}
	}
}

// status sends one request over a connection of its own and returns the status
// of the answer.
func status(addr, raw string) (int, error) {
	c, err := net.DialTimeout("tcp", addr, 20*time.Second)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(c, raw); err != nil {
		return 0, err
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, err
}

// load sends harmless requests, each over a connection of its own, until it is
// stopped.
type load struct {
	answered, refused, cut, wrong atomic.Int64

	stop chan struct{}
	wait sync.WaitGroup
}

const visitors = 4

func newLoad(addr string) *load {
	l := &load{stop: make(chan struct{})}
	for range visitors {
		l.wait.Go(func() {
			for {
				select {
				case <-l.stop:
					return
				default:
				}
				switch got, err := status(addr, ask("/")); {
				case errors.Is(err, syscall.ECONNREFUSED):
					l.refused.Add(1)
				case err != nil:
					l.cut.Add(1)
				case got != http.StatusOK:
					l.wrong.Add(1)
				default:
					l.answered.Add(1)
				}
			}
		})
	}
	return l
}

// TestRow54And55SocketOutlivesTheProcess: where the service manager holds the
// socket, nobody is refused while the process dies, by its own fault or by a
// signal, or is replaced by another; and a stop that was asked for cuts nobody.
func TestRow54And55SocketOutlivesTheProcess(t *testing.T) {
	up := newRecordingUpstream(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	socket, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	addr, data := l.Addr().String(), filepath.Join(t.TempDir(), "data")
	begin := func() *child {
		p := startChild(t, `LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"`, data, up.url(), []*os.File{socket}, "--http", addr)
		p.addresses(t, "")
		return p
	}
	p := begin()
	visitors := newLoad(addr)
	for _, way := range []struct {
		name   string
		signal syscall.Signal
		cut    int64 // requests that may be under way when it ends
	}{
		{"stopped", syscall.SIGTERM, 0},
		{"killed", syscall.SIGKILL, 4},
		{"dead of a fatal error of the runtime", syscall.SIGABRT, 4},
		{"stopped again", syscall.SIGTERM, 0},
	} {
		served := visitors.answered.Load()
		p.until(t, "visitors are served", func() bool { return visitors.answered.Load() > served+20 })
		cut := visitors.cut.Load()
		p.end(t, way.signal)
		_ = os.Remove(addressesFile(data))
		p = begin()
		served = visitors.answered.Load()
		p.until(t, "visitors are served by the next process", func() bool { return visitors.answered.Load() > served+20 })
		if n := visitors.cut.Load() - cut; n > way.cut {
			t.Errorf("%s: %d requests were cut, want at most %d", way.name, n, way.cut)
		}
	}
	close(visitors.stop)
	visitors.wait.Wait()
	if n := visitors.refused.Load(); n > 0 {
		t.Errorf("%d connections were refused", n)
	}
	if n := visitors.wrong.Load(); n > 0 {
		t.Errorf("%d answers were wrong", n)
	}
	t.Logf("%d answered, %d cut", visitors.answered.Load(), visitors.cut.Load())
}

// TestRow64DescriptorsAtTheirEnd: a process that may open no more files goes on
// serving whom it serves, and serves others again when there is room.
func TestRow64DescriptorsAtTheirEnd(t *testing.T) {
	up := newRecordingUpstream(t)
	p := startChild(t, `ulimit -n 96; exec "$@"`, filepath.Join(t.TempDir(), "data"), up.url(), nil, "--http", "127.0.0.1:0")
	addr := p.addresses(t, "")
	old, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	_ = old.SetDeadline(time.Now().Add(patience))
	r := bufio.NewReader(old)
	again := func() {
		t.Helper()
		_, _ = io.WriteString(old, "GET / HTTP/1.1\r\n"+hostHead+"\r\n")
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatalf("whoever was there before got %v:\n%s", err, p.said())
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("whoever was there before was answered %d:\n%s", resp.StatusCode, p.said())
		}
	}
	again()
	var crowd []net.Conn
	for range 300 {
		c, err := net.DialTimeout("tcp", addr, 20*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		crowd = append(crowd, c)
	}
	for range 20 {
		again()
	}
	for _, c := range crowd {
		_ = c.Close()
	}
	p.until(t, "another visitor is served", func() bool {
		got, err := status(addr, ask("/"))
		return err == nil && got == http.StatusOK
	})
	again()
	if said := p.said(); strings.Contains(said, "panic") || strings.Contains(said, `"level":"fatal"`) {
		t.Errorf("the log says\n%s", said)
	}
}

// TestRow56Disk: a disk that is full, or may only be read, costs no visitor
// anything and lets no attack through; when there is room again, what is
// refused is on record again.
func TestRow56Disk(t *testing.T) {
	for _, tc := range []struct{ name, take, give string }{
		{"full", `head -c 64m /dev/zero > "$0"/filler 2>/dev/null; : > "$0"/filler2 2>/dev/null; exit 0`, `rm -f "$0"/filler "$0"/filler2`},
		{"without another file", `i=0; while touch "$0"/f$i 2>/dev/null; do i=$((i+1)); done`, `rm -f "$0"/f[0-9]*`},
	} {
		t.Run(tc.name, func(t *testing.T) { diskCase(t, tc.take, tc.give) })
	}
}

func diskCase(t *testing.T, take, give string) {
	if err := exec.Command("unshare", "-rm", "sh", "-c", "mount -t tmpfs none /mnt").Run(); err != nil {
		t.Skip("this machine gives nobody a file system of his own: ", err)
	}
	up := newRecordingUpstream(t)
	dir := t.TempDir()
	p := startChild(t, `exec unshare -rm sh -c 'mount -t tmpfs -o size=48m,nr_inodes=400 none "$0" && exec "$@"' "`+dir+`" "$@"`,
		filepath.Join(dir, "data"), up.url(), nil, "--http", "127.0.0.1:0")
	root := fmt.Sprintf("/proc/%d/root", p.cmd.Process.Pid)
	addr := p.addresses(t, root)
	inside := func(script string) {
		t.Helper()
		out, err := exec.Command("nsenter", "-t", fmt.Sprint(p.cmd.Process.Pid), "-U", "-m", "--preserve-credentials", "sh", "-c", script, dir).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v %s", script, err, out)
		}
	}
	recorded := func(n int) {
		t.Helper()
		p.until(t, fmt.Sprintf("%d refusals are on record", n), func() bool {
			out, err := exec.Command("nsenter", "-t", fmt.Sprint(p.cmd.Process.Pid), "-U", "-m", "--preserve-credentials",
				p.cmd.Args[4], "events", "--data", p.data, "--json").Output()
			return err == nil && bytes.Count(out, []byte("\n")) >= n
		})
	}
	visit := func(n int) {
		t.Helper()
		for i := range n {
			if got, err := status(addr, ask(fmt.Sprintf("/?page=%d", i))); err != nil || got != http.StatusOK {
				t.Fatalf("a visitor was answered %d, %v:\n%s", got, err, p.said())
			}
			if got, err := status(addr, ask(fmt.Sprintf("/%d?q=%s", i, escaped))); err != nil || got != http.StatusForbidden {
				t.Fatalf("an attack was answered %d, %v:\n%s", got, err, p.said())
			}
			if got, err := status(addr, post(formType, "a=1")); err != nil || got != http.StatusOK {
				t.Fatalf("a form was answered %d, %v:\n%s", got, err, p.said())
			}
		}
	}
	visit(3)
	recorded(3)
	inside(take)
	visit(20)
	inside(give)
	visit(1)
	recorded(4)
	p.end(t, syscall.SIGTERM)
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("ended with %d:\n%s", code, p.said())
	}
}
