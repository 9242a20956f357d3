module github.com/qorgan/qorgan

go 1.26.0

require (
	github.com/alecthomas/kong v1.17.0 // the command line
	github.com/andybalholm/brotli v1.2.8 // pages of a CMS are read through their compression; no encoder is linked
	github.com/caddyserver/certmagic v0.25.6 // certificates of public authorities; only certs may import it
	github.com/corazawaf/coraza-coreruleset/v4 v4.25.0 // the Core Rule Set and its regression tests
	github.com/corazawaf/coraza/v3 v3.8.1 // the judge; 3.8.1 at least, for ten advisories fixed in it
	github.com/corazawaf/libinjection-go v0.3.3 // the judge's own detector of SQL and scripts, asked by the fast path
	github.com/emersion/go-sasl v0.0.0-20241020182733-b788ff22d5a6 // tests: how a mail client signs in
	github.com/emersion/go-smtp v0.25.1 // tests: a mail server
	github.com/fsnotify/fsnotify v1.10.1 // a configuration that changes is taken
	github.com/go-acme/lego/v5 v5.6.0 // records in the DNS of a dozen services (DNS-01), imported one by one; only certs/dns01/providers may import it
	github.com/goccy/go-yaml v1.19.2 // YAML with line and column; only config may import it
	github.com/google/uuid v1.6.0 // event ids (UUIDv7)
	github.com/klauspost/compress v1.20.3 // pages of a CMS are read through their compression
	github.com/mholt/acmez/v3 v3.1.7 // the name of the TLS-ALPN protocol, beside certmagic
	github.com/miekg/dns v1.1.73 // questions to name servers and changes of zones (DNS-01); linked by certmagic anyhow
	github.com/petar-dambovaliev/aho-corasick v0.0.0-20250424160509-463d218d4745 // the judge's own word search, so that the fast path finds the same
	github.com/pires/go-proxyproto v0.15.0 // the PROXY protocol
	github.com/prometheus/client_golang v1.25.0 // metrics
	github.com/quic-go/quic-go v0.65.0 // HTTP/3, where a configuration asks for it; only proxy may import it
	github.com/rogpeppe/go-internal v1.16.0 // test: the command line as scripts
	github.com/rs/zerolog v1.35.1 // the log
	github.com/wneessen/go-mail v0.8.1 // e-mail of the console's alerts: headers, encodings, STARTTLS and authentication
	go.uber.org/zap v1.28.0 // indirect; certmagic logs through it; adapted to our log
	golang.org/x/crypto v0.58.0 // argon2id for passwords
	golang.org/x/net v0.62.0 // international host names; HTML entities; test: HTTP/2 frames
	golang.org/x/sync v0.24.0 // one compilation for many askers
	golang.org/x/sys v0.49.0 // file locks
	golang.org/x/term v0.47.0 // whether a person reads the log
	golang.org/x/text v0.43.0 // languages a visitor prefers; compatibility forms of characters
	golang.org/x/time v0.16.0 // rates
	modernc.org/sqlite v1.62.0 // the embedded store, without a C compiler
	rsc.io/binaryregexp v0.2.0 // what the judge matches bytes with that are no UTF-8
	rsc.io/qr v0.2.0 // the picture that an authenticator reads
)

require github.com/jackc/pgx/v5 v5.12.0 // what several edges or consoles share; only certs/postgres and console/store may import it

require (
	github.com/beorn7/perks v1.0.1 // indirect
	github.com/caddyserver/zerossl v0.1.6 // indirect
	github.com/cenkalti/backoff/v5 v5.0.3 // indirect
	github.com/cespare/xxhash/v2 v2.3.0 // indirect
	github.com/dustin/go-humanize v1.1.0 // indirect
	github.com/go-jose/go-jose/v4 v4.1.6 // indirect
	github.com/goccy/go-json v0.10.5 // indirect
	github.com/gotnospirit/makeplural v0.0.0-20180622080156-a5f48d94d976 // indirect
	github.com/gotnospirit/messageformat v0.0.0-20221001023931-dfe49f1eb092 // indirect
	github.com/jackc/pgpassfile v1.0.0 // indirect
	github.com/jackc/pgservicefile v0.0.0-20240606120523-5a60cdf6a761 // indirect
	github.com/jackc/puddle/v2 v2.2.3 // indirect
	github.com/kaptinlin/go-i18n v0.1.4 // indirect
	github.com/kaptinlin/jsonschema v0.4.6 // indirect
	github.com/klauspost/cpuid/v2 v2.4.0 // indirect
	github.com/libdns/libdns v1.1.1 // indirect
	github.com/magefile/mage v1.17.0 // indirect
	github.com/mattn/go-colorable v0.1.14 // indirect
	github.com/mattn/go-isatty v0.0.24 // indirect
	github.com/munnerz/goautoneg v0.0.0-20191010083416-a7dc8b61c822 // indirect
	github.com/ncruces/go-strftime v1.1.0 // indirect
	github.com/nrdcg/porkbun v0.4.0 // indirect
	github.com/ovh/go-ovh v1.9.0 // indirect
	github.com/prometheus/client_model v0.6.3 // indirect
	github.com/prometheus/common v0.72.0 // indirect
	github.com/prometheus/procfs v0.22.0 // indirect
	github.com/quic-go/qpack v0.6.0 // indirect
	github.com/remyoudompheng/bigfft v0.0.0-20230129092748-24d4a6f8daec // indirect
	github.com/tidwall/gjson v1.18.0 // indirect
	github.com/tidwall/match v1.1.1 // indirect
	github.com/tidwall/pretty v1.2.1 // indirect
	github.com/valllabh/ocsf-schema-golang v1.0.3 // indirect
	github.com/zeebo/blake3 v0.2.4 // indirect
	go.uber.org/multierr v1.11.0 // indirect
	go.uber.org/zap/exp v0.3.0 // indirect
	golang.org/x/oauth2 v0.37.0 // indirect
	golang.org/x/tools v0.52.0 // indirect
	google.golang.org/protobuf v1.36.12 // indirect
	gopkg.in/ini.v1 v1.67.3 // indirect
	modernc.org/libc v1.80.1 // indirect
	modernc.org/mathutil v1.7.1 // indirect
	modernc.org/memory v1.12.1 // indirect
)
