package mistake

import (
	"errors"
	"testing"

	"github.com/qorgan/qorgan/config"
)

func TestPermitted(t *testing.T) {
	good := func() config.Exclusion {
		return config.Exclusion{Rules: one(933150), Methods: []string{"POST"}, Path: "/contact/", Targets: []string{"ARGS:fld_7"}}
	}
	if err := Permitted(good()); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		change func(*config.Exclusion)
		want   string
	}{
		{"the inbound verdict", func(x *config.Exclusion) { x.Rules = one(949110) }, "verdict"},
		{"the outbound verdict", func(x *config.Exclusion) { x.Rules = one(959100) }, "verdict"},
		{"the report", func(x *config.Exclusion) { x.Rules = one(980170) }, "verdict"},
		{"the initialisation", func(x *config.Exclusion) { x.Rules = one(901340) }, "verdict"},
		{"the set-up", func(x *config.Exclusion) { x.Rules = one(900990) }, "verdict"},
		{"our own set-up", func(x *config.Exclusion) { x.Rules = one(99000) }, "verdict"},
		{"the verdict beside others", func(x *config.Exclusion) { x.Rules = append(one(933150), one(949110)...) }, "verdict"},
		{"a range around the verdict", func(x *config.Exclusion) { x.Rules = []config.RuleRange{{First: 941000, Last: 960000}} }, "verdict"},
		{"a range", func(x *config.Exclusion) { x.Rules = []config.RuleRange{{First: 941000, Last: 941999}} }, "everything"},
		{"a patch", func(x *config.Exclusion) { x.Rules = one(2100013) }, "patch"},
		{"no rule", func(x *config.Exclusion) { x.Rules = nil }, "malformed"},
		{"no path", func(x *config.Exclusion) { x.Path = "" }, "everything"},
		{"every path", func(x *config.Exclusion) { x.Path = "/**" }, "everything"},
		{"all below a path", func(x *config.Exclusion) { x.Path = "/shop/**" }, "everything"},
		{"any segment", func(x *config.Exclusion) { x.Path = "/shop/*/x" }, "everything"},
		{"no method", func(x *config.Exclusion) { x.Methods = nil }, "everything"},
		{"no place", func(x *config.Exclusion) { x.Targets = nil }, "everything"},
		{"every parameter", func(x *config.Exclusion) { x.Targets = []string{"ARGS"} }, "everything"},
		{"every cookie", func(x *config.Exclusion) { x.Targets = []string{"ARGS:a", "REQUEST_COOKIES"} }, "everything"},
		{"every name", func(x *config.Exclusion) { x.Targets = []string{"ARGS:/.*/"} }, "everything"},
		{"the whole body", func(x *config.Exclusion) { x.Targets = []string{"REQUEST_BODY"} }, "everything"},
		{"the score itself", func(x *config.Exclusion) { x.Targets = []string{"TX:blocking_inbound_anomaly_score"} }, "everything"},
	} {
		x := good()
		c.change(&x)
		var no *NotPermitted
		if err := Permitted(x); !errors.As(err, &no) || no.Name != c.want || no.Detail == "" {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
}

func one(id int) []config.RuleRange { return []config.RuleRange{{First: id, Last: id}} }
