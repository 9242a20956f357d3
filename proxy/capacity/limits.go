package capacity

import (
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
)

// Limits bounds what all requests together may take. A zero field means its
// default, which depends on the machine.
type Limits struct {
	Memory      int64 // bytes the process may use; see [Memory]
	Requests    int   // under way at once; one per 64 KiB of Memory, 1,000 to 50,000
	Bodies      int64 // bytes of bodies in memory at once; a quarter of Memory
	Connections int   // at once; one per 32 KiB of Memory, as far as there are descriptors
	PerClient   int   // connections of one client at once; 256, of which one with streams takes eight
	Heads       int64 // bytes of heads one client may have under way; 1/64 of Memory, 4 to 8 MiB
}

const (
	defaultMemory    = 1 << 30 // where nothing tells
	defaultPerClient = 256
	spareFiles       = 64 // descriptors for all else
)

// WithDefaults fills what is zero. files is the number of descriptors the
// process may open, 0 when that is not known: requests need one towards their
// upstream beside the client's.
func (l Limits) WithDefaults(files int) Limits {
	if l.Memory <= 0 {
		l.Memory = Memory()
	}
	if l.Requests <= 0 {
		l.Requests = int(min(max(l.Memory>>16, 1000), 50000))
		if files > 0 {
			l.Requests = min(l.Requests, max(files/4, 16))
		}
	}
	if l.Bodies <= 0 {
		l.Bodies = l.Memory / 4
	}
	if l.Connections <= 0 {
		l.Connections = int(min(max(l.Memory>>15, 4000), 200000))
		if files > 0 {
			l.Connections = min(l.Connections, max(files-files/4-spareFiles, 16))
		}
	}
	if l.PerClient <= 0 {
		l.PerClient = defaultPerClient
	}
	if l.Heads <= 0 {
		l.Heads = min(max(l.Memory>>6, 4<<20), 8<<20)
	}
	return l
}

// Memory is how many bytes the process should get along with: what GOMEMLIMIT
// says, else nine tenths of its container's limit, else half of the machine's
// memory, the other half being the CMS's.
func Memory() int64 {
	if n := debug.SetMemoryLimit(-1); n < math.MaxInt64 {
		return n
	}
	if n := containerLimit(); n > 0 {
		return n / 10 * 9
	}
	if n := machineMemory(); n > 0 {
		return n / 2
	}
	return defaultMemory
}

const cgroupRoot = "/sys/fs/cgroup"

// containerLimit is the smallest memory.max of the process's control group and
// those around it (cgroup v2), or that of version 1; 0 for none.
func containerLimit() int64 {
	var least int64
	for _, dir := range cgroups() {
		if n := readNumber(filepath.Join(dir, "memory.max")); n > 0 && (least == 0 || n < least) {
			least = n
		}
	}
	if least == 0 {
		if n := readNumber(filepath.Join(cgroupRoot, "memory/memory.limit_in_bytes")); n > 0 && n < 1<<50 {
			least = n
		}
	}
	return least
}

// cgroups are the folders of the process's control group and those around it,
// as far as they can be seen from here.
func cgroups() []string {
	b, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil
	}
	var dirs []string
	for line := range strings.SplitSeq(string(b), "\n") {
		path, ok := strings.CutPrefix(line, "0::")
		if !ok {
			continue
		}
		for dir := filepath.Clean("/" + path); ; dir = filepath.Dir(dir) {
			dirs = append(dirs, filepath.Join(cgroupRoot, dir))
			if dir == "/" {
				break
			}
		}
	}
	return dirs
}

func readNumber(file string) int64 {
	b, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	if err != nil {
		return 0 // "max"
	}
	return n
}

// machineMemory is the machine's memory, 0 where it cannot be told.
func machineMemory() int64 {
	b, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	return field(string(b), "MemTotal:") << 10
}

// field returns the number behind a name in a file of lines.
func field(text, name string) int64 {
	_, rest, ok := strings.Cut(text, name)
	if !ok {
		return 0
	}
	words := strings.Fields(rest)
	if len(words) == 0 {
		return 0
	}
	n, err := strconv.ParseInt(words[0], 10, 64)
	if err != nil {
		return 0
	}
	return n
}
