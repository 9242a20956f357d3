package fastpath

import "sync/atomic"

// An automaton waits for each next state before it can look for the one behind
// it. So a long text is cut into pieces, and the automaton runs over all of them
// together. In every piece but the first it begins as if no match were under
// way, knowing what stands before. What it finds there is in the text, since a
// match may begin anywhere; what it lacks are matches that began in the piece
// before. So the run over that piece goes on into the next one, beside a second
// run like the first, until both are in the same state: from there on they
// cannot differ.

const (
	lanes     = 4
	joinBytes = 4 << 10 // of a piece in which two runs may come together
)

// runner is an automaton in the middle of a text.
type runner struct {
	d      *dfa
	t      *dfaTable
	trans  []uint32
	at     uint32
	budget *int
	noted  *noted
	gaveUp bool
}

// noted are states whose reports were noted, each at one place.
type noted [256]uint32

// has reports whether state at is one of n.
func (n *noted) has(at uint32) bool { return n[at*0x9e3779b1>>24] == at }

// runner returns an automaton at the start of a text. budget bounds the states
// that it may make.
func (d *dfa) runner(noted *noted, budget *int) runner {
	t := d.table.Load()
	return runner{d: d, t: t, trans: t.trans, at: t.roots[ctxBegin], noted: noted, budget: budget}
}

// from puts r behind a byte, with no match under way.
func (r *runner) from(b byte) { r.at = r.t.roots[r.d.behind(b)] }

// idle reports whether the step e is made and says nothing new.
func (r *runner) idle(e uint32) bool {
	return e != 0 && (e&stepReports == 0 || r.noted.has(e>>stepBits))
}

// step goes on by class c.
func (r *runner) step(c uint32, found bitset) {
	if r.gaveUp {
		return
	}
	e := atomic.LoadUint32(&r.trans[r.at+c])
	if e == 0 {
		was := r.t
		if r.t, e = r.d.make(r.t, r.at, int(c), r.budget); e == 0 {
			r.gaveUp = true
			return
		}
		if r.t.gen != was.gen {
			clear(r.noted[:])
		}
		r.trans = r.t.trans
	}
	r.at = e >> stepBits
	if e&stepReports != 0 {
		r.note(r.at, found)
	}
}

// note adds to found what state at reports.
func (r *runner) note(at uint32, found bitset) {
	if r.noted.has(at) {
		return
	}
	r.noted[at*0x9e3779b1>>24] = at
	for _, p := range r.t.states[int(at)/r.d.stride].Load().reports {
		found.set(int(p))
	}
}

// run goes on over s.
func (r *runner) run(s string, found bitset) {
	class := &r.d.class
	for i := 0; i < len(s) && !r.gaveUp; i++ {
		trans, at := r.trans, r.at
		for ; i < len(s); i++ {
			e := atomic.LoadUint32(&trans[at+uint32(class[s[i]])])
			if e&stepReports|(e-1)>>31 != 0 && !r.idle(e) {
				break
			}
			at = e >> stepBits
		}
		if r.at = at; i < len(s) {
			r.step(uint32(class[s[i]]), found)
		}
	}
}

// end tells r that the text ends here.
func (r *runner) end(found bitset) { r.step(uint32(r.d.nclass), found) }

// same reports whether two runners of one automaton are in the same state.
func (r *runner) same(o *runner) bool { return r.at == o.at && r.t.gen == o.t.gen }

// scanPieces runs r over a long text to its end, as scan does. With first it may
// stop when it has found something.
func scanPieces(r runner, s string, found bitset, first bool) bool {
	rs := [lanes]runner{r}
	cut := [lanes + 1]int{lanes: len(s)}
	for k := 1; k < lanes; k++ {
		cut[k] = runeEnd(s, k*(len(s)/lanes))
		rs[k] = r.d.runner(r.noted, r.budget)
		rs[k].from(s[cut[k]-1])
	}
	begun := rs
	n := runTogether(&rs, s, &cut, found, first)
	for k := range rs {
		if rs[k].run(s[cut[k]+n:cut[k+1]], found); rs[k].gaveUp || first && !found.empty() {
			return !rs[k].gaveUp
		}
	}
	for k := 1; k < lanes; k++ {
		real := rs[k-1]
		if !real.join(&begun[k], s[cut[k]:cut[k+1]], found) {
			rs[k] = real
		}
		if real.gaveUp || first && !found.empty() {
			return !real.gaveUp
		}
	}
	rs[lanes-1].end(found)
	return !rs[lanes-1].gaveUp
}

