package fastpath

import (
	"strings"
)

const maxWork = 4000 // operators that settling one request may evaluate

// scalars evaluates the heads that look at a count or at TX.
func (j *judgement) scalars() {
	for i := range j.p.scalars {
		h := &j.p.scalars[i]
		if h.t.setters != nil {
			continue // settled last
		}
		j.scalar(h)
	}
	for _, u := range j.p.always {
		j.candidate(head{u: u, t: &ptarget{}}, "")
	}
}

func (j *judgement) scalar(h *head) {
	key := h.t.key
	if j.excluded(*h, key) {
		return
	}
	m := match{head: *h, variable: h.t.variable, key: key}
	x := expansion{j: j}
	try := func(raw string) {
		m.value = h.l.node.apply(&j.arena, raw)
		if ok, sure := h.l.test.eval(m.value, &x, &j.budget); !sure || ok != h.l.negated {
			j.head(&m)
		}
	}
	switch {
	case h.t.maybe:
		m.unknown = true
		j.head(&m)
		return
	case h.t.count:
		n, early := j.count(h.u, h.t)
		try(number(n))
		if early != n && h.u.phase == 1 {
			try(number(early))
		}
		return
	}
	for _, s := range h.t.consts {
		try(s)
	}
}

// head takes a matching head that no class holds.
func (j *judgement) head(m *match) {
	if m.u.detection && len(m.u.links) == 1 {
		j.candidate(m.head, m.key)
		return
	}
	j.pending = append(j.pending, *m)
}

// count returns how many values a target has, and how many before the body is
// read.
func (j *judgement) count(u *unit, t *ptarget) (n, early int) {
	if t.oneHeader() {
		for i := range j.in.Request.Fields {
			if f := &j.in.Request.Fields[i]; t.names(f.Name) && !j.hidden(u, t, f.Name) {
				n++
			}
		}
		return n, n
	}
	for _, s := range t.sources {
		from := len(j.vals)
		j.each(s, &j.vals)
		for _, v := range j.vals[from:] {
			if t.selects(string(j.lowered(v.key))) && !j.hidden(u, t, v.key) {
				n++
				if !s.late() {
					early++
				}
			}
		}
		j.vals = j.vals[:from]
	}
	return n, early
}

// oneHeader reports whether a target is the fields of one name.
func (t *ptarget) oneHeader() bool {
	return len(t.sources) == 1 && t.sources[0] == srcHeader && t.keyRx == nil && t.key != "" && len(t.except) == 0
}

func (t *ptarget) names(field string) bool {
	return len(field) == len(t.key) && strings.EqualFold(field, t.key)
}

func (j *judgement) hidden(u *unit, t *ptarget, key string) bool {
	return j.mask != nil && j.mask.Excludes(u.id, t.rv, key)
}

// settle decides about the units whose head matched and whose outcome depends
// on more than one value.
func (j *judgement) settle() {
	for i := range j.p.scalars {
		if h := &j.p.scalars[i]; h.t.setters != nil {
			j.read(h)
		}
	}
	done := len(j.pending)
	for i := 0; i < done; i++ {
		u := j.pending[i].u
		if !u.detection || j.settled(u, i) {
			continue
		}
		all := j.matches(u, i)
		for k := range all {
			if j.chain(u, &all[k], all) {
				j.candidate(all[k].head, all[k].key)
				break
			}
		}
	}
}

func (j *judgement) settled(u *unit, before int) bool {
	for i := range before {
		if j.pending[i].u == u {
			return true
		}
	}
	return false
}

// matches returns the matches of u, the first of which is pending at i.
func (j *judgement) matches(u *unit, i int) []match {
	rest := j.pending[i:]
	n := 1
	for n < len(rest) && rest[n].u == u {
		n++
	}
	out := rest[:n:n]
	for ; n < len(rest); n++ {
		if rest[n].u == u {
			out = append(out, rest[n])
		}
	}
	return out
}

// read evaluates a head that reads what other units set.
func (j *judgement) read(h *head) {
	for _, v := range j.written(h.t) {
		m := match{head: *h, variable: h.t.variable, key: v.key, value: v.value, unknown: v.unknown}
		if !v.unknown {
			m.value = h.l.node.apply(&j.arena, v.value)
			if ok, sure := h.l.test.eval(m.value, &expansion{j: j}, &j.budget); sure && ok == h.l.negated {
				continue
			}
		}
		if !j.excluded(*h, v.key) {
			j.head(&m)
		}
	}
	for _, s := range h.t.consts {
		m := match{head: *h, variable: h.t.variable, key: h.t.key, value: h.l.node.apply(&j.arena, s)}
		if ok, sure := h.l.test.eval(m.value, &expansion{j: j}, &j.budget); !sure || ok != h.l.negated {
			j.head(&m)
		}
	}
	if h.t.maybe {
		j.head(&match{head: *h, variable: h.t.variable, unknown: true})
	}
}

