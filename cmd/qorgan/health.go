package main

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

type healthCmd struct {
	Admin string `required:"" placeholder:"ADDR" help:"Admin address of the edge, host:port."`
}

// Run asks the edge whether it takes requests: for containers, which have no
// other program to ask with.
func (h healthCmd) Run(*process) error {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+h.Admin+"/readyz", nil)
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
