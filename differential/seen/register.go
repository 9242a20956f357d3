package seen

import (
	"fmt"
	"math"
	"sort"
	"strconv"
	"strings"

	"github.com/qorgan/qorgan/rulesets/reader"
)

// array is a PHP array as far as request variables make them: strings and
// arrays by key.
type array struct {
	values map[string]any // string or *array
	next   int            // math.MinInt until there is an index
}

func newArray() *array { return &array{values: map[string]any{}, next: math.MinInt} }

// set stores a value under a key; an empty key without name is the next index.
func (a *array) set(key string, push bool, v any) {
	if push {
		key = "0"
		if a.next != math.MinInt {
			key = strconv.Itoa(a.next)
		}
	}
	if n, err := strconv.Atoi(key); err == nil && strconv.Itoa(n) == key && n >= a.next {
		a.next = n + 1
	}
	a.values[key] = v
}

// register stores an argument as PHP registers a variable of that name. With
// first, a plain name that is there already keeps its value, as for cookies.
func (a *array) register(name, value string, first bool) {
	full, base := reader.PHPName(name)
	if base == "" {
		return
	}
	keys := []string{base}
	for rest := full[len(base):]; rest != ""; {
		end := strings.IndexByte(rest, ']')
		keys = append(keys, rest[1:end])
		rest = rest[end+1:]
	}
	if len(keys) > 65 { // max_input_nesting_level
		delete(a.values, base)
		return
	}
	at := a
	for i, key := range keys {
		push := i > 0 && key == ""
		if i == len(keys)-1 {
			if _, ok := at.values[key]; ok && first && !push {
				return
			}
			at.set(key, push, value)
			return
		}
		child, ok := at.values[key].(*array)
		if !ok || push {
			child = newArray()
			at.set(key, push, child)
		}
		at = child
	}
}

// leaves lists the array's strings with their keys, sorted.
func (a *array) leaves() []string {
	var out []string
	var walk func(a *array, prefix string)
	walk = func(a *array, prefix string) {
		for k, v := range a.values {
			at := prefix + "[" + strconv.Quote(k) + "]"
			switch v := v.(type) {
			case string:
				out = append(out, at+"="+strconv.Quote(v))
			case *array:
				walk(v, at)
			}
		}
	}
	walk(a, "")
	sort.Strings(out)
	return out
}

// render lists PHP's leaves in the same form.
func render(leaves []Leaf, convert func(string) string) []string {
	out := make([]string, 0, len(leaves))
	for _, l := range leaves {
		var b strings.Builder
		for _, k := range l.Keys {
			fmt.Fprintf(&b, "[%s]", strconv.Quote(convert(string(k))))
		}
		out = append(out, b.String()+"="+strconv.Quote(convert(string(l.Value))))
	}
	sort.Strings(out)
	return out
}
