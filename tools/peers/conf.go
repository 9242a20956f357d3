package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// originConf serves one page for whatever is asked. %s: address, folder.
const originConf = `worker_processes 1;
events { worker_connections 4096; }
http { access_log off; keepalive_requests 1000000;
 server { listen %s; root %s; location / { default_type text/html; error_page 404 405 =200 /index.html; try_files /index.html =404; } } }
`

// proxyConf forwards. %s: origin, address, more directives.
const proxyConf = `worker_processes 1;
events { worker_connections 4096; }
http { access_log off; keepalive_requests 1000000; client_max_body_size 20m;
 upstream origin { server %s; keepalive 64; }
 server { listen %s; %s
  location / { proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host; proxy_pass http://origin; } } }
`

func apacheConf(dir, addr, origin string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "ServerRoot %s\nPidFile %s/apache.pid\nErrorLog %s/apache.log\nServerName localhost\nListen %s\n", dir, dir, dir, addr)
	for _, m := range []string{"mpm_event", "authz_core", "unique_id", "proxy", "proxy_http"} {
		fmt.Fprintf(&b, "LoadModule %s_module /usr/lib/apache2/modules/mod_%s.so\n", m, m)
	}
	fmt.Fprintf(&b, "LoadModule security2_module %s\nKeepAlive On\nMaxKeepAliveRequests 0\nStartServers 1\nProxyPass / http://%s/\nInclude %s/modsecurity2.conf\n", apacheModule, origin, dir)
	return b.String()
}

// engine is what both ModSecurities are told beside the rules: bodies of
// requests are read, those of responses are not, as with the edge.
const engine = `SecRuleEngine On
SecRequestBodyAccess On
SecResponseBodyAccess Off
SecAuditEngine Off
SecRequestBodyLimit 13107200
SecRequestBodyNoFilesLimit 131072
SecPcreMatchLimit 100000
SecPcreMatchLimitRecursion 100000
SecTmpDir %[1]s
SecDataDir %[1]s
Include %[1]s/crs/crs-setup.conf
Include %[1]s/crs/rules/*.conf
`

// writePage makes a page of 43 kB that no compression would shrink to nothing.
func (h *house) writePage() error {
	var b strings.Builder
	b.WriteString("<!DOCTYPE html><html lang=\"kk\"><title>Felt</title>\n")
	for n := uint64(1); b.Len() < 43_000; n++ {
		fmt.Fprintf(&b, "<p>%016x %016x</p>\n", n*0x9E3779B97F4A7C15, n*0xC2B2AE3D27D4EB4F)
	}
	return os.WriteFile(filepath.Join(h.dir, "index.html"), []byte(b.String()), 0o644)
}

// writeRules copies the Core Rule Set out of the Go module, at the version that
// the edge is built with.
func (h *house) writeRules(ctx context.Context) error {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", ruleModule).Output()
	if err != nil {
		return fmt.Errorf("find the rule set's module: %w", err)
	}
	from := filepath.Join(strings.TrimSpace(string(out)), "rules")
	to := filepath.Join(h.dir, "crs", "rules")
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	err = fs.WalkDir(os.DirFS(from), "@owasp_crs", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(filepath.Join(from, path))
		if err != nil {
			return err
		}
		if strings.HasSuffix(path, ".conf") {
			text = spaced(text)
		}
		return os.WriteFile(filepath.Join(to, filepath.Base(path)), text, 0o644)
	})
	if err != nil {
		return fmt.Errorf("copy the rule set: %w", err)
	}
	setup, err := os.ReadFile(filepath.Join(from, "@crs-setup.conf.example"))
	if err != nil {
		return fmt.Errorf("copy the rule set: %w", err)
	}
	files := map[string]string{
		"crs/crs-setup.conf":  string(setup),
		"libmodsecurity.conf": fmt.Sprintf(engine, h.dir),
		"modsecurity2.conf":   fmt.Sprintf(engine, h.dir),
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(h.dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// spaced puts an empty line behind each directive, without which libmodsecurity
// does not read the rules as they stand in the module.
func spaced(text []byte) []byte {
	var b strings.Builder
	for line := range strings.Lines(string(text)) {
		b.WriteString(line)
		if t := strings.TrimRight(line, "\r\n"); t != "" && !strings.HasSuffix(t, `\`) {
			b.WriteByte('\n')
		}
	}
	return []byte(b.String())
}
