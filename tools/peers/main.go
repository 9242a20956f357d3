package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	rounds := flag.Int("rounds", 5, "measure each peer so many times")
	length := flag.Duration("time", 3*time.Second, "load a peer for so long each time")
	bare := flag.String("bare", "", "be the bare proxy in front of this origin")
	flag.Parse()
	if *bare != "" {
		fatal(serveBare(*bare))
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if missing := missingPackages(); len(missing) > 0 {
		fmt.Printf("skipped: not installed: %s\n", strings.Join(missing, ", "))
		return
	}
	fatal(measure(ctx, *rounds, *length))
}

func fatal(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

// serveBare is the yardstick: the proxy of Go's own library with connections
// kept, and nothing else. It prints its address.
func serveBare(origin string) error {
	u, err := url.Parse(origin)
	if err != nil {
		return err
	}
	p := httputil.NewSingleHostReverseProxy(u)
	p.Transport = &http.Transport{MaxIdleConnsPerHost: 64}
	ln, err := listen()
	if err != nil {
		return err
	}
	fmt.Println(ln.Addr())
	return http.Serve(ln, p)
}

// needed are the files by which packages are known.
var needed = []struct{ file, pkg string }{
	{nginxBinary, "nginx"},
	{nginxModule, "libnginx-mod-http-modsecurity"},
	{apacheBinary, "apache2"},
	{apacheModule, "libapache2-mod-security2"},
}

func missingPackages() (missing []string) {
	for _, n := range needed {
		if _, err := os.Stat(n.file); err != nil {
			missing = append(missing, n.pkg)
		}
	}
	return missing
}

func measure(ctx context.Context, rounds int, length time.Duration) (err error) {
	dir, err := os.MkdirTemp("", "qorgan-peers-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	h := &house{dir: dir}
	defer h.stop()
	peers, err := h.start(ctx)
	if err != nil {
		return err
	}
	for _, p := range peers { // what is compiled or cached at first use is no cost of a request
		if _, err := load(ctx, p.addr, 300*time.Millisecond); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	costs := make(map[string][]float64)
	for range rounds {
		for _, p := range peers {
			before := cpuOf(p.pid)
			n, err := load(ctx, p.addr, length)
			if err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
			costs[p.name] = append(costs[p.name], float64((cpuOf(p.pid)-before).Microseconds())/float64(n))
		}
	}
	print(peers, costs, rounds, length)
	return nil
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}

// print writes the table. Ratios are medians of the rounds' ratios: the load of
// the machine moves both sides of one.
func print(peers []peer, costs map[string][]float64, rounds int, length time.Duration) {
	edge := costs["edge"]
	fmt.Printf("CPU time a request, medians of %d rounds of %s; load average %s\n\n", rounds, length, loadAverage())
	fmt.Println("| server | CPU a request | over the edge's | resident |")
	fmt.Println("|---|---:|---:|---:|")
	for _, p := range peers {
		ratios := make([]float64, rounds)
		for i := range ratios {
			ratios[i] = costs[p.name][i] / edge[i]
		}
		fmt.Printf("| %s | %.0f µs | %.2f | %d MB |\n", p.title, median(costs[p.name]), median(ratios), residentOf(p.pid)>>20)
	}
}

// run starts a program that ends with the house.
func (h *house) run(name string, args ...string) (*exec.Cmd, error) {
	c := exec.Command(name, args...)
	return c, h.begin(c)
}

func (h *house) begin(c *exec.Cmd) error {
	c.Dir, c.Stderr = h.dir, h.log
	if err := c.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() {
		_, _ = c.Process.Wait()
		close(ended)
	}()
	h.running = append(h.running, running{c, ended})
	return nil
}

// stop ends what was started, the last first.
func (h *house) stop() {
	for _, r := range slices.Backward(h.running) {
		_ = r.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-r.ended:
		case <-time.After(10 * time.Second):
			_ = r.cmd.Process.Kill()
			<-r.ended
		}
	}
}

var errEnded = errors.New("the server ended at once")
