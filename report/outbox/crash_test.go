package outbox

import (
	"bufio"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// TestMain lets the test binary be the process that is killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv("OUTBOX_WRITER"); dir != "" {
		if err := appendOn(dir); err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// appendOn appends numbered records and says each number once it is durable,
// until it is killed or the disk is full.
func appendOn(dir string) error {
	from, err := strconv.Atoi(os.Getenv("OUTBOX_FROM"))
	if err != nil {
		return err
	}
	if limit := os.Getenv("OUTBOX_LIMIT"); limit != "" {
		// A file that may not grow is what a full disk looks like.
		n, err := strconv.ParseUint(limit, 10, 64)
		if err != nil {
			return err
		}
		if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: n, Max: n}); err != nil {
			return err
		}
	}
	b, err := Open(Options{Dir: dir, Segment: 16 << 10})
	if err != nil {
		return err
	}
	for i := from; ; i++ {
		if err := b.Append([][]byte{record(i)}); err != nil {
			if os.Getenv("OUTBOX_LIMIT") != "" && errors.Is(err, syscall.EFBIG) {
				return b.Close()
			}
			return err
		}
		fmt.Println(i)
	}
}

// run starts a writer, lets it say at least some numbers and kills it unless
// it ends by itself. It returns the last number that was said to be durable.
func run(t *testing.T, dir string, from, some int, env ...string) (last int) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), append(env, "OUTBOX_WRITER="+dir, fmt.Sprint("OUTBOX_FROM=", from))...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	last = from - 1
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		n, err := strconv.Atoi(lines.Text())
		if err != nil {
			t.Fatalf("the writer said %q", lines.Text())
		}
		last = n
		if some--; some == 0 {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	err = cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !(errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL) {
		t.Fatalf("the writer ended: %v", err)
	}
	return last
}

// kills is how often a process is killed: QORGAN_KILLS, or a few times.
func kills(t *testing.T) int {
	n, err := strconv.Atoi(os.Getenv("QORGAN_KILLS"))
	if err != nil {
		return 8
	}
	return n
}

// TestKilled: whatever moment a process is killed at, what it was told to be
// durable is read by the next, in order and once.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	from, read, total := 1, 0, 0
	for range kills(t) {
		last := run(t, dir, from, 1+r.IntN(60))
		total += last - from + 1
		b := open(t, Options{Dir: dir, Segment: 16 << 10})
		if d := b.Stats().Damaged; d != 0 {
			t.Fatalf("%d records damaged by a kill", d)
		}
		names := drain(t, b, 1)
		shut(t, b)
		for _, n := range names {
			if n != read+1 {
				t.Fatalf("record %d after %d", n, read)
			}
			read = n
		}
		if read < last {
			t.Fatalf("record %d was durable; the last that was read is %d", last, read)
		}
		from = read + 1
	}
	t.Logf("%d acknowledged records over %d kills, none lost, none twice", total, kills(t))
}

// TestDiskFull: when the disk takes no more the append says so, what was
// durable stays, and later appends go on.
func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	last := run(t, dir, 1, -1, fmt.Sprint("OUTBOX_LIMIT=", 5000))
	if last < 3 {
		t.Fatalf("only %d records before the disk was full", last)
	}
	b := open(t, Options{Dir: dir})
	defer shut(t, b)
	put(t, b, last+1, last+10, 3)
	same(t, "read", drain(t, b, 1), upTo(1, last+10))
	if d := b.Stats().Damaged; d != 0 {
		t.Errorf("%d records damaged", d)
	}
}

// TestDamage changes, cuts and fills the files of an outbox at random. It
// opens all the same, what is read is a part of what was written, in order,
// and no more is missing than what stood in the damaged frames.
func TestDamage(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	rounds := 25
	if testing.Short() {
		rounds = 10
	}
	for range rounds {
		dir := t.TempDir()
		b := open(t, Options{Dir: dir, Segment: 3 << 10})
		put(t, b, 1, 300, 5)
		shut(t, b)
		what := damage(t, r, dir)

		var counted int64
		b, err := Open(Options{Dir: dir, Segment: 3 << 10, Damaged: func(n int64, why string) { counted += n }})
		if err != nil {
			t.Fatalf("after %s: %v", what, err)
		}
		put(t, b, 301, 305, 5)
		names := drain(t, b, b.Lanes()[0].From)
		shut(t, b)
		last := 0
		for _, n := range names {
			if n <= last {
				t.Fatalf("after %s: record %d after %d", what, n, last)
			}
			last = n
		}
		if last != 305 {
			t.Fatalf("after %s: what was appended later is gone", what)
		}
		if missing := int64(305 - len(names)); counted > missing {
			t.Errorf("after %s: %d records counted as lost, %d are", what, counted, missing)
		} else if missing > 0 && counted == 0 && strings.HasPrefix(what, "a byte") {
			t.Errorf("after %s: %d records lost in silence", what, missing)
		}
	}
}

func damage(t *testing.T, r *rand.Rand, dir string) (what string) {
	t.Helper()
	paths := append(segments(t, dir), stateFile(dir))
	path := paths[r.IntN(len(paths))]
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := r.IntN(len(content))
	switch r.IntN(3) {
	case 0:
		content[at] ^= byte(1 + r.IntN(255))
		what = fmt.Sprintf("a byte at %d of %s changed", at, path)
	case 1:
		content = content[:at]
		what = fmt.Sprintf("%s cut at %d", path, at)
	case 2:
		clear(content[at:])
		what = fmt.Sprintf("%s zero from %d", path, at)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return what
}
