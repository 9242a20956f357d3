#!/bin/sh
# Every fuzz target for FUZZTIME, one after the other: tools/fuzz.sh GO PACKAGES...
# go test may report the end of its own time as a failure; a run that found
# nothing has passed.
set -eu
go=$1
shift
log=$(mktemp)
trap 'rm -f "$log"' EXIT
for pkg in $("$go" list "$@"); do
  for target in $("$go" test -list '^Fuzz' "$pkg" | grep '^Fuzz' || true); do
    if ! "$go" test -run '^$' -fuzz "^$target\$" -fuzztime "${FUZZTIME:-60s}" -fuzzminimizetime 5s -parallel 2 -timeout 15m "$pkg" >"$log" 2>&1; then
      if grep -q 'Failing input written' "$log" || ! grep -q 'context deadline exceeded' "$log"; then
        cat "$log"
        exit 1
      fi
    fi
    echo "$pkg $target $(grep -o 'execs: [0-9]*' "$log" | tail -1)"
  done
done
