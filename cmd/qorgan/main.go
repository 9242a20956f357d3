package main

import (
	"os"

	"github.com/alecthomas/kong"
)

func main() { os.Exit(run(os.Args[1:])) }

// run is the whole program; it returns the exit code.
func run(args []string) int {
	var c commands
	p := newProcess()
	k := kong.Must(&c,
		kong.Name("qorgan"),
		kong.Description("A web application firewall in front of small CMS sites."),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}), kong.Writers(p.out, p.err),
		kong.Vars(helpVars()),
		kong.Bind(p))
	ctx, err := k.Parse(args)
	if err != nil {
		return p.fail(usage(err))
	}
	return p.fail(ctx.Run())
}
