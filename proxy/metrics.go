package proxy

import (
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/qorgan/qorgan/proxy/capacity"
)

// metrics are counted a request; no label has a value a visitor chooses, and
// none grows with the number of sites.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec // profile, class
	seconds  prometheus.Histogram
	judge    prometheus.Histogram
	upgrades prometheus.Counter
	open     prometheus.Gauge
	failures *prometheus.CounterVec // kind
	nowhere  *siteCounters
	refused  *prometheus.CounterVec // reason
	flying   atomic.Int64
}

// siteCounters are the counters of one profile, one a status class.
type siteCounters struct{ class [6]prometheus.Counter }

// profiles are the values of the profile label; any other counts as "other".
var profiles = [...]string{"auto", "generic", "wordpress", "joomla", "drupal", "bitrix", "opencart"}

var statusClasses = [...]string{"aborted", "1xx", "2xx", "3xx", "4xx", "5xx"}

func newMetrics(r *prometheus.Registry) (*metrics, error) {
	m := &metrics{registry: r}
	m.requests = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "qorgan_requests_total",
		Help: "Requests answered, by the site's profile and the class of the status."}, []string{"profile", "class"})
	m.seconds = prometheus.NewHistogram(prometheus.HistogramOpts{Name: "qorgan_request_seconds",
		Help:    "Seconds from the end of the request's head to the end of the response.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}})
	m.judge = prometheus.NewHistogram(prometheus.HistogramOpts{Name: "qorgan_judge_seconds",
		Help:    "Seconds spent judging a request.",
		Buckets: []float64{.00001, .000025, .00005, .0001, .00025, .0005, .001, .0025, .005, .01, .05, .25}})
	m.upgrades = prometheus.NewCounter(prometheus.CounterOpts{Name: "qorgan_upgrades_total",
		Help: "Connections that became tunnels (WebSocket)."})
	m.open = prometheus.NewGauge(prometheus.GaugeOpts{Name: "qorgan_tunnels",
		Help: "Tunnels open now."})
	m.failures = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "qorgan_upstream_failures_total",
		Help: "Requests the upstream did not answer, or not to the end, by kind."}, []string{"kind"})
	flying := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "qorgan_requests_in_flight",
		Help: "Requests under way now."}, func() float64 { return float64(m.flying.Load()) })
	m.refused = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "qorgan_overload_refused_total",
		Help: "Requests and connections refused because there was no room, by what was full."}, []string{"reason"})
	for _, reason := range overloadReasons {
		m.refused.WithLabelValues(reason)
	}
	for _, c := range []prometheus.Collector{m.requests, m.seconds, m.judge, m.upgrades, m.open, m.failures, flying, m.refused} {
		if err := r.Register(c); err != nil {
			return nil, err
		}
	}
	m.nowhere = m.forProfile("none")
	return m, nil
}

// measure shows what l holds.
func (m *metrics) measure(l *capacity.Capacity) error {
	gauge := func(name, help string, value func() int64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 { return float64(value()) })
	}
	for _, c := range []prometheus.Collector{
		gauge("qorgan_connections", "Connections of visitors open now.", l.Connections),
		gauge("qorgan_bodies_held_bytes", "Bytes of request bodies in memory now.", l.Bodies),
		gauge("qorgan_memory_level", "What is given up for want of memory: 0 nothing, 1 connections kept open, 2 requests with a body, 3 requests.",
			func() int64 { return int64(l.Level()) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "qorgan_connections_shed_total",
			Help: "Connections that waited, closed to make room."}, func() float64 { return float64(l.Shed()) }),
	} {
		if err := m.registry.Register(c); err != nil {
			return err
		}
	}
	return nil
}

// forProfile looks counters up once a site, so that a request need not.
func (m *metrics) forProfile(profile string) *siteCounters {
	label := "other"
	if profile == "none" {
		label = profile
	}
	for _, p := range profiles {
		if p == profile {
			label = p
		}
	}
	c := new(siteCounters)
	for i, class := range statusClasses {
		c.class[i] = m.requests.WithLabelValues(label, class)
	}
	return c
}

func (m *metrics) begin() { m.flying.Add(1) }

func (m *metrics) end(c *call, total time.Duration) {
	m.flying.Add(-1)
	counts := m.nowhere
	if c.site != nil {
		counts = c.site.counts
	}
	class := c.w.status / 100
	if c.aborted || class < 1 || class > 5 {
		class = 0
	}
	counts.class[class].Inc()
	if c.w.status != http.StatusSwitchingProtocols {
		m.seconds.Observe(total.Seconds())
	}
	if c.x.Judge > 0 {
		m.judge.Observe(c.x.Judge.Seconds())
	}
	if c.upstreamKind != "" {
		m.failures.WithLabelValues(c.upstreamKind).Inc()
	}
}

// AdminHandler answers /healthz (the process lives), /readyz (it takes
// requests; 503 while it drains) and /metrics. It belongs on the admin address
// alone, never on a listener visitors reach.
func (s *Server) AdminHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { plainAnswer(w, http.StatusOK, "ok\n") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if s.stopping.Load() || !s.listening() {
			plainAnswer(w, http.StatusServiceUnavailable, "not serving\n")
			return
		}
		plainAnswer(w, http.StatusOK, "ok\n")
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.metrics.registry, promhttp.HandlerOpts{}))
	return mux
}

func (s *Server) listening() bool {
	s.changing.Lock()
	defer s.changing.Unlock()
	return len(s.listeners) > 0
}

func plainAnswer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text))
}
