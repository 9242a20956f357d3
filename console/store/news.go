package store

import (
	"context"
	"database/sql"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// Topic is something that changes in a store.
type Topic string

// Topics.
const (
	Events    Topic = "events"
	Decisions Topic = "decisions"
)

// channel is what consoles that share a PostgreSQL listen to.
const channel = "qorgan"

// news wakes those who wait for a change.
type news struct {
	mu      sync.Mutex
	waiting map[Topic]chan struct{}
	stop    context.CancelFunc // of who listens; nil when nobody does
	over    chan struct{}
}

// News returns a channel that is closed with the next change of a topic, at
// this console or at another on the same store. While the server cannot be
// reached nothing is heard: who waits looks by himself from time to time, and
// is woken when it is back.
func (db *DB) News(t Topic) <-chan struct{} {
	db.news.mu.Lock()
	defer db.news.mu.Unlock()
	c := db.news.waiting[t]
	if c == nil {
		c = make(chan struct{})
		db.news.waiting[t] = c
	}
	return c
}

func (n *news) wake(t Topic) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if c := n.waiting[t]; c != nil {
		close(c)
		delete(n.waiting, t)
	}
}

// announce runs f as update does and then tells everybody that topic changed.
func (db *DB) announce(ctx context.Context, t Topic, f func(*sql.Tx) error) error {
	do := func(tx *sql.Tx) error {
		if err := f(tx); err != nil {
			return err
		}
		return db.engine.announce(ctx, tx, t)
	}
	var err error
	if db.group != nil && t == Events {
		err = db.group.update(ctx, db.write, do)
	} else {
		err = db.update(ctx, do)
	}
	if err == nil {
		db.news.wake(t)
	}
	return err
}

// announce: those who share the file are processes that look by themselves.
func (sqlite) announce(context.Context, *sql.Tx, Topic) error { return nil }

func (*postgres) announce(ctx context.Context, tx *sql.Tx, t Topic) error {
	_, err := tx.ExecContext(ctx, `SELECT pg_notify(?, ?)`, channel, string(t))
	return err
}

// listen hears other consoles until close.
func (db *DB) listen(p *postgres) {
	ctx, stop := context.WithCancel(context.Background())
	db.news.stop, db.news.over = stop, make(chan struct{})
	go func() {
		defer close(db.news.over)
		for ctx.Err() == nil {
			p.hear(ctx, db.news.wake)
			retry := time.NewTimer(time.Second)
			select {
			case <-ctx.Done():
			case <-retry.C:
			}
			retry.Stop()
		}
	}()
}

// hear listens as long as a connection lasts. Whatever may have been said
// before it stood counts as news.
func (p *postgres) hear(ctx context.Context, wake func(Topic)) {
	c, err := pgx.ConnectConfig(ctx, p.config.Copy())
	if err != nil {
		return // the pool's users say why
	}
	defer c.Close(context.Background())
	if _, err := c.Exec(ctx, "LISTEN "+channel); err != nil {
		return
	}
	for _, t := range []Topic{Events, Decisions} {
		wake(t)
	}
	for {
		said, err := c.WaitForNotification(ctx)
		if err != nil {
			return
		}
		wake(Topic(said.Payload))
	}
}

func (n *news) close() {
	if n.stop != nil {
		n.stop()
		<-n.over
	}
}
