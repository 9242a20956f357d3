package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/qorgan/qorgan/config"
)

type healthCmd struct {
	Admin string `placeholder:"ADDR" help:"Admin address of the edge, host:port. By default the one it opened."`
	Data  string `placeholder:"DIR" type:"path" help:"Folder for state of the edge. ${data} by default here."`
}

// Run asks the edge whether it takes requests: for containers, which have no
// other program to ask with.
func (h healthCmd) Run(*process) error {
	addr := h.Admin
	if addr == "" {
		var err error
		if addr, err = h.opened(); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/readyz", nil)
	if err != nil {
		return fmt.Errorf("ask for health: %w", err)
	}
	w, err := http.DefaultClient.Do(r)
	if err != nil {
		return fmt.Errorf("ask for health: %w", err)
	}
	defer w.Body.Close()
	if w.StatusCode != http.StatusOK {
		return fmt.Errorf("the edge takes no requests: %s", w.Status)
	}
	return nil
}

// opened is the admin address of the edge over the data folder.
func (h healthCmd) opened() (string, error) {
	if h.Data == "" {
		h.Data = config.Default().Data
	}
	open, err := readAddresses(h.Data)
	if err != nil {
		return "", withHint(fmt.Errorf("ask for health: find the edge: %w", err), "--data with the folder of an edge that runs")
	}
	host, port, err := net.SplitHostPort(open.Admin)
	if err != nil {
		return "", withHint(fmt.Errorf("ask for health: the edge over %s has no admin address", h.Data), "start it with --admin 127.0.0.1:9901")
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port), nil
}
