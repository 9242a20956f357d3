// Package e2e drives a real WordPress through a real edge with a real browser:
// what visitors, writers, owners and machines do every day must work, and what
// attackers do must not.
//
// The parts come from Debian's packages (see wordpress.Packages, chromium).
// Where one is missing the tests skip with a word why, and fail when CI is set.
// The tests share one WordPress and one edge a paranoia level; they run one
// after another.
package e2e
