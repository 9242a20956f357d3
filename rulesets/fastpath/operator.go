package fastpath

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/corazawaf/libinjection-go"
)

// test is an operator with its argument. Several rules share one.
type test struct {
	op      string
	pattern *pattern // @rx, @pm, @pmFromFile
	arg     macro
	nets    []net.IPNet
	bytes   [256]bool // @validateByteRange: the bytes allowed
	unknown string    // why it is not understood: it may always match
	memo    int       // place of its outcome in text.known, counted from 1
}

const memos = 2

// searched reports whether the operator looks for its pattern anywhere in a
// value, so that the union automaton can look for it.
func (t *test) searched() bool { return t.pattern != nil }

// compileTest returns the test of a link. What it does not understand it
// returns as a test that may always match.
func (c *compiler) compileTest(l *link, consts txState) *test {
	key := l.op + "\x00" + l.arg
	t := &test{op: l.op}
	var err error
	switch l.op {
	case "rx":
		t.pattern, err = c.regexpPattern(l.arg)
	case "pm":
		t.pattern, err = c.wordsPattern(key, strings.Split(strings.ToLower(l.arg), " "))
	case "pmfromfile", "pmf":
		var words []string
		if words, err = c.readWords(l.arg); err == nil {
			t.pattern, err = c.wordsPattern(key, words)
		}
	case "within", "eq", "ge", "gt", "le", "lt", "streq", "contains", "beginswith", "endswith":
		if l.arg == "" {
			err = errors.New("the operator has no argument")
			break
		}
		if t.arg, err = parseMacro(l.arg); err != nil {
			break
		}
		t.arg = t.arg.fold(consts)
		if arg, ok := t.arg.constant(); ok && l.op == "contains" && plainText(arg) {
			t.pattern, err = c.regexpPattern(regexp.QuoteMeta(arg))
		}
	case "ipmatch":
		t.nets = parseNets(l.arg)
	case "validatebyterange":
		err = t.setRange(l.arg)
	case "detectsqli":
		t.memo = 1
	case "detectxss":
		t.memo = 2
	case "validateutf8encoding", "validateurlencoding", "unconditionalmatch", "nomatch":
	default:
		err = fmt.Errorf("the operator @%s is not known", l.op)
	}
	if err != nil {
		t.unknown = err.Error()
	}
	return t
}

// plainText reports whether an expression for exactly this text finds it in the
// same values as comparing bytes does.
func plainText(s string) bool {
	return s != "" && utf8.ValidString(s) && !strings.ContainsRune(s, utf8.RuneError)
}

func parseNets(arg string) []net.IPNet {
	var out []net.IPNet
	for _, s := range strings.Split(arg, ",") {
		s = strings.TrimSpace(s)
		if !strings.Contains(s, "/") {
			switch {
			case strings.Contains(s, ":"):
				s += "/128"
			case strings.Contains(s, "."):
				s += "/32"
			}
		}
		if _, n, err := net.ParseCIDR(s); err == nil {
			out = append(out, *n)
		}
	}
	return out
}

func (t *test) setRange(arg string) error {
	if arg == "" {
		t.op = "unconditionalmatch"
		return nil
	}
	for _, s := range strings.Split(arg, ",") {
		from, to, ok := strings.Cut(strings.TrimSpace(s), "-")
		if !ok {
			to = from
		}
		a, err := strconv.Atoi(from)
		if err != nil {
			return fmt.Errorf("read byte range: %w", err)
		}
		b, err := strconv.Atoi(to)
		if err != nil {
			return fmt.Errorf("read byte range: %w", err)
		}
		if a < 0 || b > 255 {
			return fmt.Errorf("read byte range %q", s)
		}
		for i := a; i <= b; i++ {
			t.bytes[i] = true
		}
	}
	return nil
}

func (c *compiler) readWords(name string) ([]string, error) {
	if c.opt.ReadFile == nil {
		return nil, errors.New("no file can be read")
	}
	data, err := c.opt.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("read word list: %w", err)
	}
	var words []string
	for sc := bufio.NewScanner(bytes.NewReader(data)); sc.Scan(); {
		if w := strings.TrimSpace(sc.Text()); w != "" && w[0] != '#' {
			words = append(words, strings.ToLower(w))
		}
	}
	return words, nil
}

// eval reports whether the operator, before any negation, may match s, the
// value after all transformations. sure is false when it might also not.
func (t *test) eval(s string, x *expansion, budget *int) (match, sure bool) {
	if t.unknown != "" {
		return true, false
	}
	if t.pattern != nil {
		isASCII := ascii(s)
		return t.pattern.match(s, isASCII, isASCII || utf8.ValidString(s), budget), true
	}
	switch t.op {
	case "unconditionalmatch":
		return true, true
	case "nomatch":
		return false, true
	case "detectsqli":
		m, _ := libinjection.IsSQLi(s)
		return m, true
	case "detectxss":
		return isXSS(s), true
	case "validateutf8encoding":
		return !utf8.ValidString(s), true
	case "validateurlencoding":
		return badURLEncoding(s), true
	case "validatebyterange":
		for i := 0; i < len(s); i++ {
			if !t.bytes[s[i]] {
				return true, true
			}
		}
		return false, true
	case "ipmatch":
		ip := net.ParseIP(s)
		for i := range t.nets {
			if t.nets[i].Contains(ip) {
				return true, true
			}
		}
		return false, true
	}
	arg, ok := t.arg.expand(x)
	if !ok {
		return true, false
	}
	switch t.op {
	case "within":
		return strings.Contains(arg, s), true
	case "streq":
		return arg == s, true
	case "contains":
		return strings.Contains(s, arg), true
	case "beginswith":
		return strings.HasPrefix(s, arg), true
	case "endswith":
		return strings.HasSuffix(s, arg), true
	}
	have, _ := strconv.Atoi(s)
	want, _ := strconv.Atoi(arg)
	switch t.op {
	case "eq":
		return have == want, true
	case "ge":
		return have >= want, true
	case "gt":
		return have > want, true
	case "le":
		return have <= want, true
	case "lt":
		return have < want, true
	}
	return true, false
}

func badURLEncoding(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			continue
		}
		if _, ok := hexPair(s, i+1); !ok {
			return true
		}
		i += 2
	}
	return false
}
