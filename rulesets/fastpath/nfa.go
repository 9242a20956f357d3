package fastpath

import (
	"regexp/syntax"
	"slices"
	"unicode"
	"unicode/utf8"
)

// byteSet is a set of byte values.
type byteSet [4]uint64

func (s *byteSet) add(b byte)      { s[b>>6] |= 1 << (b & 63) }
func (s *byteSet) has(b byte) bool { return s[b>>6]&(1<<(b&63)) != 0 }
func (s *byteSet) addRange(lo, hi int) {
	for b := lo; b <= hi; b++ {
		s.add(byte(b))
	}
}

type opcode uint8

const (
	opByte  opcode = iota // consume a byte of sets[set], go to out
	opAlt                 // go to out and to alt
	opEmpty               // go to out when the assertions in flags hold
	opMatch               // pattern arg matched
	opTrie                // consume a byte that is a key of tries[arg], go to its node
	opFail
)

// inst is one instruction of a byte automaton.
type inst struct {
	op    opcode
	flags syntax.EmptyOp
	out   int32
	alt   int32
	arg   int32
}

// nfa is a byte automaton made from regular expressions and word lists. It may
// accept more than they do, never less: see doc.go.
type nfa struct {
	insts    []inst
	sets     []byteSet
	setIDs   map[byteSet]int32
	nodes    []trieNode
	starts   []int32
	dialects []dialect // of the word lists
	asserts  bool      // whether any assertion is left in it
}

// trieNode is one node of a word list; keys are lower-case bytes.
type trieNode struct {
	keys    []byte
	outs    []int32 // opTrie instructions
	match   int32   // pattern that ends here, or -1
	dialect int32
}

func newNFA() *nfa { return &nfa{setIDs: map[byteSet]int32{}} }

func (n *nfa) emit(i inst) int32 {
	n.insts = append(n.insts, i)
	return int32(len(n.insts) - 1)
}

func (n *nfa) set(s byteSet) int32 {
	if id, ok := n.setIDs[s]; ok {
		return id
	}
	n.sets = append(n.sets, s)
	id := int32(len(n.sets) - 1)
	n.setIDs[s] = id
	return id
}

// cutRune stands for "whatever follows": see gaps.go. It is a code point that
// no text interchanges.
const cutRune = '\U0010FFFE'

// addRegexp adds an expression; pattern is reported when it may match.
func (n *nfa) addRegexp(re *syntax.Regexp, d *dialect, pattern int32) error {
	prog, err := syntax.Compile(re.Simplify())
	if err != nil {
		return err
	}
	base := int32(len(n.insts))
	for range prog.Inst {
		n.emit(inst{op: opFail})
	}
	for i := range prog.Inst {
		p := &prog.Inst[i]
		out := base + int32(p.Out)
		at := base + int32(i)
		switch p.Op {
		case syntax.InstAlt, syntax.InstAltMatch:
			n.insts[at] = inst{op: opAlt, out: out, alt: base + int32(p.Arg)}
		case syntax.InstCapture, syntax.InstNop:
			n.insts[at] = inst{op: opAlt, out: out, alt: out}
		case syntax.InstEmptyWidth:
			if d.blunt {
				n.insts[at] = inst{op: opAlt, out: out, alt: out}
				continue
			}
			n.insts[at] = inst{op: opEmpty, flags: syntax.EmptyOp(p.Arg), out: out}
			n.asserts = true
		case syntax.InstMatch:
			n.insts[at] = inst{op: opMatch, arg: pattern}
		case syntax.InstFail:
		case syntax.InstRune, syntax.InstRune1, syntax.InstRuneAny, syntax.InstRuneAnyNotNL:
			ranges := instRanges(p)
			if len(ranges) == 2 && ranges[0] == cutRune && ranges[1] == cutRune {
				n.insts[at] = inst{op: opMatch, arg: pattern}
				continue
			}
			n.addRunes(at, out, ranges, d)
		}
	}
	n.starts = append(n.starts, base+int32(prog.Start))
	return nil
}

