// Package event says what happened: one refusal or one detection, the rules
// that matched, the request with its secrets removed. The wire form between
// edge and console, and every export, are made from [Event].
//
// A [Redactor] takes the secrets out before anything leaves the request.
//
// It decides nothing, stores nothing and opens no connection. It imports no
// other package of Qorgan, so that every room may speak it.
//
// An Event is a plain value: once handed to a recorder it must not be changed.
// All functions are safe for concurrent use.
package event
