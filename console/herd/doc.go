// Package herd decides who is refused by whom: given what is known of a
// network, what its edges should do about it. It is arithmetic alone: it keeps
// nothing, asks nobody and reads no clock, so that a simulator can try it.
//
// What attacks a tenant is refused at that tenant's own edges. What attacks
// several tenants of several branches is refused everywhere. A report weighs
// what its tenant's reports of the past were worth: the part of them that
// others saw too. Networks with many people behind them are never refused, only
// judged more strictly.
//
// All functions are safe for concurrent use.
package herd
