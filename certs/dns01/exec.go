package dns01

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"time"
)

// Exec calls a program: PROGRAM present|cleanup NAME VALUE, NAME absolute, as
// lego's exec does. Its end with 0 is done; otherwise what it wrote last is the
// error.
type Exec struct{ Program string }

// Present has the program place a record.
func (p *Exec) Present(ctx context.Context, r Record) error { return p.call(ctx, "present", r) }

// CleanUp has it removed.
func (p *Exec) CleanUp(ctx context.Context, r Record) error { return p.call(ctx, "cleanup", r) }

func (p *Exec) call(ctx context.Context, what string, r Record) error {
	said := &tail{}
	cmd := exec.CommandContext(ctx, p.Program, what, r.Name, r.Value)
	cmd.Stdout, cmd.Stderr = said, said
	cmd.WaitDelay = time.Second // children of its own may hold its output open
	err := cmd.Run()
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("%s %s does not end: %w", p.Program, what, ctx.Err())
	case err != nil:
		return fmt.Errorf("%s %s: %w: %s", p.Program, what, err, shorten(said.b.String()))
	}
	return nil
}

// tail keeps the end of what is written to it.
type tail struct{ b bytes.Buffer }

func (t *tail) Write(p []byte) (int, error) {
	t.b.Write(p)
	if over := t.b.Len() - maxSaid; over > 0 {
		t.b.Next(over)
	}
	return len(p), nil
}