// instRanges returns the runes an instruction accepts as pairs of bounds.
func instRanges(p *syntax.Inst) []rune {
	switch p.Op {
	case syntax.InstRuneAny:
		return []rune{0, unicode.MaxRune}
	case syntax.InstRuneAnyNotNL:
		return []rune{0, '\n' - 1, '\n' + 1, unicode.MaxRune}
	}
	if len(p.Rune) != 1 {
		return p.Rune
	}
	r := p.Rune[0]
	out := []rune{r, r}
	if syntax.Flags(p.Arg)&syntax.FoldCase != 0 {
		for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
			out = append(out, f, f)
		}
	}
	return out
}

// addRunes writes instruction at: it accepts one rune of ranges and goes to out.
func (n *nfa) addRunes(at, out int32, ranges []rune, d *dialect) {
	var bytes byteSet
	limit := 0x7f
	if d.latin1 {
		limit = 0xff
	}
	var wide []rune // the runes above limit, while they are few
	many := false
	heads := []int32{}
	for i := 0; i < len(ranges); i += 2 {
		lo, hi := int(ranges[i]), int(ranges[i+1])
		if lo <= limit {
			bytes.addRange(lo, min(hi, limit))
		}
		if hi <= limit || d.latin1 {
			continue
		}
		if d.exact {
			sequences(max(rune(lo), utf8.RuneSelf), rune(hi), func(seq [][2]byte) {
				next := out
				for k := len(seq) - 1; k >= 0; k-- {
					var s byteSet
					s.addRange(int(seq[k][0]), int(seq[k][1]))
					next = n.emit(inst{op: opByte, arg: n.set(s), out: next})
				}
				heads = append(heads, next)
			})
			continue
		}
		lo = max(lo, limit+1)
		if hi-lo > 8 || len(wide) > 8 || lo <= utf8.RuneError && hi >= utf8.RuneError {
			many = true
			continue
		}
		for r := lo; r <= hi; r++ {
			wide = append(wide, rune(r))
		}
	}
	many = many || d.blunt && len(wide) > 0
	if d.runes {
		// The Kelvin sign and the dotted capital I are lowered to ASCII.
		if bytes.has('k') {
			wide = append(wide, '\u212a')
		}
		if bytes.has('i') {
			wide = append(wide, '\u0130')
		}
	}
	bytes = d.raw(bytes)
	if d.skip != (byteSet{}) {
		heads = append(heads, n.emit(inst{op: opByte, arg: n.set(d.skip), out: at}))
	}
	if bytes != (byteSet{}) {
		heads = append(heads, n.emit(inst{op: opByte, arg: n.set(bytes), out: out}))
	}
	if many {
		heads = append(heads, n.addAnyWide(out))
	} else {
		for _, r := range wide {
			var buf [utf8.UTFMax]byte
			enc := buf[:utf8.EncodeRune(buf[:], r)]
			next := out
			for i := len(enc) - 1; i >= 0; i-- {
				var s byteSet
				s.add(enc[i])
				next = n.emit(inst{op: opByte, arg: n.set(s), out: next})
			}
			heads = append(heads, next)
		}
	}
	n.insts[at] = inst{op: opFail}
	switch len(heads) {
	case 0:
	case 1:
		n.insts[at] = inst{op: opAlt, out: heads[0], alt: heads[0]}
	default:
		alt := heads[0]
		for _, h := range heads[1 : len(heads)-1] {
			alt = n.emit(inst{op: opAlt, out: h, alt: alt})
		}
		n.insts[at] = inst{op: opAlt, out: alt, alt: heads[len(heads)-1]}
	}
}

// sequences calls f with ranges of bytes that together are the encodings of the
// runes from lo to hi, all above ASCII.
func sequences(lo, hi rune, f func(seq [][2]byte)) {
	if lo > hi {
		return
	}
	for _, last := range [...]rune{0x7ff, 0xffff} { // of an encoding's length
		if lo <= last && last < hi {
			sequences(lo, last, f)
			sequences(last+1, hi, f)
			return
		}
	}
	for i := 1; i < 4; i++ {
		low := rune(1)<<(6*i) - 1 // what the last i bytes say
		if lo&^low == hi&^low {
			continue
		}
		if lo&low != 0 {
			sequences(lo, lo|low, f)
			sequences(lo|low+1, hi, f)
			return
		}
		if hi&low != low {
			sequences(lo, hi&^low-1, f)
			sequences(hi&^low, hi, f)
			return
		}
	}
	from, to := encoding(lo), encoding(hi)
	seq := make([][2]byte, len(from))
	for i := range seq {
		seq[i] = [2]byte{from[i], to[i]}
	}
	f(seq)
}

