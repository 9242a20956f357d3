package store

import (
	"context"
	"database/sql"
	"sync"
)

// group has those who write to a file at one time share a transaction, and so
// one sync of the disk. Whoever comes while nobody writes writes for himself and
// for those who come meanwhile.
type group struct {
	mu      sync.Mutex
	busy    bool
	waiting []*job
}

// groupMost bounds how much one transaction holds.
const groupMost = 8

type job struct {
	ctx  context.Context
	do   func(*sql.Tx) error
	err  error
	done chan struct{}
}

// update runs f in a transaction, maybe with others, and once more by itself
// when one of them fails.
func (g *group) update(ctx context.Context, pool *sql.DB, f func(*sql.Tx) error) error {
	j := &job{ctx: ctx, do: f, done: make(chan struct{})}
	g.mu.Lock()
	g.waiting = append(g.waiting, j)
	lead := !g.busy
	g.busy = true
	g.mu.Unlock()
	if lead {
		g.lead(pool)
	}
	<-j.done
	return j.err
}

// lead writes until nobody waits.
func (g *group) lead(pool *sql.DB) {
	for {
		g.mu.Lock()
		jobs := g.waiting[:min(len(g.waiting), groupMost)]
		g.waiting = g.waiting[len(jobs):]
		if len(jobs) == 0 {
			g.busy = false
			g.mu.Unlock()
			return
		}
		g.mu.Unlock()
		if err := together(pool, jobs); err != nil && len(jobs) > 1 {
			for i := range jobs {
				jobs[i].err = together(pool, jobs[i:i+1])
			}
		} else {
			for _, j := range jobs {
				j.err = err
			}
		}
		for _, j := range jobs {
			close(j.done)
		}
	}
}

// together runs jobs in one transaction.
func together(pool *sql.DB, jobs []*job) error {
	tx, err := pool.BeginTx(context.Background(), nil) // no job's end ends those of others
	if err != nil {
		return err
	}
	defer tx.Rollback() // after a commit it does nothing
	for _, j := range jobs {
		if err := j.ctx.Err(); err != nil {
			return err
		}
		if err := j.do(tx); err != nil {
			return err
		}
	}
	return tx.Commit()
}
