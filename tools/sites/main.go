// Command sites measures an edge with many sites: ten thousand files in sites.d,
// each with an upstream, an exclusion and limits of its own. It prints how long
// the edge takes to serve, to reload after one file changed, and what memory it
// holds for each site.
//
// It is started in the repository's root: make bench-sites.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
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
	"syscall"
	"time"
)

func main() {
	n := flag.Int("n", 10_000, "so many sites")
	flag.Parse()
	few, err := measure(1)
	if err == nil {
		var many figures
		if many, err = measure(*n); err == nil {
			print(*n, few, many)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "sites:", err)
		os.Exit(1)
	}
}

// figures are what one edge cost.
type figures struct {
	start, reload       time.Duration
	startCPU, reloadCPU time.Duration // spent meanwhile
	resident, loaded    int64         // bytes, when serving and after the reload
}

func print(n int, few, many figures) {
	fmt.Println("| sites | start until serving (CPU) | reload (CPU) | resident | after the reload |")
	fmt.Println("|---:|---:|---:|---:|---:|")
	for _, row := range []struct {
		n int
		f figures
	}{{1, few}, {n, many}} {
		fmt.Printf("| %d | %.1f s (%.1f s) | %.1f s (%.1f s) | %d MB | %d MB |\n", row.n, row.f.start.Seconds(), row.f.startCPU.Seconds(),
			row.f.reload.Seconds(), row.f.reloadCPU.Seconds(), row.f.resident>>20, row.f.loaded>>20)
	}
	fmt.Printf("\nA site takes %.1f kB, %.1f kB after a reload.\n", float64(many.resident-few.resident)/float64(n)/1000,
		float64(many.loaded-few.loaded)/float64(n)/1000)
}

const settings = `http: 127.0.0.1:0
https: "off"
tls: {mode: "off"}
console: {listen: "off"}
data: data
`

// site is one file of sites.d. %d is its number, %s its upstream.
const site = `hosts: [shop%[1]d.example.kz, www.shop%[1]d.example.kz]
upstreams: %[2]s
profile: wordpress
limits: {args: %[3]d, body: %[4]dMiB}
exclusions:
  - rules: 942100-942190
    path: /form-%[1]d/**
    targets: ARGS:field%[1]d
    who: author
    reason: a form of this site's own
`

func writeSite(dir string, n int, upstream string, args int) error {
	text := fmt.Sprintf(site, n, upstream, args, 10+n%90)
	return os.WriteFile(filepath.Join(dir, "sites.d", fmt.Sprintf("shop%05d.yaml", n)), []byte(text), 0o644)
}

func measure(n int) (f figures, err error) {
	dir, err := os.MkdirTemp("", "qorgan-sites-*")
	if err != nil {
		return f, err
	}
	defer os.RemoveAll(dir)
	if err := os.Mkdir(filepath.Join(dir, "sites.d"), 0o755); err != nil {
		return f, err
	}
	if err := os.WriteFile(filepath.Join(dir, "qorgan.yaml"), []byte(settings), 0o644); err != nil {
		return f, err
	}
	origin, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return f, err
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Host) })}
	go func() { _ = server.Serve(origin) }()
	defer server.Close()
	for i := range n {
		upstream := fmt.Sprintf("http://127.1.%d.%d:8080", i>>8, i&255)
		if i == n-1 {
			upstream = "http://" + origin.Addr().String()
		}
		if err := writeSite(dir, i, upstream, 500+i); err != nil {
			return f, err
		}
	}
	binary := filepath.Join(dir, "qorgan")
	build := exec.Command("go", "build", "-trimpath", "-o", binary, "./cmd/qorgan")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return f, fmt.Errorf("build the edge: %w: %s", err, out)
	}
	return run(dir, binary, n, "http://"+origin.Addr().String())
}

// run starts the edge, has it serve and reload, and stops it.
func run(dir, binary string, n int, upstream string) (f figures, err error) {
	cmd := exec.Command(binary, "run", "-c", filepath.Join(dir, "qorgan.yaml"))
	log, err := cmd.StderrPipe()
	if err != nil {
		return f, err
	}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return f, err
	}
	lines := make(chan string, 100)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(log); s.Scan(); {
			lines <- s.Text()
		}
	}()
	defer func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		for range lines {
		}
		err = errors.Join(err, cmd.Wait())
	}()
	if err := await(lines, "serving"); err != nil {
		return f, err
	}
	host := fmt.Sprintf("www.shop%d.example.kz", n-1)
	if err := ask(dir, host); err != nil {
		return f, err
	}
	f.start, f.startCPU, f.resident = time.Since(began), cpu(cmd.Process.Pid), resident(cmd.Process.Pid)
	began = time.Now()
	if err := writeSite(dir, n-1, upstream, 777); err != nil {
		return f, err
	}
	if err := await(lines, "configuration reloaded"); err != nil {
		return f, err
	}
	f.reload, f.reloadCPU = time.Since(began), cpu(cmd.Process.Pid)-f.startCPU
	if err := ask(dir, host); err != nil {
		return f, err
	}
	f.loaded = resident(cmd.Process.Pid)
	return f, nil
}

// await reads the edge's log up to a message.
func await(lines <-chan string, message string) error {
	var last string
	for line := range lines {
		if strings.Contains(line, `"message":"`+message+`"`) {
			return nil
		}
		last = line
	}
	return fmt.Errorf("the edge ended before %q: %s", message, last)
}

// ask asks the edge for a page of one site.
func ask(dir, host string) error {
	var open struct {
		HTTP []string `json:"http"`
	}
	for { // the file is written after the line in the log
		b, err := os.ReadFile(filepath.Join(dir, "data", "addresses.json"))
		if err == nil && json.Unmarshal(b, &open) == nil && len(open.HTTP) > 0 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	r, err := http.NewRequest(http.MethodGet, "http://"+open.HTTP[0]+"/", nil)
	if err != nil {
		return err
	}
	r.Host = host
	r.Header.Set("User-Agent", "Mozilla/5.0")
	r.Header.Set("Accept", "text/html")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if b, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK || string(b) != host {
		return fmt.Errorf("%s: status %d", host, resp.StatusCode)
	}
	return nil
}

// resident is the memory of a process, in bytes.
func resident(pid int) int64 {
	var pages, kept int64
	if b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid)); err == nil {
		_, _ = fmt.Sscan(string(b), &pages, &kept)
	}
	return kept * int64(os.Getpagesize())
}

// cpu is the time a process has spent.
func cpu(pid int) time.Duration {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	user, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	return time.Duration(user+system) * time.Second / 100 // USER_HZ
}