type written struct {
	key, value string
	unknown    bool
}

// written returns what a TX target may read of what matching heads have set.
// Sums ("=+1") are counted by key.
func (j *judgement) written(t *ptarget) []written {
	var out []written
	for i := range j.pending {
		m := &j.pending[i]
		if len(m.u.readers) == 0 || !reads(t, m.u) {
			continue
		}
		x := j.expansionOf(m)
		for k, v := range m.l.sets {
			key, ok := m.l.setKeys[k].expand(&x)
			key = strings.ToLower(key)
			if ok && !t.takes(key) || v.remove {
				continue
			}
			w := written{key: key, unknown: true}
			switch val, known := m.l.setVals[k].expand(&x); {
			case !ok || !known || val == "":
			case val[0] == '+' || val[0] == '-':
				w.value, w.unknown = addTo(out, key, val)
			default:
				w.value, w.unknown = val, false
			}
			out = append(out, w)
		}
	}
	return out
}

func reads(t *ptarget, u *unit) bool {
	for _, s := range t.setters {
		if s == u {
			return true
		}
	}
	return false
}

// addTo is what a sum comes to after what out says was written before.
func addTo(out []written, key, val string) (string, bool) {
	if val != "+1" {
		return "", true
	}
	n := 1
	for _, w := range out {
		if w.unknown {
			return "", true
		}
		if w.key == key {
			n++
		}
	}
	return number(n), false
}

// expansionOf is what macros can refer to once a head matched.
func (j *judgement) expansionOf(m *match) expansion {
	x := expansion{j: j, matched: m}
	if m.unknown {
		x.matched = nil
	}
	if m.l.capture && !m.unknown && m.l.test.pattern != nil {
		for i, s := range m.l.test.pattern.capture(m.value, &j.budget) {
			x.tx = append(x.tx, kv{numbers[i], s})
		}
	}
	return x
}

// feeds reports whether what a head sets when it matches is read by a rule.
func (j *judgement) feeds(m *match) bool {
	if len(m.u.readers) == 0 {
		return false
	}
	x := j.expansionOf(m)
	for k := range m.l.sets {
		key, ok := m.l.setKeys[k].expand(&x)
		if !ok {
			return true
		}
		key = strings.ToLower(key)
		for _, t := range m.u.readers {
			if t.takes(key) {
				return true
			}
		}
	}
	return false
}

// chain reports whether the links after the head may match too, m being the
// head's last match and all its matches.
func (j *judgement) chain(u *unit, m *match, all []match) bool {
	if len(u.links) == 1 {
		return true
	}
	x := j.expansionOf(m)
	opaque := m.unknown || j.write(m.l, &x)
	return j.rest(u, 1, &x, all, opaque)
}

// write adds to x what a link sets. It returns true when a key is not known.
func (j *judgement) write(l *plink, x *expansion) (opaque bool) {
	for k, v := range l.sets {
		key, ok := l.setKeys[k].expand(x)
		if !ok {
			opaque = true
			continue
		}
		val, known := l.setVals[k].expand(x)
		if !known || v.remove || val == "" || val[0] == '+' || val[0] == '-' {
			x.lost = append(x.lost, strings.ToLower(key))
			continue
		}
		x.tx = append(x.tx, kv{strings.ToLower(key), val})
	}
	return opaque
}

// rest reports whether links i and on may match.
func (j *judgement) rest(u *unit, i int, x *expansion, all []match, opaque bool) bool {
	if i == len(u.links) {
		return true
	}
	if j.work++; j.work > maxWork {
		j.gaveUp = true
		return true
	}
	l := u.links[i]
	last := i+1 == len(u.links)
	var here []match
	for _, t := range l.targets {
		from := len(j.vals)
		maybe := j.inputs(u, l, t, x, all, opaque)
		if maybe {
			j.vals = j.vals[:from]
			return true
		}
		for _, v := range j.vals[from:] {
			if !l.multi {
				if !j.matched(l, l.node.apply(&j.arena, v.value), x) {
					continue
				}
				if last {
					j.vals = j.vals[:from]
					return true
				}
			}
			here = j.collect(u, l, t, v, x, here)
		}
		j.vals = j.vals[:from]
	}
	if len(here) == 0 || last {
		return len(here) > 0
	}
	all = append(append([]match(nil), all...), here...)
	for k := range here {
		nx := expansion{j: j, matched: &here[k], tx: x.tx[:len(x.tx):len(x.tx)], lost: x.lost[:len(x.lost):len(x.lost)]}
		cap := j.expansionOf(&here[k])
		nx.tx = append(nx.tx, cap.tx...)
		o := j.write(l, &nx)
		if j.rest(u, i+1, &nx, all, opaque || o) {
			return true
		}
	}
	return false
}

