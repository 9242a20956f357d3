// Package profiles knows how the systems that small sites run on are used: for
// each a list of rule exclusions, as narrow as the evidence (path, parameter,
// rule, and who may), and a few rules of its own. The data lies in data/*.yaml
// and data/*.conf; what must pass and what must be refused lies beside it.
//
// It judges nothing and does not know which system a site runs: rulesets
// applies the profile that an exchange names.
//
// A loaded profile is immutable.
package profiles
