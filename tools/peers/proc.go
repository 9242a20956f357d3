package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// ticks is the kernel's USER_HZ, the same on every platform Linux runs on.
const ticks = 100

// family returns a process and all below it.
func family(pid int) []int {
	children := make(map[int][]int)
	all, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range all {
		if f := stat(path); len(f) > 2 {
			child, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			parent, _ := strconv.Atoi(f[1])
			children[parent] = append(children[parent], child)
		}
	}
	pids := []int{pid}
	for i := 0; i < len(pids); i++ {
		pids = append(pids, children[pids[i]]...)
	}
	return pids
}

// stat returns the fields of a stat file behind the name, which may hold
// anything: the state first.
func stat(path string) []string {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	s := string(b)
	return strings.Fields(s[strings.LastIndexByte(s, ')')+1:])
}

// cpuOf is the time that a process and all below it have spent, in the kernel
// and out of it.
func cpuOf(pid int) time.Duration {
	sum := 0
	for _, p := range family(pid) {
		if f := stat(fmt.Sprintf("/proc/%d/stat", p)); len(f) > 13 {
			user, _ := strconv.Atoi(f[11])
			system, _ := strconv.Atoi(f[12])
			sum += user + system
		}
	}
	return time.Duration(sum) * time.Second / ticks
}

// residentOf is the memory of a process and all below it, in bytes. Pages they
// share count for each.
func residentOf(pid int) (sum int64) {
	for _, p := range family(pid) {
		if f := stat(fmt.Sprintf("/proc/%d/stat", p)); len(f) > 22 {
			pages, _ := strconv.ParseInt(f[21], 10, 64)
			sum += pages * int64(os.Getpagesize())
		}
	}
	return sum
}

func loadAverage() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	one, _, _ := strings.Cut(string(b), " ")
	return one
}
