package proxy

import "testing"

// An address is one host however it is spelt, with and without brackets.
func TestSiteIsFoundByAddress(t *testing.T) {
	for _, pattern := range []string{"2001:db8::1", "[2001:db8::1]", "2001:DB8:0:0::1"} {
		h := hosts{exact: make(map[string]*site), suffix: make(map[string]*site)}
		want := new(site)
		if had := h.add(pattern, want); had != nil {
			t.Fatalf("%s: already taken", pattern)
		}
		for _, authority := range []string{"[2001:db8::1]", "[2001:db8::1]:8080", "[2001:DB8:0:0::1]:80"} {
			if h.find(routingHost(authority)) != want {
				t.Errorf("site %s is not found as %s", pattern, authority)
			}
		}
		for _, authority := range []string{"[2001:db8::2]", "2001", "[", "[]", "", "[2001:db8::1"} {
			if h.find(routingHost(authority)) == want {
				t.Errorf("site %s is found as %q", pattern, authority)
			}
		}
	}
}
