package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const (
	nginxBinary  = "/usr/sbin/nginx"
	nginxModule  = "/usr/lib/nginx/modules/ngx_http_modsecurity_module.so"
	apacheBinary = "/usr/sbin/apache2"
	apacheModule = "/usr/lib/apache2/modules/mod_security2.so"
	ruleModule   = "github.com/corazawaf/coraza-coreruleset/v4"
)

// peer is one of the servers measured.
type peer struct {
	name, title string
	addr        string
	pid         int
}

// house is a folder with the servers that were started in it.
type house struct {
	dir     string
	log     *os.File
	running []running
}

type running struct {
	cmd   *exec.Cmd
	ended chan struct{}
}

// listen opens a free port of this machine.
func listen() (net.Listener, error) { return net.Listen("tcp", "127.0.0.1:0") }

// start brings up the origin and then all peers in front of it.
func (h *house) start(ctx context.Context) (peers []peer, err error) {
	if h.log, err = os.Create(filepath.Join(h.dir, "log")); err != nil {
		return nil, err
	}
	if err := h.writePage(); err != nil {
		return nil, err
	}
	if err := h.writeRules(ctx); err != nil {
		return nil, err
	}
	origin, err := h.onSomePort("origin", func(addr string) (*exec.Cmd, error) {
		return h.nginx("origin", fmt.Sprintf(originConf, addr, h.dir))
	})
	if err != nil {
		return nil, err
	}
	for _, begin := range []func(context.Context, string) (peer, error){h.edge, h.bare, h.nginxAlone, h.nginxModSecurity, h.apacheModSecurity} {
		p, err := begin(ctx, origin.addr)
		if err != nil {
			return nil, err
		}
		peers = append(peers, p)
	}
	return peers, nil
}

// onSomePort starts a server that cannot be asked which free port it took: it is
// given ports until it can have one.
func (h *house) onSomePort(name string, start func(addr string) (*exec.Cmd, error)) (peer, error) {
	for range 20 {
		addr := fmt.Sprintf("127.0.0.1:%d", 20000+rand.IntN(10000))
		cmd, err := start(addr)
		if err != nil {
			return peer{}, fmt.Errorf("start %s: %w", name, err)
		}
		if h.answers(addr, h.running[len(h.running)-1].ended) {
			return peer{name: name, addr: addr, pid: cmd.Process.Pid}, nil
		}
	}
	text, _ := os.ReadFile(h.log.Name())
	return peer{}, fmt.Errorf("start %s: %w: %s", name, errEnded, text)
}

// answers waits until a server accepts connections, or has ended.
func (h *house) answers(addr string, ended <-chan struct{}) bool {
	for {
		select {
		case <-ended:
			return false
		case <-time.After(50 * time.Millisecond):
		}
		if c, err := net.Dial("tcp", addr); err == nil {
			_ = c.Close()
			select {
			case <-ended: // another process answered
				return false
			case <-time.After(200 * time.Millisecond):
				return true
			}
		}
	}
}

func (h *house) edge(ctx context.Context, origin string) (peer, error) {
	binary, data := filepath.Join(h.dir, "qorgan"), filepath.Join(h.dir, "data")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", binary, "./cmd/qorgan")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return peer{}, fmt.Errorf("build the edge: %w: %s", err, out)
	}
	cmd, err := h.run(binary, "run", "--site", host, "--to", "http://"+origin, "--http", "127.0.0.1:0", "--tls", "off",
		"--level", "1", "--console", "off", "--data", data)
	if err != nil {
		return peer{}, fmt.Errorf("start the edge: %w", err)
	}
	ended := h.running[len(h.running)-1].ended
	for {
		var open struct {
			HTTP []string `json:"http"`
		}
		if b, err := os.ReadFile(filepath.Join(data, "addresses.json")); err == nil && json.Unmarshal(b, &open) == nil && len(open.HTTP) > 0 {
			return peer{"edge", "Qorgan", open.HTTP[0], cmd.Process.Pid}, nil
		}
		select {
		case <-ended:
			text, _ := os.ReadFile(h.log.Name())
			return peer{}, fmt.Errorf("start the edge: %w: %s", errEnded, text)
		case <-ctx.Done():
			return peer{}, context.Cause(ctx)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (h *house) bare(_ context.Context, origin string) (peer, error) {
	self, err := os.Executable()
	if err != nil {
		return peer{}, err
	}
	cmd := exec.Command(self, "-bare", "http://"+origin)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return peer{}, err
	}
	if err := h.begin(cmd); err != nil {
		return peer{}, fmt.Errorf("start the bare proxy: %w", err)
	}
	addr, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return peer{}, fmt.Errorf("start the bare proxy: %w", err)
	}
	return peer{"bare", "a bare Go reverse proxy", strings.TrimSpace(addr), cmd.Process.Pid}, nil
}

func (h *house) nginx(name, conf string) (*exec.Cmd, error) {
	path := filepath.Join(h.dir, name+".conf")
	conf = fmt.Sprintf("daemon off; user root root; pid %s/%s.pid; error_log stderr;\n", h.dir, name) + conf
	if err := os.WriteFile(path, []byte(conf), 0o644); err != nil {
		return nil, err
	}
	return h.run(nginxBinary, "-c", path, "-p", h.dir, "-e", "stderr")
}

func (h *house) nginxAlone(_ context.Context, origin string) (peer, error) {
	p, err := h.onSomePort("nginx", func(addr string) (*exec.Cmd, error) {
		return h.nginx("nginx", fmt.Sprintf(proxyConf, origin, addr, ""))
	})
	p.title = "nginx, no firewall"
	return p, err
}

func (h *house) nginxModSecurity(_ context.Context, origin string) (peer, error) {
	p, err := h.onSomePort("nginx with libmodsecurity", func(addr string) (*exec.Cmd, error) {
		rules := fmt.Sprintf("modsecurity on; modsecurity_rules_file %s/libmodsecurity.conf;", h.dir)
		return h.nginx("modsecurity", "load_module "+nginxModule+";\n"+fmt.Sprintf(proxyConf, origin, addr, rules))
	})
	p.title = "nginx with libmodsecurity"
	return p, err
}

func (h *house) apacheModSecurity(_ context.Context, origin string) (peer, error) {
	p, err := h.onSomePort("Apache with mod_security2", func(addr string) (*exec.Cmd, error) {
		path := filepath.Join(h.dir, "apache.conf")
		if err := os.WriteFile(path, []byte(apacheConf(h.dir, addr, origin)), 0o644); err != nil {
			return nil, err
		}
		return h.run(apacheBinary, "-D", "FOREGROUND", "-d", h.dir, "-f", path)
	})
	p.title = "Apache with mod_security2"
	return p, err
}
