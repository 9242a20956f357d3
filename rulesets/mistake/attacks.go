package mistake

import (
	_ "embed" // the corpora
	"fmt"
	"strconv"
	"strings"

	"github.com/qorgan/qorgan/event"
)

//go:embed data/attacks.txt
var attackText string

//go:embed data/files.txt
var fileText string

//go:embed data/agents.txt
var agentText string

// Attack is a value that must not come in.
type Attack struct {
	Class event.Class `json:"class"`
	Value string      `json:"value"`
}

// corpora are the attacks by what they are tried in.
type corpora struct {
	values []Attack // of a parameter, a cookie, a header
	files  []Attack // names of uploaded files
	agents []Attack // of User-Agent, beside values
}

func readCorpora() (corpora, error) {
	var c corpora
	for _, part := range []struct {
		text string
		into *[]Attack
	}{{attackText, &c.values}, {fileText, &c.files}, {agentText, &c.agents}} {
		list, err := readAttacks(part.text)
		if err != nil {
			return corpora{}, err
		}
		*part.into = list
	}
	return c, nil
}

// readAttacks reads a corpus: a class, a tab, a value, which may be a quoted Go
// string.
func readAttacks(text string) ([]Attack, error) {
	var list []Attack
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSuffix(line, "\n")
		if line == "" || line[0] == '#' {
			continue
		}
		class, value, ok := strings.Cut(line, "\t")
		if !ok || value == "" {
			return nil, fmt.Errorf("attack on line %d: write a class, a tab, a value", n)
		}
		if unquoted, err := strconv.Unquote(value); err == nil && value[0] == '"' {
			value = unquoted
		}
		list = append(list, Attack{event.Class(class), value})
	}
	return list, nil
}

// sample returns the first few attacks of each class.
func sample(list []Attack, each int) []Attack {
	var out []Attack
	seen := map[event.Class]int{}
	for _, a := range list {
		if seen[a.Class]++; seen[a.Class] <= each {
			out = append(out, a)
		}
	}
	return out
}
