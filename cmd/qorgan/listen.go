package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"syscall"
	"time"
)

// httpPart serves a handler that is not a visitor's: the admin address or the
// console.
type httpPart struct {
	listener net.Listener
	server   *http.Server
}

// listenPlain opens addr for h.
func listenPlain(addr string, h http.Handler) (*httpPart, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	return &httpPart{listener: l, server: &http.Server{
		Handler: h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 64 << 10,
	}}, nil
}

func (h *httpPart) address() string { return h.listener.Addr().String() }

// run serves until ctx is done, then lets requests under way end.
func (h *httpPart) run(ctx context.Context) error {
	served := make(chan error, 1)
	go func() { served <- h.server.Serve(h.listener) }()
	var err error
	select {
	case err = <-served:
	case <-ctx.Done():
		err = h.server.Shutdown(context.WithoutCancel(ctx))
		<-served
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// cut ends the requests under way.
func (h *httpPart) cut() { _ = h.server.Close() }

// listenHint adds to an error of opening a listener what to do about it.
func listenHint(err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return withHint(err, "stop the process that holds the port, or another address")
	case errors.Is(err, syscall.EACCES):
		return withHint(err, "a port above 1023")
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return withHint(err, "an address of this machine, or :PORT for all of them")
	}
	return err
}
