package main

// commands is what `qorgan --help` lists.
type commands struct {
	Run        runCmd        `cmd:"" help:"Stand in front of one site or many."`
	Console    consoleCmd    `cmd:"" help:"Run the console alone."`
	Demo       demoCmd       `cmd:"" help:"Show the whole on this machine, in front of a small built-in shop."`
	Check      checkCmd      `cmd:"" help:"Build everything a start would build, and say every mistake."`
	Explain    explainCmd    `cmd:"" help:"Say in plain words what the rules think of one request."`
	Replay     replayCmd     `cmd:"" help:"Say which requests of the past the rules would refuse."`
	Exclusions exclusionsCmd `cmd:"" help:"Let requests pass that were refused by mistake, and take that back."`
	Patch      patchCmd      `cmd:"" help:"Virtual patches: what is closed, and one more."`
	Certs      certsCmd      `cmd:"" help:"Look after certificates of public authorities."`
	Trust      trustCmd      `cmd:"" help:"Have this machine believe the edge's local authority."`
	Enroll     enrollCmd     `cmd:"" help:"Have this edge report to a console elsewhere."`
	Edges      edgesCmd      `cmd:"" help:"At a console: the edges that report to it."`
	Erase      eraseCmd      `cmd:"" help:"Erase a person's address from all that is on record."`
	Decisions  decisionsCmd  `cmd:"" help:"At a console: what it has decided for its edges."`
	Events     eventsCmd     `cmd:"" help:"Print what was recorded."`
	People     peopleCmd     `cmd:"" help:"At a console: who may sign in; a way in for whoever is locked out."`
	Link       linkCmd       `cmd:"" help:"Print a link that signs in to the console, once."`
	Health     healthCmd     `cmd:"" help:"Ask a running edge whether it takes requests."`
	Version    versionCmd    `cmd:"" help:"Say which build this is."`
}
