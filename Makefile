# Everything here needs Go alone, except e2e and differential (Debian packages)
# and race detection (a C compiler).
SHELL := /bin/sh
GO ?= go
# The race detector needs cgo and a C compiler.
RACE := $(shell [ "$$($(GO) env CGO_ENABLED)" = 1 ] && command -v "$$($(GO) env CC)" >/dev/null 2>&1 && echo -race)
ALL := ./...
# Coraza's @validateSchema, which sees no body here, brings a compiler of JSON
# schemas: 14 packages that are left out. Rules cannot use it either way.
export GOFLAGS := $(strip $(GOFLAGS) -tags=coraza.disabled_operators.validateSchema)

.DEFAULT_GOAL := help
.PHONY: help run build test lint crs bench bench-strict bench-peers bench-sites e2e e2e-parts test-postgres fleet-proof bench-fleet bench-decisions test-acme acme-scanner certs-bench differential cover fuzz siege docs

help: ## This list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: build ## A sample site, the edge in front of it and the console, on this machine
	bin/qorgan demo $(ARGS)

build: ## bin/qorgan, static
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/qorgan ./cmd/qorgan

# The race detector makes the judges ten times slower: what compares verdicts
# runs once without it, and with it only what lets them work at the same time.
test: ## go vet and every hermetic test, with the race detector where a C compiler is found
	$(GO) vet $(ALL)
ifeq ($(RACE),)
	$(GO) test -timeout 20m $(ALL)
else
	$(GO) test -race -short -timeout 20m $$($(GO) list $(ALL) | grep -v /rulesets)
	$(GO) test -race -short -timeout 20m -run 'Concurrent|Panic|Budget|Audit|Stream|Replac' ./rulesets/...
	$(GO) test -timeout 20m ./rulesets/... ./proxy/... ./guard/... ./cmd/qorgan
endif

lint: ## gofmt and staticcheck, the version pinned in tools/go.mod
	@bad=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$bad" ] || { echo "not formatted: $$bad"; exit 1; }
	$(GO) tool -modfile=tools/go.mod staticcheck $(ALL)

crs: ## The Core Rule Set's own regression tests through the real edge
	$(GO) test -count 1 -run 'CoreRuleSet' ./rulesets

COUNT ?= 5
bench: ## The judge against plain Coraza in one process, medians of COUNT (5) runs
	@out=$$(mktemp) && trap 'rm -f $$out' EXIT && \
	{ $(GO) test -run '^$$' -bench '^Benchmark(Table|TenThousandSites)$$' -benchtime 300ms -count $(COUNT) -timeout 30m ./rulesets > $$out || { cat $$out; exit 1; }; } && \
	awk -f tools/bench.awk $$out

bench-strict: ## What strict reading adds to plain Coraza, over the requests of the folder QORGAN_CORPORA
	QORGAN_CORPORA=$(QORGAN_CORPORA) $(GO) test ./rulesets -run '^$$' -bench StrictReadersOverCorpora -benchtime 1x -timeout 30m

ROUNDS ?= 5
bench-peers: ## CPU a request beside nginx, libmodsecurity, mod_security2 and a bare Go proxy (Debian packages), ROUNDS (5)
	@out=$$(mktemp -d) && trap 'rm -rf $$out' EXIT && \
	(cd tools && $(GO) build -o $$out/peers ./peers) && $$out/peers -rounds $(ROUNDS)

SITES ?= 10000
bench-sites: ## Start, reload and memory of an edge with SITES (10000) sites
	@out=$$(mktemp -d) && trap 'rm -rf $$out' EXIT && \
	(cd tools && $(GO) build -o $$out/sites ./sites) && $$out/sites -n $(SITES)

EDGES ?= 10000
bench-decisions: ## From the sight of an attack to its refusal at EDGES (10000) connected edges, simulated; a million refused networks
	QORGAN_EDGES=$(EDGES) $(GO) test ./console/fleet -run TestFanOut -count 1 -v -timeout 30m
	$(GO) test ./guard/bans -run '^$$' -bench Million

PARTS := wordpress wordpress-l10n wordpress-theme-twentytwentyone wordpress-theme-twentytwentythree \
	nginx php-fpm php-cli php-mysql php-gd php-xml php-mbstring php-curl php-zip php-intl \
	mariadb-server-core mariadb-client-core chromium postgresql