// encoding is the UTF-8 of a rune; a surrogate, which no text in UTF-8 has, is
// encoded like its neighbours.
func encoding(r rune) []byte {
	if 0xd800 <= r && r <= 0xdfff {
		return []byte{0xe0 | byte(r>>12), 0x80 | byte(r>>6)&0x3f, 0x80 | byte(r)&0x3f}
	}
	return utf8.AppendRune(nil, r)
}

// addAnyWide accepts any rune above ASCII and any byte that is no UTF-8: one
// byte of the upper half and, maybe, continuation bytes after it.
func (n *nfa) addAnyWide(out int32) int32 {
	var upper, cont byteSet
	upper.addRange(0x80, 0xff)
	cont.addRange(0x80, 0xbf)
	next := out
	for range 3 {
		more := n.emit(inst{op: opByte, arg: n.set(cont), out: next})
		next = n.emit(inst{op: opAlt, out: out, alt: more})
	}
	return n.emit(inst{op: opByte, arg: n.set(upper), out: next})
}

func lowerByte(b byte) byte {
	if 'A' <= b && b <= 'Z' {
		return b + 'a' - 'A'
	}
	return b
}

// addWords adds a list of words that match anywhere, ASCII case ignored.
func (n *nfa) addWords(words []string, d *dialect, pattern int32) {
	n.dialects = append(n.dialects, *d)
	root := n.newNode()
	for _, w := range words {
		at := root
		for i := 0; i < len(w); i++ {
			at = n.child(at, lowerByte(w[i]))
		}
		n.nodes[n.insts[at].arg].match = pattern
	}
	n.starts = append(n.starts, root)
}

func (n *nfa) newNode() int32 {
	n.nodes = append(n.nodes, trieNode{match: -1, dialect: int32(len(n.dialects) - 1)})
	return n.emit(inst{op: opTrie, arg: int32(len(n.nodes) - 1)})
}

func (n *nfa) child(at int32, b byte) int32 {
	node := n.insts[at].arg
	for i, k := range n.nodes[node].keys {
		if k == b {
			return n.nodes[node].outs[i]
		}
	}
	out := n.newNode()
	n.nodes[node].keys = append(n.nodes[node].keys, b)
	n.nodes[node].outs = append(n.nodes[node].outs, out)
	return out
}

// key is the key of a word list that byte b is.
func (d *dialect) key(b byte) byte {
	if d.blunt {
		b = d.image[b]
	}
	return lowerByte(b)
}

// classes partitions the bytes into classes that no instruction tells apart.
func (n *nfa) classes() (of [256]uint8, count int) {
	sets := slices.Clone(n.sets)
	if n.asserts {
		var word, newline byteSet
		for b := range 256 {
			if isWord(byte(b)) {
				word.add(byte(b))
			}
		}
		newline.add('\n')
		sets = append(sets, word, newline)
	}
	for di := range n.dialects {
		d := &n.dialects[di]
		var keys [256]bool
		for i := range n.nodes {
			if int(n.nodes[i].dialect) == di {
				for _, k := range n.nodes[i].keys {
					keys[k] = true
				}
			}
		}
		var byKey [256]byteSet
		for b := range 256 {
			if k := d.key(byte(b)); keys[k] {
				byKey[k].add(byte(b))
			}
		}
		for k := range byKey {
			if keys[k] {
				sets = append(sets, byKey[k])
			}
		}
		sets = append(sets, d.skip)
	}
	ids := map[string]uint8{}
	sig := make([]byte, (len(sets)+7)/8)
	for b := range 256 {
		clear(sig)
		for i := range sets {
			if sets[i].has(byte(b)) {
				sig[i/8] |= 1 << (i % 8)
			}
		}
		id, ok := ids[string(sig)]
		if !ok {
			id = uint8(len(ids))
			ids[string(sig)] = id
		}
		of[b] = id
	}
	return of, len(ids)
}

func isWord(b byte) bool {
	return 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9' || b == '_'
}
