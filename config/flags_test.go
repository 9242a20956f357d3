package config

import (
	"strings"
	"testing"
)

func TestFlags(t *testing.T) {
	dir := t.TempDir()
	for _, tc := range []struct {
		name  string
		flags Flags
		want  string // the error, its lines joined by |; empty for none
	}{
		{"one site", Flags{Sites: []string{"shop.example.kz"}, To: []string{"http://10.0.0.5"}}, ""},
		{"any host", Flags{To: []string{"http://10.0.0.5"}}, ""},
		{"no upstream", Flags{Sites: []string{"a"}},
			"--to: an upstream is missing. Write: --to http://127.0.0.1:8080, or -c qorgan.yaml, or try `qorgan demo`"},
		{"not a URL", Flags{To: []string{"localhost:8080"}}, `--to: "localhost:8080" is not a URL. Write: --to http://127.0.0.1:8080`},
		{"everything wrong", Flags{Sites: []string{"a:80"}, To: []string{"http://10.0.0.5/x"}, TLS: "of", Mode: "on", Level: 5, Profile: "wp", HTTP: []string{"80"}},
			`--tls: "of" is not known. Write: off` +
				`|--http: "80" is not a listener: host:port is missing. Write: :8443 or 127.0.0.1:8443` +
				`|--site: "a:80" has a port: ports stand in http and https. Write: a` +
				`|--to: the address takes no path, only scheme, host and port. Write: http://10.0.0.5` +
				`|--mode: "on" is not known. Write: block, detect or off` +
				`|--profile: "wp" is not known. Write: auto, generic, wordpress, joomla, drupal, bitrix or opencart` +
				`|--level: 5 is not a paranoia level. Write: 1, 2, 3 or 4`},
		{"own listener", Flags{To: []string{"http://127.0.0.1:8080"}, HTTP: []string{":8080"}},
			"--to: 127.0.0.1:8080 is this process's own listener (http[0]): requests would go round in a circle. Write: the address of the CMS itself"},
		{"tls off with a TLS listener", Flags{To: []string{"http://10.0.0.5"}, TLS: "off", HTTPS: []string{":443"}},
			"--https: TLS listeners while tls.mode is off. Write: tls: {mode: internal}, or https: off"},
		{"nothing to serve on", Flags{To: []string{"http://10.0.0.5"}, TLS: "off", HTTP: []string{"off"}},
			"--http: no listener is left to serve sites on. Write: http: :80, or https: :443"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.flags.Data == "" {
				tc.flags.Data = dir
			}
			got := ""
			if _, err := tc.flags.Load(); err != nil {
				got = strings.ReplaceAll(err.Error(), "\n", "|")
			}
			if got != tc.want {
				t.Errorf("got\n%s\nwant\n%s", strings.ReplaceAll(got, "|", "\n"), strings.ReplaceAll(tc.want, "|", "\n"))
			}
		})
	}
}

func TestFlagsFillDefaults(t *testing.T) {
	c, err := Flags{Sites: []string{"Shop.example.kz", "www.shop.example.kz"}, To: []string{"http://10.0.0.5:8080"}, TLS: "off", Data: t.TempDir(), Console: "off"}.Load()
	if err != nil {
		t.Fatal(err)
	}
	s := c.Sites[0]
	if s.Name != "shop.example.kz" || len(s.Hosts) != 2 || s.Mode != Block || s.Level != 1 || s.Threshold != (Threshold{5, 4}) || s.Limits.Headers != 100 {
		t.Errorf("site: %+v", s)
	}
	if len(c.HTTP) != 1 || c.HTTPS != nil || c.Console.Listen != "" {
		t.Errorf("listeners: %v %v %q", c.HTTP, c.HTTPS, c.Console.Listen)
	}
}

func TestConsoleAlone(t *testing.T) {
	dir := t.TempDir()
	for listen, want := range map[string]string{
		"127.0.0.1:0":  "",
		"[::1]:9443":   "",
		":9443":        "--listen: a console that others can reach needs TLS. Write: console: {tls: internal}, or listen: 127.0.0.1:9443",
		"0.0.0.0:9443": "--listen: a console that others can reach needs TLS. Write: console: {tls: internal}, or listen: 127.0.0.1:9443",
		"off":          "--listen: a console alone needs a listener. Write: 127.0.0.1:9443",
	} {
		got := ""
		if _, err := (Flags{Console: listen, ConsoleTLS: "off", Data: dir}).LoadConsole(); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", listen, got, want)
		}
	}
}
