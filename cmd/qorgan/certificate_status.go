package main

import (
	"cmp"
	"context"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/qorgan/qorgan/certs"
	"github.com/qorgan/qorgan/console"
	"github.com/qorgan/qorgan/proxy/upstream"
)

// certificates returns the state of every name's certificate, those that need
// somebody first, then by their end.
func (e *edge) certificates() []certs.Status {
	var list []certs.Status
	if e.acme != nil {
		list = e.acme.Status()
	}
	if e.files != nil {
		list = append(list, e.files.Status()...)
	}
	slices.SortStableFunc(list, func(a, b certs.Status) int {
		return cmp.Or(cmp.Compare(certificateNeed(b.State), certificateNeed(a.State)), a.NotAfter.Compare(b.NotAfter))
	})
	return list
}

// forConsole are certificates in the console's words.
func (e *edge) forConsole() console.Certificates {
	var c console.Certificates
	for _, s := range e.certificates() {
		c.Names = append(c.Names, console.Certificate{
			Name: s.Name, State: string(s.State), Cause: string(s.Cause), Error: s.Error, NotAfter: s.NotAfter, Next: s.Next, File: s.File,
		})
	}
	for _, u := range e.upstreamCertificates() {
		c.Names = append(c.Names, console.Certificate{
			Name: u.Upstream, State: string(u.State), Cause: u.Cause, Error: u.Error, NotAfter: u.NotAfter, Upstream: true,
		})
	}
	if e.acme != nil {
		q := e.acme.Queue(context.Background())
		c.Waiting, c.Last = q.Length, q.Last
	}
	return c
}

// upstreamCertificates are those of servers behind the edge, those that need
// somebody first, then by their end.
func (e *edge) upstreamCertificates() []upstream.Certificate {
	list := e.server.UpstreamCertificates()
	slices.SortStableFunc(list, func(a, b upstream.Certificate) int {
		return cmp.Or(cmp.Compare(certificateNeed(certs.State(b.State)), certificateNeed(certs.State(a.State))), a.NotAfter.Compare(b.NotAfter))
	})
	return list
}

// certificateMetrics shows the states of certificates. Names are a label of the
// most urgent ones only.
type certificateMetrics struct{ *edge }

// shownNames bounds the names that metrics tell of.
const shownNames = 100

var (
	certificateStates = prometheus.NewDesc("qorgan_certificates", "Names by the state of their certificate.", []string{"state"}, nil)
	certificateExpiry = prometheus.NewDesc("qorgan_certificate_expiry_timestamp_seconds",
		"End of a certificate, of the hundred names that need somebody most or end soonest.", []string{"name"}, nil)
	certificateNext = prometheus.NewDesc("qorgan_certificate_next_attempt_timestamp_seconds",
		"Next renewal or attempt, of the same names.", []string{"name"}, nil)
	certificateFailure = prometheus.NewDesc("qorgan_certificate_failure", "1 while the last attempt failed, of the same names.", []string{"name", "cause"}, nil)
	certificateQueue   = prometheus.NewDesc("qorgan_certificate_queue", "Names that wait for their first order.", nil, nil)
	upstreamStates     = prometheus.NewDesc("qorgan_upstream_certificates", "Upstreams that are spoken to over TLS, by the state of their certificate.", []string{"state"}, nil)
	upstreamExpiry     = prometheus.NewDesc("qorgan_upstream_certificate_expiry_timestamp_seconds",
		"End of an upstream's certificate, of the hundred upstreams that need somebody most or end soonest.", []string{"upstream"}, nil)
	certificateLast = prometheus.NewDesc("qorgan_certificate_queue_last_timestamp_seconds", "When the last of them will be ordered for; 0 without any.", nil, nil)
)

// Describe names the metrics.
func (certificateMetrics) Describe(c chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{certificateStates, certificateExpiry, certificateNext, certificateFailure, certificateQueue, certificateLast, upstreamStates, upstreamExpiry} {
		c <- d
	}
}

// Collect reads them.
func (m certificateMetrics) Collect(c chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		c <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	count := map[certs.State]int{certs.Valid: 0, certs.Late: 0, certs.Expired: 0, certs.Waiting: 0, certs.Failed: 0, certs.Refused: 0}
	seen := map[string]bool{}
	for _, s := range m.certificates() {
		count[s.State]++
		if seen[s.Name] || len(seen) == shownNames {
			continue
		}
		seen[s.Name] = true
		if !s.NotAfter.IsZero() {
			gauge(certificateExpiry, float64(s.NotAfter.Unix()), s.Name)
		}
		if !s.Next.IsZero() {
			gauge(certificateNext, float64(s.Next.Unix()), s.Name)
		}
		if s.Cause != "" {
			gauge(certificateFailure, 1, s.Name, string(s.Cause))
		}
	}
	for state, n := range count {
		gauge(certificateStates, float64(n), string(state))
	}
	m.collectUpstreams(gauge)
	q := certs.Queue{}
	if m.acme != nil {
		q = m.acme.Queue(context.Background())
	}
	gauge(certificateQueue, float64(q.Length))
	last := 0.0
	if !q.Last.IsZero() {
		last = float64(q.Last.Unix())
	}
	gauge(certificateLast, last)
}

func (m certificateMetrics) collectUpstreams(gauge func(d *prometheus.Desc, v float64, labels ...string)) {
	count := map[upstream.CertificateState]int{upstream.CertificateGood: 0, upstream.CertificateLate: 0, upstream.CertificateExpired: 0, upstream.CertificateBad: 0}
	for i, u := range m.upstreamCertificates() {
		count[u.State]++
		if i < shownNames {
			gauge(upstreamExpiry, float64(u.NotAfter.Unix()), u.Upstream)
		}
	}
	for state, n := range count {
		gauge(upstreamStates, float64(n), string(state))
	}
}
