package event

import "testing"

func TestParseCode(t *testing.T) {
	id, code := NewID()
	if len(id) != 36 || len(code) != 9 {
		t.Fatalf("NewID() = %q, %q", id, code)
	}
	for _, tc := range []struct {
		in, want string
		ok       bool
	}{
		{code, code, true},
		{"7kq2m9xd", "7KQ2-M9XD", true},
		{" 7kq2 m9xd ", "7KQ2-M9XD", true},
		{"OIL2-M9XD", "0112-M9XD", true},
		{"7KQ2-M9X", "", false},
		{"7KQ2-M9XU", "", false},
		{"", "", false},
	} {
		got, ok := ParseCode(tc.in)
		if got != tc.want || ok != tc.ok {
			t.Errorf("ParseCode(%q) = %q, %v; want %q, %v", tc.in, got, ok, tc.want, tc.ok)
		}
	}
}