// join runs r over a piece until it is in the state in which o, from its
// beginning, is there. It returns false when that was not seen and r has run
// over the whole piece.
func (r *runner) join(o *runner, piece string, found bitset) bool {
	for i := 0; i < min(len(piece), joinBytes); i++ {
		if r.same(o) {
			return true
		}
		c := uint32(r.d.class[piece[i]])
		r.step(c, found)
		o.step(c, found)
		if r.gaveUp || o.gaveUp {
			r.gaveUp = true
			return false
		}
	}
	if r.same(o) {
		return true
	}
	r.run(piece[min(len(piece), joinBytes):], found)
	return false
}

// runTogether runs all of rs, each over its own piece of s, as far as the
// shortest goes, and returns how far that is. Reports are gathered for some
// bytes at a time: in many texts a byte in ten has one, mostly known.
func runTogether(rs *[lanes]runner, s string, cut *[lanes + 1]int, found bitset, first bool) int {
	n := len(s)
	for k := range rs {
		n = min(n, cut[k+1]-cut[k])
	}
	s0, s1, s2, s3 := s[cut[0]:][:n], s[cut[1]:][:n], s[cut[2]:][:n], s[cut[3]:][:n]
	a, b, c, d := &rs[0], &rs[1], &rs[2], &rs[3]
	class := &a.d.class
	var seen [512]uint32 // states with reports
	for i := 0; i < n; {
		end := min(n, i+len(seen)/lanes)
		if a.t.gen != b.t.gen || a.t.gen != c.t.gen || a.t.gen != d.t.gen { // soon over
			for k := range rs {
				rs[k].run(s[cut[k]+i:cut[k]+end], found)
			}
			i = end
		}
		ta, tb, tc, td := a.trans, b.trans, c.trans, d.trans
		at0, at1, at2, at3 := a.at, b.at, c.at, d.at
		m := uint32(0)
		for ; i < end; i++ {
			e0 := atomic.LoadUint32(&ta[at0+uint32(class[s0[i]])])
			e1 := atomic.LoadUint32(&tb[at1+uint32(class[s1[i]])])
			e2 := atomic.LoadUint32(&tc[at2+uint32(class[s2[i]])])
			e3 := atomic.LoadUint32(&td[at3+uint32(class[s3[i]])])
			if ((e0-1)|(e1-1)|(e2-1)|(e3-1))>>31 != 0 {
				break // a step that is not made yet
			}
			at0, at1, at2, at3 = e0>>stepBits, e1>>stepBits, e2>>stepBits, e3>>stepBits
			seen[m%uint32(len(seen))] = at0
			m += e0 & stepReports
			seen[m%uint32(len(seen))] = at1
			m += e1 & stepReports
			seen[m%uint32(len(seen))] = at2
			m += e2 & stepReports
			seen[m%uint32(len(seen))] = at3
			m += e3 & stepReports
		}
		a.at, b.at, c.at, d.at = at0, at1, at2, at3
		newest := a
		for k := range rs {
			if len(rs[k].t.states) > len(newest.t.states) {
				newest = &rs[k]
			}
		}
		for _, at := range seen[:m] {
			newest.note(at, found)
		}
		if i < end {
			a.step(uint32(class[s0[i]]), found)
			b.step(uint32(class[s1[i]]), found)
			c.step(uint32(class[s2[i]]), found)
			d.step(uint32(class[s3[i]]), found)
			i++
		}
		if a.gaveUp || b.gaveUp || c.gaveUp || d.gaveUp || first && !found.empty() {
			return i
		}
	}
	return n
}
