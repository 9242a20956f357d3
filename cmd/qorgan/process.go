package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/alecthomas/kong"
	"github.com/rs/zerolog"
	"golang.org/x/term"

	"github.com/qorgan/qorgan/config"
	"github.com/qorgan/qorgan/event"
)

// process is what every command gets of the world around it.
type process struct {
	in       io.Reader
	out, err io.Writer
	terminal bool // err is a terminal
}

func newProcess() *process {
	return &process{in: os.Stdin, out: os.Stdout, err: os.Stderr, terminal: term.IsTerminal(int(os.Stderr.Fd()))}
}

// logger returns the process log: JSON lines, or words on a terminal. flush
// must be called when nothing logs any more.
func (p *process) logger(c config.Log) (log zerolog.Logger, flush func()) {
	level, err := zerolog.ParseLevel(c.Level)
	if err != nil {
		level = zerolog.InfoLevel
	}
	var out io.Writer = event.ControlEscaper{Writer: p.err}
	flush = func() {}
	if !p.terminal {
		lines := newLogBuffer(out)
		out, flush = lines, lines.close
	}
	w := out
	if c.Format == "console" || c.Format == "" && p.terminal {
		w = zerolog.ConsoleWriter{Out: out, TimeFormat: time.TimeOnly, NoColor: !p.terminal, FormatPrepare: plainMessage}
	}
	return zerolog.New(w).Level(level).With().Timestamp().Logger(), flush
}

// plainMessage quotes a message that holds control characters: the console
// form quotes only the fields.
func plainMessage(line map[string]any) error {
	message, _ := line[zerolog.MessageFieldName].(string)
	if strings.ContainsFunc(message, unicode.IsControl) {
		line[zerolog.MessageFieldName] = strconv.Quote(message)
	}
	return nil
}

// The exit codes of every command.
const (
	exitMistake = 1 // the command did not do what was asked
	exitUsage   = 2 // the command line makes no sense
)

// fail prints err with its hint and returns the exit code; 0 for no error.
func (p *process) fail(err error) int {
	if err == nil {
		return 0
	}
	all := causes(err)
	for _, cause := range all {
		fmt.Fprintln(p.err, line(cause))
	}
	if len(all) > 1 {
		fmt.Fprintf(p.err, "%d mistakes\n", len(all))
	}
	var h *hinted
	if errors.As(err, &h) {
		fmt.Fprintf(p.err, "Try: %s\n", h.hint)
		if h.usage {
			return exitUsage
		}
	}
	return exitMistake
}

// line is what a person reads of one error: mistakes of the configuration begin
// with their place, everything else with the program's name.
func line(err error) string {
	if m, ok := err.(*config.Error); ok {
		return m.Error()
	}
	return "qorgan: " + err.Error()
}

// causes takes joined errors apart: the mistakes of the configuration in the
// order of the files, then the rest.
func causes(err error) []error {
	var mistakes, rest []error
	for _, m := range config.Mistakes(err) {
		mistakes = append(mistakes, m)
	}
	var walk func(error)
	walk = func(err error) {
		if joined, ok := err.(interface{ Unwrap() []error }); ok {
			for _, e := range joined.Unwrap() {
				walk(e)
			}
			return
		}
		if len(config.Mistakes(err)) == 0 {
			rest = append(rest, err)
		}
	}
	walk(err)
	return append(mistakes, rest...)
}

// hinted is an error that somebody at a shell can act on.
type hinted struct {
	err   error
	hint  string
	usage bool
}

func (h *hinted) Error() string { return h.err.Error() }
func (h *hinted) Unwrap() error { return h.err }

// withHint adds what to try to err.
func withHint(err error, format string, args ...any) error {
	return &hinted{err: err, hint: fmt.Sprintf(format, args...)}
}

// usage makes an error of the command line's parser one that says where help
// is.
func usage(err error) error {
	command := "qorgan"
	var parse *kong.ParseError
	if errors.As(err, &parse) && parse.Context != nil {
		command = strings.Join(append([]string{command}, strings.Fields(parse.Context.Command())...), " ")
	}
	return &hinted{err: err, hint: command + " --help", usage: true}
}
