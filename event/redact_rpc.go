package event

import "strings"

// XML-RPC calls carry the password by position: wp.getUsersBlogs as the
// second parameter, most others as the third, blogger.* as the fourth
// (WordPress, class-wp-xmlrpc-server.php).

// rpcCredential reports whether a parameter named after its position in an
// XML-RPC call, "xmlrpc.params.1" or "xmlrpc.params.0.4.params.2", may be a
// password.
func rpcCredential(key string) bool {
	if !strings.HasPrefix(key, "xmlrpc.") {
		return false
	}
	i := strings.LastIndex(key, "params.")
	if i < 0 {
		return false
	}
	switch key[i+len("params."):] {
	case "1", "2", "3":
		return true
	}
	return false
}

// rpcText reports whether s is the text of an XML-RPC call, its tags gone.
func rpcText(s string) bool {
	s = strings.TrimSpace(s)
	for _, prefix := range []string{"wp.", "metaWeblog.", "blogger.", "mt.", "system.multicall"} {
		if strings.HasPrefix(s, prefix) {
			return true
		}
	}
	return false
}

// findRPC returns the short strings of an XML-RPC call: any of them may be
// the password.
func findRPC(s string) []span {
	if !strings.Contains(s, "<methodCall") && !strings.Contains(s, "<methodName") {
		return nil
	}
	var spans []span
	for from := 0; ; {
		i := strings.Index(s[from:], "<value")
		if i < 0 {
			return spans
		}
		from += i + len("<value")
		end := strings.IndexByte(s[from:], '>')
		if end < 0 {
			return spans
		}
		a, b := element(s, from+end)
		if b > a && b-a <= 256 && strings.TrimSpace(s[a:b]) != "" {
			spans = append(spans, span{a, b, s[a:b], rankNamed})
		}
	}
}
