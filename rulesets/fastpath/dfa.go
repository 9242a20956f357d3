package fastpath

import (
	"encoding/binary"
	"regexp/syntax"
	"slices"
	"sync"
	"sync/atomic"
	"unicode/utf8"
)

// bitset is a set of pattern numbers.
type bitset []uint64

func newBitset(n int) bitset    { return make(bitset, (n+63)/64) }
func (b bitset) set(i int)      { b[i>>6] |= 1 << (i & 63) }
func (b bitset) has(i int) bool { return b[i>>6]&(1<<(i&63)) != 0 }
func (b bitset) clear()         { clear(b) }
func (b bitset) empty() bool {
	for _, w := range b {
		if w != 0 {
			return false
		}
	}
	return true
}

// What stood before the current position, for the assertions.
const (
	ctxBegin = iota
	ctxNewline
	ctxWord
	ctxOther
	ctxCount
)

// dfa runs an nfa, unanchored, as a deterministic automaton whose states are
// made when a text first needs them. Readers take no lock; one writer at a time
// adds states. Their number is bounded: when it is reached everything is thrown
// away, and a reader in the middle of a text goes on from the state it had.
type dfa struct {
	n       *nfa
	class   [256]uint8
	some    []int // by class: a byte of it, -1 for the end of the text
	nclass  int   // the class of the end of the text
	stride  int
	max     int // states
	table   atomic.Pointer[dfaTable]
	mu      sync.Mutex
	made    int        // steps made so far, guarded by mu
	scratch dfaScratch // guarded by mu
	starts  [ctxCount][]startStep
	atStart []bool    // instructions that a search starting anywhere waits at
	whole   bool      // states keep the threads that wait there, for quiet to be true
	restart [256]bool // with whole: see locate
	closed  bool      // no match begins any more: see last
}

// dfaTable is one generation of states. trans holds, for state s and class c
// at s*stride+c, zero for "not made yet" or the next state's offset<<2, with
// the bits of what the step meant.
type dfaTable struct {
	trans  []uint32
	states []atomic.Pointer[dfaState]
	index  map[string]uint32 // guarded by mu
	used   int               // guarded by mu
	roots  [ctxCount]uint32  // where a search begins, by what stands before
	gen    int
}

const (
	stepReports = 1 << iota // a pattern is reported
	stepQuiet               // no thread lives that began before
	stepBits    = iota
)

// dfaState is a set of threads waiting for a byte or an assertion, and what
// stood before.
type dfaState struct {
	threads []int32
	ctx     uint8
	reports []int32
}

// startStep is what starting at a position adds to the next state.
type startStep struct {
	made    bool
	threads []int32
	reports []int32
}

type dfaScratch struct {
	mark    []uint32
	epoch   uint32
	stack   []int32
	threads []int32
	closed  []int32
	reports []int32
	key     []byte
}

