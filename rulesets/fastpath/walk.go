package fastpath

import (
	"slices"
	"strings"
)

// walk runs the rules of each phase over what is known beforehand.
func (c *compiler) walk() {
	st := newTxState()
	for k, v := range c.opt.TX {
		st.put(strings.ToLower(k), txValue{kind: txConst, s: v})
	}
	w := walker{c: c, st: st}
	last := 2
	if c.opt.Responses {
		last = 4
	}
	for phase := 1; phase <= last; phase++ {
		w.phase = phase
		w.active = nil
		for _, r := range c.rules {
			w.visit(r)
		}
	}
}

// walker is the state of the walk.
type walker struct {
	c      *compiler
	st     txState
	phase  int
	gate   *gate    // a constant skip in force
	active []*guard // skips in force that depend on the request
}

type gate struct {
	until   string
	count   int
	exposed []int
}

type guard struct {
	u     *unit // nil: cannot be evaluated
	until string
	count int
}

func (w *walker) visit(r *rule) {
	if r.marker != "" {
		w.marker(r.marker)
		return
	}
	if r.phase != w.phase {
		return
	}
	exposed := w.c.exposed(r)
	guards := w.cover()
	if w.gate != nil {
		g := w.gate
		if g.until == "" {
			if g.count--; g.count == 0 {
				w.gate = nil
			}
		}
		if subset(g.exposed, exposed) {
			w.c.report.Folded++
			return
		}
	}
	w.run(r, exposed, guards)
}

// marker ends the skips that wait for it. It also counts as a rule skipped.
func (w *walker) marker(label string) {
	if g := w.gate; g != nil {
		if g.until == label {
			w.gate = nil
		} else if g.until == "" {
			if g.count--; g.count == 0 {
				w.gate = nil
			}
		}
	}
	w.active = slices.DeleteFunc(w.active, func(g *guard) bool {
		if g.until == "" {
			g.count--
			return g.count <= 0
		}
		return g.until == label
	})
}

// cover returns the guards that may skip the rule now visited.
func (w *walker) cover() []*guard {
	out := slices.Clone(w.active)
	w.active = slices.DeleteFunc(w.active, func(g *guard) bool {
		if g.until == "" {
			g.count--
			return g.count <= 0
		}
		return false
	})
	return out
}

// exposed lists the removals met so far that would take r out.
func (c *compiler) exposed(r *rule) []int {
	var out []int
	for i, m := range c.removals {
		if m.m.hits(r) {
			out = append(out, i)
		}
	}
	return out
}

func subset(a, b []int) bool {
	for _, x := range a {
		if !slices.Contains(b, x) {
			return false
		}
	}
	return true
}

// run evaluates one rule as far as that is possible now.
func (w *walker) run(r *rule, exposed []int, guards []*guard) {
	c := w.c
	sure := len(exposed) == 0 && len(guards) == 0
	u := &unit{id: r.id, phase: r.phase, detection: !r.silent || !r.harmless, exposed: exposed}
	st := w.st
	st.chain = map[string]bool{}
	var pending []*link // dynamic links whose actions may run
	possible := true
	dropped := false
	for i := range r.links {
		l := &r.links[i]
		switch c.constant(l, st) {
		case yes:
			h := perhaps
			if sure && len(pending) == 0 {
				h = surely
			}
			l.apply(w.st, h)
			dropped = true
			continue
		case no:
			possible = false
		case depends:
			u.links = append(u.links, c.plink(l, st, u, dropped, r))
			pending = append(pending, l)
			l.keys(st)
			continue
		}
		break
	}
	if w.c.opt.Responses && w.phase < 3 {
		w.before(r, u, pending, possible, exposed, guards)
		return
	}
	for i, l := range pending {
		if possible && u.detection && i == len(pending)-1 {
			break // it would have matched
		}
		if possible && i == 0 {
			l.apply(w.st, byUnit)
		} else {
			l.apply(w.st, perhaps)
		}
	}
	if !possible {
		c.report.Folded++
		return
	}
	for _, m := range r.removes {
		c.removals = append(c.removals, ranRemoval{m})
		c.prog.removes = append(c.prog.removes, []*unit{u})
	}
	if len(u.links) == 0 {
		w.certain(r, u, exposed, guards)
		return
	}
	c.add(u, r, guards)
	if !u.detection && (r.skip > 0 || r.skipAfter != "") {
		w.active = append(w.active, &guard{u: u, until: r.skipAfter, count: r.skip})
	}
}

// before is a rule of the request's phases, seen while the response's are
// compiled: it may have matched, and what it did then counts.
func (w *walker) before(r *rule, u *unit, pending []*link, possible bool, exposed []int, guards []*guard) {
	for _, l := range pending {
		l.apply(w.st, perhaps)
	}
	switch {
	case !possible:
	case len(pending) == 0:
		u.detection = false
		w.certain(r, u, exposed, guards)
	default:
		for _, m := range r.removes {
			w.c.removals = append(w.c.removals, ranRemoval{m})
			w.c.prog.removes = append(w.c.prog.removes, []*unit{nil})
		}
		if r.skip > 0 || r.skipAfter != "" {
			w.active = append(w.active, &guard{until: r.skipAfter, count: r.skip})
		}
	}
}

// certain is a rule that matches every request.
func (w *walker) certain(r *rule, u *unit, exposed []int, guards []*guard) {
	if u.detection {
		w.c.report.Always = append(w.c.report.Always, r.id)
		w.c.add(u, r, guards)
		return
	}
	if r.skipAfter == "" && r.skip == 0 {
		return
	}
	for _, g := range guards {
		if g.until == "" || g.until != r.skipAfter {
			return // the gate itself may be skipped
		}
	}
	w.gate = &gate{until: r.skipAfter, count: r.skip, exposed: exposed}
}

// keys adds to st.chain what a link writes.
func (l *link) keys(st txState) {
	if l.capture {
		for i := range 10 {
			st.chain[string(rune('0'+i))] = true
		}
	}
	for _, v := range l.sets {
		if m, err := parseMacro(v.key); err == nil {
			if k, ok := m.fold(st).constant(); ok {
				st.chain[strings.ToLower(k)] = true
			}
		}
	}
}
