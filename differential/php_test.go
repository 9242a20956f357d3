//go:build differential

package differential

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/qorgan/qorgan/differential/seen"
	"github.com/qorgan/qorgan/internal/freeport"
)

// php is a running server that answers every request with echo.php.
type php struct {
	addr      string
	keepAlive bool
}

// ini holds the settings that differ from PHP's own: room for large bodies,
// and no messages in the answer.
const ini = "post_max_size=64M\nupload_max_filesize=64M\nmax_file_uploads=100\ndisplay_errors=0\nlog_errors=0\nhtml_errors=0\n"

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// find returns a program's path and skips the test when it is not installed.
func find(t *testing.T, names ...string) string {
	t.Helper()
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skipf("%s is not installed", names[0])
	return ""
}

// start runs a program until the test ends.
func start(t *testing.T, env []string, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		_ = cmd.Wait()
	})
}

// freeAddr returns a loopback address on which nothing listens.
func freeAddr(t *testing.T) string {
	t.Helper()
	addr, err := freeport.Address()
	if err != nil {
		t.Fatal(err)
	}
	return addr
}

// answer waits until the server answers.
func answer(t *testing.T, p *php) *php {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for time.Now().Before(deadline) {
		resp, err := http.Get("http://" + p.addr + "/")
		if err == nil {
			body, _ := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK && bytes.HasPrefix(body, []byte("{")) {
				return p
			}
			err = fmt.Errorf("%s: %.300s", resp.Status, body)
		}
		if time.Until(deadline) < time.Second {
			t.Fatalf("no answer from %s: %v", p.addr, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
	return nil
}

// builtin starts PHP's own server.
func builtin(t *testing.T, script string) *php {
	dir := t.TempDir()
	conf := write(t, filepath.Join(dir, "php.ini"), ini)
	p := &php{addr: freeAddr(t)}
	start(t, []string{"PHP_CLI_SERVER_WORKERS=4"}, find(t, "php", "php8.2"), "-c", conf, "-S", p.addr, "-t", dir, script)
	return answer(t, p)
}

// fpm starts php-fpm behind nginx.
func fpm(t *testing.T, script string) *php {
	dir, err := os.MkdirTemp("", "fpm") // a short path: sockets allow no long one
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	phpIni := write(t, filepath.Join(dir, "php.ini"), ini)
	socket := filepath.Join(dir, "fpm.sock")
	user := ""
	if os.Getuid() == 0 {
		user = "user = root\ngroup = root\n"
	}
	pool := write(t, filepath.Join(dir, "fpm.conf"), "[global]\nerror_log = "+dir+"/fpm.log\npid = "+dir+"/fpm.pid\n[www]\n"+user+
		"listen = "+socket+"\npm = static\npm.max_children = 4\n")
	args := []string{"-F", "-c", phpIni, "-y", pool}
	if os.Getuid() == 0 {
		args = append(args, "-R")
	}
	start(t, nil, find(t, "php-fpm8.2", "php-fpm", "php-fpm8.3", "php-fpm8.4"), args...)
	p := &php{addr: freeAddr(t), keepAlive: true}
	nginxUser := ""
	if os.Getuid() == 0 {
		nginxUser = "user root;\n"
	}
	conf := write(t, filepath.Join(dir, "nginx.conf"), nginxUser+strings.NewReplacer("@dir@", dir, "@addr@", p.addr, "@script@", script, "@socket@", socket).Replace(`
daemon off; worker_processes 1; pid @dir@/nginx.pid; error_log @dir@/error.log;
events { worker_connections 256; }
http {
  access_log off; client_max_body_size 64m; client_body_temp_path @dir@/body; keepalive_requests 1000000;
  large_client_header_buffers 8 256k;
  fastcgi_temp_path @dir@/fcgi; proxy_temp_path @dir@/proxy; uwsgi_temp_path @dir@/uwsgi; scgi_temp_path @dir@/scgi;
  server {
    listen @addr@;
    location / {
      fastcgi_pass unix:@socket@;
      fastcgi_param SCRIPT_FILENAME @script@; fastcgi_param REQUEST_METHOD $request_method;
      fastcgi_param QUERY_STRING $query_string; fastcgi_param CONTENT_TYPE $content_type;
      fastcgi_param CONTENT_LENGTH $content_length; fastcgi_param REQUEST_URI $request_uri;
      fastcgi_param NORMAL_URI $uri;
    }
  }
}`))
	start(t, nil, find(t, "nginx", "/usr/sbin/nginx"), "-c", conf, "-p", dir)
	return answer(t, p)
}

// outOfReach is a threshold at which only what the readers refuse is refused.
const outOfReach = "{inbound: 1000000, outbound: 1000000}"

// edge builds Qorgan and starts it in front of another server.
func edge(t *testing.T, behind *php, threshold string) *php {
	dir := t.TempDir()
	bin := filepath.Join(dir, "qorgan")
	if out, err := exec.Command("go", "build", "-o", bin, "../cmd/qorgan").CombinedOutput(); err != nil {
		t.Fatalf("build qorgan: %v\n%s", err, out)
	}
	conf := write(t, filepath.Join(dir, "qorgan.yaml"), strings.NewReplacer("@dir@", dir, "@upstream@", behind.addr, "@threshold@", threshold).Replace(`
data: @dir@/data
http: [127.0.0.1:0]
https: []
tls: {mode: "off"}
console: {listen: "off"}
log: {level: error}
sites:
  - hosts: ["*"]
    upstreams: ["http://@upstream@"]
    threshold: @threshold@
    profile: generic
    limits: {inspect: 4MiB, header_bytes: 256KiB}
`))
	start(t, nil, bin, "run", "-c", conf)
	deadline := time.Now().Add(60 * time.Second)
	for time.Now().Before(deadline) {
		raw, err := os.ReadFile(filepath.Join(dir, "data", "addresses.json"))
		if m := loopback.Find(raw); err == nil && m != nil {
			return answer(t, &php{addr: string(m), keepAlive: true})
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("the edge does not say where it listens")
	return nil
}

var loopback = regexp.MustCompile(`127\.0\.0\.1:[0-9]+`)

// client sends requests over one connection at a time.
type client struct {
	php  *php
	conn net.Conn
	buf  *bufio.Reader
}

// ask returns what PHP saw, and the status of an answer that is not PHP's.
func (c *client) ask(q *seen.Request) (*seen.View, int, error) {
	resp, err := c.send(q)
	if err != nil { // a server may close a connection between two requests
		c.conn = nil
		if resp, err = c.send(q); err != nil {
			return nil, 0, err
		}
	}
	body, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if resp.Close || !c.php.keepAlive || err != nil {
		_ = c.conn.Close()
		c.conn = nil
	}
	if err != nil {
		return nil, 0, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, resp.StatusCode, nil
	}
	v := new(seen.View)
	if err := json.Unmarshal(body, v); err != nil {
		return nil, 0, fmt.Errorf("read PHP's answer %.300q: %w", body, err)
	}
	return v, resp.StatusCode, nil
}

func (c *client) send(q *seen.Request) (*http.Response, error) {
	if c.conn == nil {
		conn, err := net.Dial("tcp", c.php.addr)
		if err != nil {
			return nil, err
		}
		c.conn, c.buf = conn, bufio.NewReader(conn)
	}
	_ = c.conn.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := c.conn.Write(q.Wire(c.php.addr)); err != nil {
		_ = c.conn.Close()
		return nil, err
	}
	resp, err := http.ReadResponse(c.buf, nil)
	if err != nil {
		_ = c.conn.Close()
	}
	return resp, err
}