// newDFA returns an automaton of at most max states. With whole it can locate.
func newDFA(n *nfa, max int, whole bool) *dfa {
	d := &dfa{n: n, max: max, whole: whole}
	d.class, d.nclass = n.classes()
	d.stride = d.nclass + 1
	d.some = make([]int, d.stride)
	d.some[d.nclass] = -1
	for b, c := range d.class {
		d.some[c] = b
	}
	d.scratch.mark = make([]uint32, len(n.insts))
	for i := range d.starts {
		d.starts[i] = make([]startStep, d.stride)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fresh(0)
	if !whole {
		return d
	}
	for b := range utf8.RuneSelf {
		threads, _, reports := d.step(&dfaState{ctx: ctxBegin}, int(d.class[b]))
		d.restart[b] = len(threads) == 0 && len(reports) == 0
	}
	return d
}

// newClosed returns an automaton in which no match begins, for last.
func newClosed(n *nfa, max int) *dfa {
	d := newDFA(n, max, false)
	d.whole, d.closed = true, true
	return d
}

// fresh starts a generation with the root state only. Called with mu held.
func (d *dfa) fresh(gen int) *dfaTable {
	t := d.grow(&dfaTable{index: map[string]uint32{}, gen: gen, used: 1}, 8)
	for ctx := range t.roots {
		t.roots[ctx] = d.intern(t, nil, uint8(ctx), nil)
	}
	d.table.Store(t)
	return t
}

// grow returns t with room for rows states.
func (d *dfa) grow(t *dfaTable, rows int) *dfaTable {
	out := &dfaTable{
		trans:  make([]uint32, rows*d.stride),
		states: make([]atomic.Pointer[dfaState], rows),
		index:  t.index, gen: t.gen, used: t.used, roots: t.roots,
	}
	for i := range t.trans {
		out.trans[i] = atomic.LoadUint32(&t.trans[i])
	}
	for i := range t.states {
		out.states[i].Store(t.states[i].Load())
	}
	return out
}

// scan reports into found which patterns may match in s. It returns false when
// it had to give up; found is then worthless. budget bounds the states that it
// may make.
func (d *dfa) scan(s string, found bitset, budget *int) bool {
	if len(s) >= longText {
		var noted noted
		return scanPieces(d.runner(&noted, budget), s, found, false)
	}
	t := d.table.Load()
	at := t.roots[ctxBegin]
	trans := t.trans
	var recent [32]uint32 // states whose reports were noted
	for i := 0; i <= len(s); i++ {
		c := uint32(d.nclass)
		if i < len(s) {
			c = uint32(d.class[s[i]])
		}
		e := atomic.LoadUint32(&trans[at+c])
		if e == 0 {
			was := t
			if t, e = d.make(t, at, int(c), budget); e == 0 {
				return false
			}
			if t.gen != was.gen {
				clear(recent[:])
			}
			trans = t.trans
		}
		at = e >> stepBits
		if e&stepReports != 0 {
			if r := &recent[at*0x9e3779b1>>27]; *r == at {
				continue
			} else {
				*r = at
			}
			for _, p := range t.states[int(at)/d.stride].Load().reports {
				found.set(int(p))
			}
		}
	}
	return true
}

// matches reports whether any pattern may match in s, and false for sure when
// it could not tell.
func (d *dfa) matches(s string, budget *int) (match, sure bool) {
	t := d.table.Load()
	at := t.roots[ctxBegin]
	trans := t.trans
	for i := 0; i <= len(s); i++ {
		c := uint32(d.nclass)
		if i < len(s) {
			c = uint32(d.class[s[i]])
		}
		e := atomic.LoadUint32(&trans[at+c])
		if e == 0 {
			if t, e = d.make(t, at, int(c), budget); e == 0 {
				return true, false
			}
			trans = t.trans
		}
		if e&stepReports != 0 {
			return true, true
		}
		at = e >> stepBits
		if i == longText && len(s) > 2*longText { // no early match
			var noted noted
			var any [1]uint64
			sure = scanPieces(runner{d: d, t: t, trans: trans, at: at, noted: &noted, budget: budget}, s[i+1:], any[:], true)
			return any[0] != 0 || !sure, sure
		}
	}
	return false, true
}

// locate is matches, and where there is a match the place where the first to end
// does, the state behind that byte, and the place from which an engine may start
// to find the leftmost. That is the start of the text or a place
// where three things hold: no match that begins before is still under way, none
// ends there or before, and an engine that takes the byte there for the first of
// the text finds none that begins with it.
func (d *dfa) locate(s string, budget *int) (from, to int, then *dfaState, match, sure bool) {
	t := d.table.Load()
	at := t.roots[ctxBegin]
	trans := t.trans
	for i := 0; i <= len(s); i++ {
		c := uint32(d.nclass)
		if i < len(s) {
			c = uint32(d.class[s[i]])
		}
		e := atomic.LoadUint32(&trans[at+c])
		if e == 0 {
			if t, e = d.make(t, at, int(c), budget); e == 0 {
				return 0, 0, nil, true, false
			}
			trans = t.trans
		}
		if e&stepReports != 0 {
			return from, i, t.states[int(e>>stepBits)/d.stride].Load(), true, true
		}
		if e&stepQuiet != 0 && i < len(s) && d.restart[s[i]] {
			from = i
		}
		at = e >> stepBits
	}
	return 0, 0, nil, false, true
}

// last returns where in s, from place i on, the last match may end of those that
// are under way in a state of another automaton; i when none does. It is the end
// of s when that costs more than the budget.
func (d *dfa) last(st *dfaState, s string, i int, budget *int) int {
	t, at := d.enter(st)
	trans := t.trans
	last := i
	for ; i <= len(s); i++ {
		c := uint32(d.nclass)
		if i < len(s) {
			c = uint32(d.class[s[i]])
		}
		e := atomic.LoadUint32(&trans[at+c])
		if e == 0 {
			if t, e = d.make(t, at, int(c), budget); e == 0 {
				return len(s)
			}
			trans = t.trans
		}
		if e&stepReports != 0 {
			last = min(i+1, len(s))
		}
		if e&stepQuiet != 0 {
			break
		}
		at = e >> stepBits
	}
	return last
}

// enter returns the place of a state of another automaton for the same nfa.
func (d *dfa) enter(st *dfaState) (*dfaTable, uint32) {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.table.Load()
	if t.used == len(t.states) {
		t = d.fresh(t.gen + 1)
	}
	return t, d.intern(t, st.threads, st.ctx, nil)
}

// make adds the step from state at by class c. It returns the table to go on
// with and the entry, which is zero when the budget is used up.
func (d *dfa) make(t *dfaTable, at uint32, c int, budget *int) (*dfaTable, uint32) {
	d.mu.Lock()
	defer d.mu.Unlock()
	st := t.states[int(at)/d.stride].Load()
	cur := d.table.Load()
	same := cur.gen == t.gen
	t = cur
	if same {
		if e := atomic.LoadUint32(&t.trans[at+uint32(c)]); e != 0 {
			return t, e
		}
	}
	if *budget <= 0 {
		return t, 0
	}
	*budget--
	d.made++
	threads, ctx, reports := d.step(st, c)
	if t.used == len(t.states) {
		if _, known := t.index[d.key(threads, ctx, reports)]; !known {
			if len(t.states) >= d.max {
				t, same = d.fresh(t.gen+1), false
			} else {
				t = d.grow(t, min(2*len(t.states), d.max))
				d.table.Store(t)
			}
		}
	}
	e := d.intern(t, threads, ctx, reports) << stepBits
	if len(reports) > 0 {
		e |= stepReports
	}
	if len(threads) == 0 {
		e |= stepQuiet
	}
	if same {
		atomic.StoreUint32(&t.trans[at+uint32(c)], e)
	}
	return t, e
}

func (d *dfa) key(threads []int32, ctx uint8, reports []int32) string {
	k := append(d.scratch.key[:0], ctx)
	for _, x := range threads {
		k = binary.AppendUvarint(k, uint64(x)+1)
	}
	k = append(k, 0)
	for _, x := range reports {
		k = binary.AppendUvarint(k, uint64(x)+1)
	}
	d.scratch.key = k
	return string(k)
}

// intern returns the offset of a state, adding it when it is new.
func (d *dfa) intern(t *dfaTable, threads []int32, ctx uint8, reports []int32) uint32 {
	k := d.key(threads, ctx, reports)
	if off, ok := t.index[k]; ok {
		return off
	}
	t.states[t.used].Store(&dfaState{threads: slices.Clone(threads), ctx: ctx, reports: slices.Clone(reports)})
	off := uint32(t.used * d.stride)
	t.index[k] = off
	t.used++
	return off
}

// step computes what state st becomes by class c.
func (d *dfa) step(st *dfaState, c int) (threads []int32, ctx uint8, reports []int32) {
	start := &d.starts[st.ctx][c]
	flags, next, b := d.look(st.ctx, c)
	if !start.made && !d.closed {
		var roots []int32
		d.begin()
		for _, s := range d.n.starts {
			d.follow(s)
		}
		roots = slices.Clone(d.scratch.threads)
		if d.atStart == nil {
			d.atStart = make([]bool, len(d.n.insts))
			for _, i := range roots {
				d.atStart[i] = true
			}
		}
		reports := slices.Clone(d.scratch.reports)
		th, rp := d.advance(roots, reports, flags, c, b)
		start.threads, start.reports, start.made = slices.Clone(th), slices.Clone(rp), true
	}
	th, rp := d.advance(st.threads, nil, flags, c, b)
	threads = mergeSorted(th, start.threads)
	reports = mergeSorted(rp, start.reports)
	return threads, next, reports
}

// behind is what stands before the position that follows a byte.
func (d *dfa) behind(b byte) uint8 {
	switch {
	case !d.n.asserts:
	case b == '\n':
		return ctxNewline
	case isWord(b):
		return ctxWord
	}
	return ctxOther
}

// look returns which assertions hold between ctx and class c, what stands
// before the next position, and a byte of the class (-1 at the end).
func (d *dfa) look(ctx uint8, c int) (flags syntax.EmptyOp, next uint8, b int) {
	b = d.some[c]
	next = ctxOther
	if b >= 0 {
		next = d.behind(byte(b))
	}
	if ctx == ctxBegin {
		flags |= syntax.EmptyBeginText
	}
	if ctx == ctxBegin || ctx == ctxNewline {
		flags |= syntax.EmptyBeginLine
	}
	if b < 0 {
		flags |= syntax.EmptyEndText
	}
	if b < 0 || b == '\n' {
		flags |= syntax.EmptyEndLine
	}
	if (ctx == ctxWord) != (next == ctxWord) {
		flags |= syntax.EmptyWordBoundary
	} else {
		flags |= syntax.EmptyNoWordBoundary
	}
	return flags, next, b
}

func (d *dfa) begin() {
	d.scratch.epoch++
	d.scratch.threads = d.scratch.threads[:0]
	d.scratch.reports = d.scratch.reports[:0]
}

// follow adds instruction i and what it reaches without a byte or an assertion.
func (d *dfa) follow(i int32) { d.followIf(i, 0) }

// followIf is follow, with the assertions of flags known to hold.
func (d *dfa) followIf(i int32, flags syntax.EmptyOp) {
	s := &d.scratch
	s.stack = append(s.stack[:0], i)
	for len(s.stack) > 0 {
		i := s.stack[len(s.stack)-1]
		s.stack = s.stack[:len(s.stack)-1]
		if s.mark[i] == s.epoch {
			continue
		}
		s.mark[i] = s.epoch
		switch in := &d.n.insts[i]; in.op {
		case opAlt:
			s.stack = append(s.stack, in.out)
			if in.alt != in.out {
				s.stack = append(s.stack, in.alt)
			}
		case opEmpty:
			if flags&in.flags == in.flags {
				s.stack = append(s.stack, in.out)
			} else {
				s.threads = append(s.threads, i)
			}
		case opMatch:
			s.reports = append(s.reports, in.arg)
		case opByte:
			s.threads = append(s.threads, i)
		case opTrie:
			node := &d.n.nodes[in.arg]
			if node.match >= 0 {
				s.reports = append(s.reports, node.match)
			}
			if len(node.keys) > 0 {
				s.threads = append(s.threads, i)
			}
		}
	}
}

// advance resolves the assertions of threads and consumes class c.
func (d *dfa) advance(threads, found []int32, flags syntax.EmptyOp, c, b int) (next, reports []int32) {
	d.begin()
	s := &d.scratch
	for _, i := range threads {
		if d.n.insts[i].op == opEmpty {
			d.followIf(i, flags)
		} else if s.mark[i] != s.epoch {
			s.mark[i] = s.epoch
			s.threads = append(s.threads, i)
		}
	}
	reports = append(slices.Clone(found), s.reports...)
	s.closed = append(s.closed[:0], s.threads...)
	closed := s.closed
	d.begin()
	if b >= 0 {
		for _, i := range closed {
			switch in := &d.n.insts[i]; in.op {
			case opByte:
				if d.n.sets[in.arg].has(byte(b)) {
					d.follow(in.out)
				}
			case opTrie:
				node := &d.n.nodes[in.arg]
				as := &d.n.dialects[node.dialect]
				if as.skip.has(byte(b)) {
					d.follow(i)
				}
				want := as.key(byte(b))
				for k, key := range node.keys {
					if key == want {
						d.follow(node.outs[k])
					}
				}
			}
		}
	}
	reports = append(reports, s.reports...)
	slices.Sort(reports)
	reports = slices.Compact(reports)
	for _, i := range s.threads {
		if d.whole || !d.atStart[i] { // those are at every position anyway
			next = append(next, i)
		}
	}
	slices.Sort(next)
	return next, reports
}

// mergeSorted returns what is in a or in b, each once. Both are sorted and have
// nothing twice; the result may be one of them.
func mergeSorted(a, b []int32) []int32 {
	switch {
	case len(a) == 0:
		return b
	case len(b) == 0:
		return a
	}
	out := make([]int32, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		x := min(a[0], b[0])
		out = append(out, x)
		if a[0] == x {
			a = a[1:]
		}
		if b[0] == x {
			b = b[1:]
		}
	}
	return append(append(out, a...), b...)
}
