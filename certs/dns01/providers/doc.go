// Package providers opens a provider of DNS-01 records by its name and its
// settings: those of package dns01, and a dozen services through lego, whose
// packages are imported one by one. A service whose package brings its own
// library along (Route 53, Yandex Cloud) is not among them; exec and webhook
// reach those.
//
// It contacts nobody. What it opens is safe for concurrent use.
package providers
