#!/bin/sh
# Every fuzz target for FUZZTIME, two at a time with a worker each:
# tools/fuzz.sh GO PACKAGES...
# A target that fails does not keep the others from running.
set -eu
if [ "${1-}" = one ]; then
  log=$(mktemp)
  trap 'rm -f "$log"' EXIT
  if ! "$2" test -run '^$' -fuzz "^$4\$" -fuzztime "${FUZZTIME:-60s}" -fuzzminimizetime 5s -parallel 1 -timeout 15m "$3" >"$log" 2>&1; then
    # go test may report the end of its own time as an error of the target
    # (golang.org/issue/75804): a line of these three words and nothing else. Every
    # finding says more: an input that was written, a test's file and line, a panic.
    if ! grep -qx ' *context deadline exceeded' "$log" ||
      grep -qE 'Failing input written|^ +[a-z0-9_]+\.go:[0-9]+:|panic: |^fatal error: |failure while testing seed corpus' "$log"; then
      echo "$3 $4 FAILED"
      cat "$log"
      exit 1
    fi
  fi
  execs=$(grep -o 'execs: [0-9]*' "$log" | tail -1)
  [ -n "$execs" ] || { echo "$3 $4 ran nothing"; cat "$log"; exit 1; }
  echo "$3 $4 $execs"
  exit
fi
go=$1
shift
targets=$(mktemp)
trap 'rm -f "$targets"' EXIT
for pkg in $("$go" list "$@"); do
  "$go" test -list '^Fuzz' "$pkg" | grep '^Fuzz' | sed "s|^|$pkg |" >>"$targets" || true
done
echo "$(wc -l <"$targets") targets"
[ -s "$targets" ] || exit 1
xargs -P 2 -L 1 "$0" one "$go" <"$targets"
