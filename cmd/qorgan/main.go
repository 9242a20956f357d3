package main

import (
	"os"

	"github.com/alecthomas/kong"
)

// commands is what `qorgan --help` lists.
type commands struct {
	Run     runCmd     `cmd:"" help:"Stand in front of one site or many."`
	Console consoleCmd `cmd:"" help:"Run the console alone."`
	Demo    demoCmd    `cmd:"" help:"Show the whole on this machine, in front of a small built-in shop."`
	Check   checkCmd   `cmd:"" help:"Build everything a start would build, and say every mistake."`
	Explain explainCmd `cmd:"" help:"Say in plain words what the rules think of one request."`
	Replay  replayCmd  `cmd:"" help:"Say which requests of the past the rules would refuse."`
	Patch   patchCmd   `cmd:"" help:"Virtual patches: what is closed, and one more."`
	Certs   certsCmd   `cmd:"" help:"Look after certificates of public authorities."`
	Trust   trustCmd   `cmd:"" help:"Have this machine believe the edge's local authority."`
	Events  eventsCmd  `cmd:"" help:"Print what was recorded."`
	Link    linkCmd    `cmd:"" help:"Print a link that signs in to the console, once."`
	Health  healthCmd  `cmd:"" help:"Ask a running edge whether it takes requests."`
	Version versionCmd `cmd:"" help:"Say which build this is."`
}

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
