#!/bin/sh
# Every fuzz target for FUZZTIME, two at a time with a worker each:
# tools/fuzz.sh GO PACKAGES...
set -eu
if [ "${1-}" = one ]; then
  # go test may report the end of its own time as a failure; a run that found
  # nothing has passed.
  log=$(mktemp)
  trap 'rm -f "$log"' EXIT
  if ! "$2" test -run '^$' -fuzz "^$4\$" -fuzztime "${FUZZTIME:-60s}" -fuzzminimizetime 5s -parallel 1 -timeout 15m "$3" >"$log" 2>&1; then
    if grep -q 'Failing input written' "$log" || ! grep -q 'context deadline exceeded' "$log"; then
      cat "$log"
      exit 255 # no further target
    fi
  fi
  echo "$3 $4 $(grep -o 'execs: [0-9]*' "$log" | tail -1)"
  exit
fi
go=$1
shift
for pkg in $("$go" list "$@"); do
  "$go" test -list '^Fuzz' "$pkg" | grep '^Fuzz' | sed "s|^|$pkg |" || true
done | xargs -P 2 -L 1 "$0" one "$go"
