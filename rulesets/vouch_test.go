package rulesets

import (
	"testing"

	"github.com/qorgan/qorgan/rulesets/reader"
)

func TestRPCCredentials(t *testing.T) {
	call := func(pairs ...string) []reader.Arg {
		var args []reader.Arg
		for i := 0; i < len(pairs); i += 2 {
			args = append(args, reader.Arg{Name: pairs[i], Value: pairs[i+1]})
		}
		return args
	}
	for _, tc := range []struct {
		name           string
		args           []reader.Arg
		user, password string
		ok             bool
	}{
		{"a post", call("xmlrpc.method", "wp.newPost", "xmlrpc.params.0", "1", "xmlrpc.params.1", "ed", "xmlrpc.params.2", "pw"), "ed", "pw", true},
		{"an app finding its blogs", call("xmlrpc.method", "wp.getUsersBlogs", "xmlrpc.params.0", "ed", "xmlrpc.params.1", "pw"), "ed", "pw", true},
		{"a pingback", call("xmlrpc.method", "pingback.ping", "xmlrpc.params.0", "a", "xmlrpc.params.1", "b", "xmlrpc.params.2", "c"), "", "", false},
		{"no password", call("xmlrpc.method", "wp.newPost", "xmlrpc.params.0", "1", "xmlrpc.params.1", "ed"), "", "", false},
		{"many calls of one person", call("xmlrpc.method", "system.multicall",
			"xmlrpc.params.0.0.methodName", "wp.getPosts", "xmlrpc.params.0.0.params.1", "ed", "xmlrpc.params.0.0.params.2", "pw",
			"xmlrpc.params.0.1.methodName", "wp.newPost", "xmlrpc.params.0.1.params.1", "ed", "xmlrpc.params.0.1.params.2", "pw"), "ed", "pw", true},
		{"a call of another person among them", call("xmlrpc.method", "system.multicall",
			"xmlrpc.params.0.0.methodName", "wp.getPosts", "xmlrpc.params.0.0.params.1", "ed", "xmlrpc.params.0.0.params.2", "pw",
			"xmlrpc.params.0.1.methodName", "wp.newPost", "xmlrpc.params.0.1.params.1", "ed", "xmlrpc.params.0.1.params.2", "guess"), "", "", false},
		{"a call of nobody among them", call("xmlrpc.method", "system.multicall",
			"xmlrpc.params.0.0.methodName", "wp.getPosts", "xmlrpc.params.0.0.params.1", "ed", "xmlrpc.params.0.0.params.2", "pw",
			"xmlrpc.params.0.1.methodName", "pingback.ping", "xmlrpc.params.0.1.params.1", "ed", "xmlrpc.params.0.1.params.2", "pw"), "", "", false},
	} {
		user, password, ok := rpcCredentials(tc.args)
		if ok != tc.ok || ok && (user != tc.user || password != tc.password) {
			t.Errorf("%s: %q, %q, %v", tc.name, user, password, ok)
		}
	}
}
