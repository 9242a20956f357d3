// Package rulesets decides what may come in: every request of every site is
// judged by Coraza with the OWASP Core Rule Set, the rules of the site's CMS
// profile and the owner's own, and refused when its anomaly score reaches the
// site's threshold or a rule with an explicit deny matched.
//
// One compiled engine serves all sites with the same rules, at every paranoia
// level: what differs a site (level, thresholds, exclusions, limits, mode) is
// data given to each transaction. The rules see the request as it came in: the
// raw target, every header line in order, the body as sent; and what was
// judged is what the upstream receives.
//
// The package forwards nothing and draws no refusal page: the next handler and
// [exchange.Exchange.Refuse] do. It keeps no event: Options.Record takes it.
//
// A *Judge is safe for concurrent use. It starts no goroutine that Close does
// not stop and wait for.
package rulesets
