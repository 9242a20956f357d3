// Package replay tries a site's rules on requests that were sent before: a
// corpus of JSON lines, a HAR file from a browser, or a web server's access log.
// [Read] yields the requests, [Run] judges them offline, [Report.Write] prints
// what would have been refused and why, gathered by rule, path and parameter.
//
// It sends nothing, records no event, and knows only what the file holds: an
// access log has no bodies and few headers, so its verdicts are on the address,
// the Referer and the User-Agent alone.
//
// Run judges on several goroutines and waits for them. A Report belongs to its
// caller.
package replay
