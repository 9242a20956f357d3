package event

import "testing"

func TestClass(t *testing.T) {
	for _, tc := range []struct {
		name string
		in   Event
		want Class
	}{
		{"tag", Event{Kind: KindRule, Matches: []Match{{Rule: 1, Tags: []string{"OWASP_CRS", "attack-sqli"}}}}, ClassSQL},
		{"number", Event{Kind: KindRule, Matches: []Match{{Rule: 941100}}}, ClassScript},
		{"rules without matches", Event{Kind: KindRule, Rules: []int{932160}}, ClassCommand},
		{"the heaviest", Event{Kind: KindRule, Matches: []Match{{Rule: 930100, Score: 5}, {Rule: 930120, Score: 5}, {Rule: 932160, Score: 5}}}, ClassFile},
		{"the gravest", Event{Kind: KindRule, Matches: []Match{{Rule: 920350}, {Rule: 942100}, {Rule: 913100}}}, ClassSQL},
		{"the verdict's own rule says nothing", Event{Kind: KindRule, Matches: []Match{{Rule: 930120}, {Rule: 949110}}}, ClassFile},
		{"ambiguity", Event{Kind: KindProtocol, Reason: "multipart-epilogue"}, ClassProtocol},
		{"login", Event{Kind: KindGuard, Reason: "login-rate"}, ClassPassword},
		{"ban", Event{Kind: KindGuard, Reason: "ban"}, ClassFlood},
		{"surface", Event{Kind: KindSurface}, ClassSurface},
		{"nothing known", Event{Kind: KindRule}, ClassOther},
	} {
		if got := tc.in.Class(); got != tc.want {
			t.Errorf("%s: %q; want %q", tc.name, got, tc.want)
		}
	}
}