e2e-parts: ## Debian packages that e2e and differential need, as root
	@missing=""; for p in $(PARTS); do dpkg-query -W -f '$${db:Status-Abbrev}' $$p 2>/dev/null | grep -q '^ii' || missing="$$missing $$p"; done; \
	[ -z "$$missing" ] && exit 0; \
	guard=""; [ -e /usr/sbin/policy-rc.d ] || { guard=/usr/sbin/policy-rc.d; printf '#!/bin/sh\nexit 101\n' > $$guard; chmod 755 $$guard; }; \
	export DEBIAN_FRONTEND=noninteractive; apt-get -qq update && apt-get -qq -y --no-install-recommends -o DPkg::Lock::Timeout=600 install $$missing apache2- >/dev/null; \
	code=$$?; [ -z "$$guard" ] || rm -f $$guard; exit $$code

e2e: ## A real WordPress and a real browser, from Debian packages
	cd e2e && $(GO) test -count 1 -timeout 30m ./...

test-postgres: ## What several edges or consoles share, in a real PostgreSQL from Debian's packages
	QORGAN_PARTS=1 $(GO) test -count 1 -run Postgres ./console/... ./cmd/qorgan
	QORGAN_PARTS=1 $(GO) test -count 1 ./certs/postgres

KILLS ?= 1000
HOURS ?= 72
SECRETS ?= 10000
fleet-proof: ## What docs/fleet.md says is never lost, seen twice or kept: KILLS (1000), an outage of HOURS (72), SECRETS (10000)
	QORGAN_KILLS=$(KILLS) $(GO) test -count 1 -timeout 60m -v -run TestKilled ./report/outbox
	QORGAN_OUTAGE=$(HOURS) QORGAN_SECRETS=$(SECRETS) $(GO) test -count 1 -timeout 120m -v -run 'TestOutage|TestPlantedSecrets' ./report
	$(GO) test -count 1 -v -run 'TestReportsArriveOnce|TestPostgresNodes' ./console/fleet
	$(GO) test -count 1 -v -run Erase ./console/store

BATCHES ?= 100
bench-fleet: ## Reports over HTTPS into SQLite and PostgreSQL, BATCHES (100) of a thousand events: events a second, CPU an event
	$(GO) test -run '^$$' -bench Ingest -benchtime $(BATCHES)x -timeout 60m ./console/fleet

test-acme: ## Certificates against a real ACME server (pebble) on loopback
	cd certs/pebbletest && $(GO) test -count 1 -timeout 20m ./...

LIFE ?= 60
RENEWALS ?= 400
.PHONY: acme-year
acme-year: ## RENEWALS (400) renewals of certificates that live LIFE (60) seconds, while all goes wrong; half an hour
	cd certs/pebbletest && QORGAN_YEAR_LIFE=$(LIFE) QORGAN_YEAR_RENEWALS=$(RENEWALS) $(GO) test -count 1 -timeout 60m -run TestYear -v .

NAMES ?= 1000
SCANNED ?= 50000
acme-scanner: ## NAMES (1000) certificates at the first handshake while a scanner tries SCANNED (50000) other names
	cd certs/pebbletest && QORGAN_NAMES=$(NAMES) QORGAN_SCANNED=$(SCANNED) $(GO) test -count 1 -timeout 30m -run TestScanner -v .

certs-bench: ## Handshakes of an edge against a bare TLS server, taking turns, and ten thousand names in storage
	$(GO) test ./certs -run TestManyNames -count 1 -v
	$(GO) test ./proxy -run '^$$' -bench Handshakes -benchtime 30x -count 1

N ?= 100000
SEED ?= 0
differential: ## N (100000) generated requests and known attacks against a real PHP behind nginx; SEED repeats a run
	$(GO) test -count 1 -timeout 60m -v -tags differential ./differential -run 'NoSecondReading|Fixed|NoAttack' -args -n $(N) -seed $(SEED)

cover: ## Coverage of the hermetic tests: cover.html
	$(GO) test -coverpkg=./... -coverprofile=cover.out $(ALL)
	$(GO) tool cover -html=cover.out -o cover.html
	$(GO) tool cover -func=cover.out | tail -1

FUZZTIME ?= 60s
fuzz: ## Every fuzz target for FUZZTIME (60s), two at a time
	FUZZTIME=$(FUZZTIME) tools/fuzz.sh $(GO) $(ALL)

SIEGE ?= 60s
HERD ?= 20000
siege: ## For SIEGE (60s): a header bomb, a herd of HERD (20000) slow connections; h2spec
	cd siege && $(GO) test -count 1 -v -timeout 30m ./... -args -for $(SIEGE) -n $(HERD)

docs: ## docs/config.md and the tables of docs/patches.md and docs/profiles.md, from what they describe
	$(GO) test ./config -run TestDocumentation -update
	$(GO) test ./rulesets/patches ./rulesets/profiles -run TestDocumentation -update
