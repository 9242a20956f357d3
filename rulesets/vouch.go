package rulesets

import (
	"fmt"
	"strings"

	"github.com/qorgan/qorgan/rulesets/reader"
)

// vouched asks who the name and password belong to that an XML-RPC call
// carries in its body, and reports whether the requester's rank rose. It may
// ask the CMS, so it is called only for what would be refused otherwise.
func (c *call) vouched() bool {
	if c.x.Vouch == nil {
		return false
	}
	user, password, ok := rpcCredentials(c.req.Post)
	if !ok {
		return false
	}
	before := c.x.Rank
	c.x.Vouch(user, password)
	return c.x.Rank > before
}

// rpcCredentials finds the name and password of an XML-RPC call, in the places
// where WordPress reads them. A system.multicall has them when each of its
// calls carries the same.
func rpcCredentials(args []reader.Arg) (user, password string, ok bool) {
	values := make(map[string]string, len(args))
	for _, a := range args {
		values[a.Name] = a.Value
	}
	if values["xmlrpc.method"] != "system.multicall" {
		return rpcLogin(values, values["xmlrpc.method"], "xmlrpc.params.")
	}
	for i := 0; ; i++ {
		call := fmt.Sprintf("xmlrpc.params.0.%d.", i)
		method, more := values[call+"methodName"]
		if !more {
			return user, password, ok
		}
		u, p, found := rpcLogin(values, method, call+"params.")
		if !found || i > 0 && (u != user || p != password) {
			return "", "", false
		}
		user, password, ok = u, p, true
	}
}

// rpcLogin reads the name and password of one call: WordPress's methods take a
// blog's id first, all but the one by which an app finds the blogs.
func rpcLogin(values map[string]string, method, params string) (user, password string, ok bool) {
	space, _, _ := strings.Cut(method, ".")
	switch space {
	case "wp", "metaWeblog", "mt", "blogger":
	default:
		return "", "", false
	}
	at := 1
	if method == "wp.getUsersBlogs" {
		at = 0
	}
	user, hasUser := values[fmt.Sprintf("%s%d", params, at)]
	password, hasPassword := values[fmt.Sprintf("%s%d", params, at+1)]
	return user, password, hasUser && hasPassword && user != "" && password != ""
}
