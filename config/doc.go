// Package config says what should be: sites, upstreams, modes, limits. It
// parses, fills defaults and validates, and names the file, line and column of
// every mistake together with what to write instead.
//
// It starts nothing, resolves no names and compiles no rules; the parts that
// do are asked by `qorgan check` through their own constructors.
//
// A *Config and everything below it is immutable after Load returns and may be
// shared freely between goroutines.
package config
