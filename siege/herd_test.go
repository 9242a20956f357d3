package siege

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// TestHerd has slow connections of four kinds hold what they get: heads that
// drip, bodies that drip, readers that take a byte now and then, handshakes
// that never go on. They come from many addresses, and whoever is sent away
// comes back at once. Others must be answered meanwhile.
func TestHerd(t *testing.T) {
	e := start(t, upstream(t))
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	// A herdsman is a process: one may have only so many descriptors.
	each := max(min(int(limit.Cur)-200, 8000), 100)
	var herdsmen []*herdsman
	all := func() (open, ever int64) {
		for _, h := range herdsmen {
			open, ever = open+h.open.Load(), ever+h.ever.Load()
		}
		return open, ever
	}
	most := int64(0)
	grown, times, failed := e.besiege(t, e.visitor("127.0.0.2"), func(stop <-chan struct{}) {
		for left := *herdSize; left > 0; left -= each {
			herdsmen = append(herdsmen, drive(t, e, len(herdsmen), min(left, each)))
		}
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				open, _ := all()
				most = max(most, open)
			}
		}
	})
	_, ever := all()
	t.Logf("%s: %d connections wanted, at most %d open at once, %d opened in all; the edge may open %d files; memory grew by %.1f MB",
		*duration, *herdSize, most, ever, limit.Cur, float64(grown)/1e6)
	report(t, times, failed)
}

// herdsman is a process that keeps slow connections.
type herdsman struct{ open, ever atomic.Int64 }

type orders struct {
	HTTP, HTTPS string
	Number      int // of the herdsman
	Connections int
}

// drive starts a herdsman, which is this program once more.
func drive(t *testing.T, e *edge, number, connections int) *herdsman {
	t.Helper()
	o, err := json.Marshal(orders{e.http, e.https, number, connections})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "SIEGE_HERD="+string(o))
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	says, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	h := &herdsman{}
	told := make(chan struct{})
	go func() {
		defer close(told)
		lines := bufio.NewScanner(says)
		for lines.Scan() {
			var open, ever int64
			if _, err := fmt.Sscan(lines.Text(), &open, &ever); err == nil {
				h.open.Store(open)
				h.ever.Store(ever)
			}
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-told
		_ = cmd.Wait()
	})
	return h
}

// herdMain is the herdsman's program. It ends when it is killed.
func herdMain() {
	var o orders
	if err := json.Unmarshal([]byte(os.Getenv("SIEGE_HERD")), &o); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	var open, ever atomic.Int64
	var herd sync.WaitGroup
	for i := range o.Connections {
		herd.Go(func() {
			from := fmt.Sprintf("127.%d.%d.1", 10+o.Number, i/100) // a hundred each
			time.Sleep(time.Duration(i) * 2 * time.Millisecond)    // none comes all at once
			for {
				if c, err := slow(o, i, from); err == nil {
					ever.Add(1)
					open.Add(1)
					linger(c, i)
					open.Add(-1)
				}
				time.Sleep(2 * time.Second)
			}
		})
	}
	for range time.Tick(100 * time.Millisecond) {
		fmt.Println(strconv.FormatInt(open.Load(), 10), ever.Load())
	}
	herd.Wait()
}

// slow opens a connection of the kind that comes next.
func slow(o orders, i int, from string) (net.Conn, error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: 20 * time.Second}
	addr := o.HTTP
	if i%4 == 3 {
		addr = o.HTTPS
	}
	c, err := d.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	_ = c.(*net.TCPConn).SetReadBuffer(4 << 10)
	head := "Host: " + site + "\r\nUser-Agent: Mozilla/5.0\r\n"
	switch i % 4 {
	case 0:
		_, err = io.WriteString(c, "GET / HTTP/1.1\r\n"+head+"X-A: ")
	case 1:
		_, err = io.WriteString(c, "GET /big HTTP/1.1\r\n"+head+"\r\n")
	case 2:
		_, err = io.WriteString(c, "POST / HTTP/1.1\r\n"+head+"Content-Type: text/plain\r\nContent-Length: 100000\r\n\r\n")
	case 3:
		_, err = io.WriteString(c, "\x16\x03\x01\x02\x00")
	}
	if err != nil {
		_ = c.Close()
	}
	return c, err
}

// linger drips until the edge has had enough.
func linger(c net.Conn, i int) {
	defer c.Close()
	b := make([]byte, 1)
	for {
		time.Sleep(3 * time.Second)
		if i%4 == 1 {
			if _, err := c.Read(b); err != nil {
				return
			}
			continue
		}
		if _, err := c.Write([]byte("a")); err != nil {
			return
		}
		_ = c.SetReadDeadline(time.Now().Add(time.Millisecond))
		if _, err := c.Read(b); err != nil {
			if ne, ok := err.(net.Error); !ok || !ne.Timeout() {
				return
			}
		}
	}
}
