package providers

import (
	"fmt"
	"os/exec"
	"slices"
	"strings"

	"github.com/qorgan/qorgan/certs/dns01"
)

// Settings are a provider's own keys and their values.
type Settings map[string]string

// SettingError is a setting that is wrong, missing or unknown, or an unknown
// provider, for which Setting is "provider".
type SettingError struct {
	Setting string
	Message string // what is wrong
	Hint    string // what to write
}

func (e *SettingError) Error() string { return e.Setting + ": " + e.Message }

// setting is one key of a provider.
type setting struct {
	name     string
	example  string // what to write
	optional bool
	secret   bool // its value must appear nowhere
}

// kind is one provider as it is configured.
type kind struct {
	name     string
	settings []setting
	open     func(Settings) (dns01.Provider, error)
}

func key(name, example string) setting { return setting{name: name, example: example} }
func may(name, example string) setting { return setting{name: name, example: example, optional: true} }
func secret(name string) setting {
	return setting{name: name, example: "file:/etc/qorgan/" + name, secret: true}
}
func maySecret(name string) setting { s := secret(name); s.optional = true; return s }

// kinds are all providers, those that need no service first.
func kinds() []kind { return append(own(), services()...) }

// own are those of package dns01.
func own() []kind {
	return []kind{
		{"rfc2136", []setting{key("server", "10.0.0.1:53"), may("key_name", "qorgan."), maySecret("key"), may("algorithm", "hmac-sha256")},
			func(s Settings) (dns01.Provider, error) {
				p := &dns01.RFC2136{Server: s["server"], KeyName: s["key_name"], Key: s["key"], Algorithm: s["algorithm"]}
				if (p.KeyName == "") != (p.Key == "") {
					return nil, &SettingError{"key_name", "a key has a name and a secret", "key_name: qorgan., key: file:/etc/qorgan/key"}
				}
				if err := p.Check(); err != nil {
					return nil, &SettingError{"key", err.Error(), "the secret as tsig-keygen prints it, and algorithm: hmac-sha256"}
				}
				return p, nil
			}},
		{"acmedns", []setting{key("url", "https://auth.acme-dns.io"), key("user", "the username of its registration"), secret("password"), key("subdomain", "the subdomain of its registration")},
			func(s Settings) (dns01.Provider, error) {
				return &dns01.ACMEDNS{URL: s["url"], User: s["user"], Password: s["password"], Subdomain: s["subdomain"]}, address(s, "url")
			}},
		{"exec", []setting{key("program", "/usr/local/bin/dns-record")},
			func(s Settings) (dns01.Provider, error) {
				if _, err := exec.LookPath(s["program"]); err != nil {
					return nil, &SettingError{"program", fmt.Sprintf("%q can not be run: %s", s["program"], reason(err)), "the path of a program this user may run"}
				}
				return &dns01.Exec{Program: s["program"]}, nil
			}},
		{"webhook", []setting{key("url", "https://dns.example.kz/records"), may("user", "qorgan"), maySecret("password"), maySecret("key")},
			func(s Settings) (dns01.Provider, error) {
				return &dns01.Webhook{URL: s["url"], User: s["user"], Password: s["password"], Key: s["key"]}, address(s, "url")
			}},
	}
}

func reason(err error) string {
	_, after, ok := strings.Cut(err.Error(), `": `)
	if !ok {
		return err.Error()
	}
	return after
}

// address checks a setting that is one.
func address(s Settings, name string) error {
	if v := s[name]; !strings.HasPrefix(v, "https://") && !strings.HasPrefix(v, "http://") {
		return &SettingError{name, fmt.Sprintf("%q is no address", v), "https://…"}
	}
	return nil
}

// Names returns the names of all providers.
func Names() (names []string) {
	for _, k := range kinds() {
		names = append(names, k.name)
	}
	return names
}

// Open returns the provider of a name with its settings, and those of their
// values that are secret. What is wrong with them is a [SettingError].
func Open(name string, s Settings) (p dns01.Provider, secrets []string, err error) {
	all := kinds()
	i := slices.IndexFunc(all, func(k kind) bool { return k.name == name })
	if i < 0 {
		return nil, nil, &SettingError{"provider", fmt.Sprintf("%q is no provider known here", name), "one of " + strings.Join(Names(), ", ")}
	}
	k := all[i]
	var keys, needed []string
	for _, x := range k.settings {
		keys = append(keys, x.name)
		if x.secret && s[x.name] != "" {
			secrets = append(secrets, s[x.name])
		}
		if !x.optional {
			needed = append(needed, x.name)
		}
	}
	for given := range s {
		if !slices.Contains(keys, given) {
			return nil, nil, &SettingError{given, fmt.Sprintf("%s has no such key", name), "one of " + strings.Join(keys, ", ")}
		}
	}
	for _, x := range k.settings {
		if !x.optional && s[x.name] == "" {
			return nil, nil, &SettingError{x.name, fmt.Sprintf("%s needs %s", name, strings.Join(needed, ", ")), x.name + ": " + x.example}
		}
	}
	if p, err = k.open(s); err != nil {
		return nil, nil, err
	}
	return p, secrets, nil
}
