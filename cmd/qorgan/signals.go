package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// signals returns two contexts: the first signal to stop ends soft (drain), the
// second ends hard (cancel what drains), the third ends the process. release
// gives the signals back.
func signals() (soft, hard context.Context, release func()) {
	soft, drain := context.WithCancel(context.Background())
	hard, cut := context.WithCancel(context.Background())
	c, done := make(chan os.Signal, 3), make(chan struct{})
	signal.Notify(c, os.Interrupt, syscall.SIGTERM)
	go func() {
		for _, act := range []func(){drain, cut, func() { os.Exit(130) }} {
			select {
			case <-c:
				act()
			case <-done:
				return
			}
		}
	}()
	return soft, hard, func() {
		signal.Stop(c)
		close(done)
		drain()
		cut()
	}
}
