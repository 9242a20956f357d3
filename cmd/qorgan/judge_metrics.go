package main

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/qorgan/qorgan/console"
	"github.com/qorgan/qorgan/rulesets"
)

// judgeMetrics shows the judge's figures.
type judgeMetrics struct {
	judge *rulesets.Judge
}

var (
	descJudged = prometheus.NewDesc("qorgan_judgements_total",
		"Judgements, by what was judged (request, response) and by whom (fast: the fast path alone, rules: Coraza).", []string{"of", "by"}, nil)
	descAudited = prometheus.NewDesc("qorgan_fast_path_audits_total",
		"Judgements of the fast path put aside for the rules to repeat, by outcome: same, different, or dropped because the audit was busy.", []string{"of", "outcome"}, nil)
	descOff = prometheus.NewDesc("qorgan_fast_path_off",
		"1 for a profile whose fast path is off because the rules disagreed with it.", []string{"profile"}, nil)
)

// Describe implements prometheus.Collector.
func (m judgeMetrics) Describe(to chan<- *prometheus.Desc) {
	to <- descJudged
	to <- descAudited
	to <- descOff
}

// Collect implements prometheus.Collector.
func (m judgeMetrics) Collect(to chan<- prometheus.Metric) {
	stats := m.judge.Stats()
	count := func(d *prometheus.Desc, n uint64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), labels...)
	}
	for of, c := range map[string]rulesets.Counts{"request": stats.Counts, "response": stats.Responses} {
		count(descJudged, c.Fast, of, "fast")
		count(descJudged, c.Judged, of, "rules")
		count(descAudited, c.Audited-c.Disagreed, of, "same")
		count(descAudited, c.Disagreed, of, "different")
		count(descAudited, c.Unaudited, of, "dropped")
	}
	for _, profile := range m.judge.FastPathOff() {
		to <- prometheus.MustNewConstMetric(descOff, prometheus.GaugeValue, 1, profile)
	}
}

// disputes is what the console shows of profiles whose fast path is off.
func disputes(judge *rulesets.Judge) []console.Dispute {
	var list []console.Dispute
	for _, profile := range judge.FastPathOff() {
		d := console.Dispute{Profile: profile}
		for _, about := range judge.Disputed() {
			if about.Profile == profile {
				d.Rules = append(d.Rules, about.Rule)
				d.Times += int64(about.Times)
			}
		}
		list = append(list, d)
	}
	return list
}
