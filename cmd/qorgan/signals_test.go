package main

import (
	"bufio"
	"fmt"
	"os/exec"
	"syscall"
	"testing"
)

// stuck is a program that says how far it was told to stop, and does not: what
// a stop meets on a disk that no longer answers.
func stuck() {
	soft, hard, release := signals()
	defer release()
	fmt.Println("serving")
	<-soft.Done()
	fmt.Println("draining")
	<-hard.Done()
	fmt.Println("cut")
	select {}
}

func TestThirdSignalEndsWhatDoesNotStop(t *testing.T) {
	cmd := exec.Command("stuck")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for _, want := range []string{"serving", "draining", "cut"} {
		if !lines.Scan() || lines.Text() != want {
			t.Fatalf("it says %q (%v), want %q", lines.Text(), lines.Err(), want)
		}
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
	}
	_ = cmd.Wait() // the exit code is in ProcessState
	if code := cmd.ProcessState.ExitCode(); code != 130 {
		t.Errorf("ended with %d, want 130", code)
	}
}
