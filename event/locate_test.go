package event

import "testing"

func TestLocate(t *testing.T) {
	for _, tc := range []struct{ text, part, want string }{
		{"/?id=1'+UNION+SELECT+2", "union select", "UNION+SELECT"},
		{"/?q=%3CScript%3Ealert(1)", "<script>", "%3CScript%3E"},
		{"/?q=%253Cscript%253E", "<script>", "%253Cscript%253E"},
		{"/?q=қорған", "қорған", "қорған"},
		{"/?q=1", "2", ""},
		{"/?q=1", "", ""},
	} {
		from, to, ok := Locate(tc.text, tc.part)
		if got := tc.text[from:to]; got != tc.want || ok != (tc.want != "") {
			t.Errorf("Locate(%q, %q) = %q, %v; want %q", tc.text, tc.part, got, ok, tc.want)
		}
	}
}