func (j *judgement) matched(l *plink, s string, x *expansion) bool {
	ok, sure := l.test.eval(s, x, &j.budget)
	return !sure || ok != l.negated
}

// collect appends the matches of a link on a value to here.
func (j *judgement) collect(u *unit, l *plink, t *ptarget, v kv, x *expansion, here []match) []match {
	j.stageOf(l, v.value, func(s string) {
		if j.matched(l, s, x) {
			here = append(here, match{head: head{u: u, l: l, t: t}, variable: t.variable, key: v.key, value: s})
		}
	})
	return here
}

func (j *judgement) stageOf(l *plink, s string, f func(string)) {
	if l.multi {
		j.stages(l.node, s, func(s string) bool { f(s); return true })
		return
	}
	f(l.node.apply(&j.arena, s))
}

// inputs appends the values of a target of a later link to j.vals.
func (j *judgement) inputs(u *unit, l *plink, t *ptarget, x *expansion, all []match, opaque bool) (maybe bool) {
	if l.test.unknown != "" || t.maybe {
		return true
	}
	switch {
	case t.matched:
		if x.matched == nil {
			return true
		}
		j.vals = append(j.vals, kv{x.matched.name(), x.matched.value})
		return false
	case t.all:
		for k := range all {
			if all[k].unknown {
				return true
			}
			j.vals = append(j.vals, kv{all[k].name(), all[k].value})
		}
		return false
	case t.variable == "TX":
		return j.txInputs(t, x, opaque)
	case t.count:
		n, early := j.count(u, t)
		j.vals = append(j.vals, kv{t.key, number(n)})
		if early != n && u.phase == 1 {
			j.vals = append(j.vals, kv{t.key, number(early)})
		}
		return false
	}
	if t.oneHeader() {
		for i := range j.in.Request.Fields {
			if f := &j.in.Request.Fields[i]; t.names(f.Name) && !j.hidden(u, t, f.Name) {
				j.vals = append(j.vals, kv{f.Name, f.Value})
			}
		}
		return false
	}
	for _, s := range t.sources {
		from := len(j.vals)
		j.each(s, &j.vals)
		kept := from
		for _, v := range j.vals[from:] {
			if t.selects(string(j.lowered(v.key))) && !j.hidden(u, t, v.key) {
				j.vals[kept] = v
				kept++
			}
		}
		j.vals = j.vals[:kept]
		if s.empty(u.phase) {
			j.vals = append(j.vals, kv{})
		}
	}
	return false
}

func (j *judgement) txInputs(t *ptarget, x *expansion, opaque bool) (maybe bool) {
	for _, s := range t.consts {
		j.vals = append(j.vals, kv{t.key, s})
	}
	for _, w := range j.written(t) {
		if w.unknown {
			return true
		}
		j.vals = append(j.vals, kv{w.key, w.value})
	}
	if !t.tx {
		return false
	}
	if opaque {
		return true
	}
	for _, k := range x.lost {
		if t.takes(k) {
			return true
		}
	}
	if t.keyRx == nil {
		v, ok := x.get(t.key)
		if !ok {
			return true
		}
		j.vals = append(j.vals, kv{t.key, v})
		return false
	}
	for i := range x.tx {
		if t.takes(x.tx[i].key) {
			j.vals = append(j.vals, x.tx[i])
		}
	}
	return false
}

// holds reports whether a guard surely matches, so that Coraza skips the rules
// it guards.
func (j *judgement) holds(g *unit) bool {
	for _, i := range g.exposed {
		for _, u := range j.p.removes[i] {
			if u == nil || j.whole(u) {
				return false
			}
		}
	}
	return g.sure() && j.whole(g)
}

// whole reports whether a unit may match, looking at everything anew.
func (j *judgement) whole(u *unit) bool {
	l := u.links[0]
	var heads []match
	x := expansion{j: j}
	for _, t := range l.targets {
		from := len(j.vals)
		maybe := j.inputs(u, l, t, &x, nil, true)
		if maybe {
			j.vals = j.vals[:from]
			return true
		}
		for _, v := range j.vals[from:] {
			heads = j.collect(u, l, t, v, &x, heads)
		}
		j.vals = j.vals[:from]
	}
	for k := range heads {
		if j.chain(u, &heads[k], heads) {
			return true
		}
	}
	return false
}
