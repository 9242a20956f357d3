package event

import (
	"net/url"
	"strings"
)

// Names of parameters, cookies and headers whose values are secret. The first
// list is looked for anywhere in a name, the second among its words, because
// "pass" also begins "passenger" and "auth" begins "author".
var (
	secretParts = []string{
		"password", "passwd", "passphrase", "passcode", "userpass", "pwd", "parol", "құпия", "құпиясөз", "пароль",
		"token", "secret", "nonce", "session", "sessid", "csrf", "xsrf", "apikey",
		"credential", "authoriz", "authentic", "jwt", "cvv", "cvc2", "cardnumber", "creditcard",
		"privatekey", "accesskey", "signature",
	}
	secretWords = map[string]bool{
		"pass": true, "pass1": true, "pass2": true, "pw": true, "key": true, "auth": true,
		"sid": true, "otp": true, "totp": true, "pin": true, "cvc": true, "pan": true,
		"iin": true, "bin": true, "ssn": true, "sig": true, "hmac": true, "иин": true,
		"бин": true, "жсн": true, "бсн": true,
	}
	// openNames only look secret: attacks are made on them, and what they
	// hold is a name of a column.
	openNames = map[string]bool{"meta_key": true}
)

// SecretName reports whether a parameter, cookie or header of that name
// carries a secret. It reads the name as PHP would (percent-decoded, leading
// spaces dropped, "." and " " as "_", array forms by each of their keys), in
// any case, and also as it stands.
func SecretName(name string) bool {
	if len(name) > 512 {
		name = name[:512]
	}
	for range 3 {
		if secretWord(strings.ToLower(name), words(name)) {
			return true
		}
		decoded, err := url.QueryUnescape(name)
		if err != nil || decoded == name {
			return false
		}
		name = decoded
	}
	return false
}

func secretWord(lower string, words []string) bool {
	if openNames[strings.TrimSpace(lower)] {
		return false
	}
	joined := strings.Join(words, "")
	for _, part := range secretParts {
		if strings.Contains(lower, part) || strings.Contains(joined, part) {
			return true
		}
	}
	for _, word := range words {
		if secretWords[word] {
			return true
		}
	}
	return false
}

// words splits a name at everything that is no letter and no digit, and where
// a capital follows a small letter: "billing[cardPin]" is billing, card, pin.
func words(name string) []string {
	var out []string
	var word strings.Builder
	flush := func() {
		if word.Len() > 0 {
			out = append(out, strings.ToLower(word.String()))
			word.Reset()
		}
	}
	small := false
	for _, c := range name {
		capital := c >= 'A' && c <= 'Z'
		if capital && small {
			flush()
		}
		small = c >= 'a' && c <= 'z'
		if capital || small || c >= '0' && c <= '9' || c > 0x7f {
			word.WriteRune(c)
		} else {
			flush()
		}
	}
	flush()
	return out
}
