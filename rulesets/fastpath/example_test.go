package fastpath_test

import (
	"fmt"

	"github.com/qorgan/qorgan/rulesets/fastpath"
	"github.com/qorgan/qorgan/rulesets/reader"
)

func ExampleProgram_Judge() {
	directives, err := fastpath.Directives(nil, `SecRule ARGS "@rx (?i)union\s+select" "id:1000,phase:2,deny,log,t:none,t:urlDecodeUni"`)
	if err != nil {
		fmt.Println(err)
		return
	}
	prog, report := fastpath.Compile(directives, fastpath.Options{})
	fmt.Println(report.Detections, len(report.Unknown))

	req := &reader.Request{Method: "GET", Target: "/?q=bread", Proto: "HTTP/1.1", Get: []reader.Arg{{Name: "q", Value: "bread"}}}
	fmt.Println(prog.Judge(&fastpath.Input{Request: req}, nil).Clean)

	req.Get[0].Value = "1 UNION SELECT 2"
	fmt.Println(prog.Judge(&fastpath.Input{Request: req}, nil).Candidates)
	// Output:
	// 1 0
	// true
	// [{1000 ARGS q}]
}
