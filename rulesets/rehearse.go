package rulesets

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
)

// Much of the fast path is made when a text first needs it, and so are the
// expressions that confirm an attack. The first attack on a process would wait
// for that, and a long post even longer. So attacks are judged beforehand, off
// the hot path.

// rehearsal judges known attacks by whatever comes into force, in one
// goroutine. Nothing is recorded or counted.
type rehearsal struct {
	next   chan *Build // the latest that waits
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

func (j *Judge) startRehearsal() {
	ctx, cancel := context.WithCancel(context.Background())
	j.rehearsal = &rehearsal{next: make(chan *Build, 1), cancel: cancel}
	j.rehearsal.wg.Go(func() {
		for {
			select {
			case b := <-j.rehearsal.next:
				b.rehearse(ctx)
			case <-ctx.Done():
				return
			}
		}
	})
}

// want has a build rehearsed in place of one that still waits.
func (r *rehearsal) want(b *Build) {
	for {
		select {
		case r.next <- b:
			return
		default:
		}
		select {
		case <-r.next:
		default:
		}
	}
}

func (r *rehearsal) stop() {
	r.cancel()
	r.wg.Wait()
}

// rehearse judges attacks at the levels in use, by engines not rehearsed yet:
// short ones, and a long text that holds them all.
func (b *Build) rehearse(ctx context.Context) {
	attacks := append(selfTestAttacks[:len(selfTestAttacks):len(selfTestAttacks)], longAttack())
	b.engines.Range(func(key, v any) bool {
		e := v.(*engine)
		if key.(engineOf).half != inbound || e.fast == nil || ctx.Err() != nil {
			return ctx.Err() == nil
		}
		for level := 1; level <= levels; level++ {
			if !b.levels[key.(engineOf).profile][level] || e.fast.programs[level-1].rehearsed.Swap(true) {
				continue
			}
			f := selfTestFacts(level)
			for _, s := range attacks {
				r, err := s.request()
				if err != nil || ctx.Err() != nil {
					continue
				}
				_, _, _ = e.decide(ctx, "", r, &f, false)
			}
		}
		return true
	})
}

// longAttack is a long post with every attack of the self-test in it.
func longAttack() selfTest {
	var b strings.Builder
	for b.Len() < 16<<10 {
		for _, s := range selfTestAttacks {
			b.WriteString("<!-- wp:paragraph --><p class=\"has-text-align-left\">" + s.target + " &amp; " + s.body + "</p>\n")
		}
	}
	body, _ := json.Marshal(map[string]string{"content": b.String()}) // strings never fail
	return selfTest{method: "POST", target: "/wp-json/wp/v2/posts/1", typ: jsonType, body: string(body)}
}
