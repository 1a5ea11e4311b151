#!/usr/bin/env bash
# Lives of the whole daemon until so many simulated pod-hours have been lived through; can be stopped and goes on where it was.
#
#   tests/simulation/nightly.sh [POD_HOURS] [SECONDS]    default: 1000000 pod-hours, however long it takes
#
# Each seed that violates something is printed with the command that replays it. State: build/simulation/nightly, which begins
# anew with each commit and each change of the sources.
set -uo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root" || exit 1
wanted=${1:-1000000}
seconds=${2:-0}
case $wanted$seconds in *[!0-9]*) sed -n '2,7p' "${BASH_SOURCE[0]}" | sed 's/^# \{0,1\}//' >&2; exit 2 ;; esac
batch=500

cmake --preset release -DGPUWARDEN_TESTS=ON >/dev/null && cmake --build --preset release --target gpuwarden-sim | tail -n 1 || exit 1
sim=build/release/gpuwarden-sim
state=build/simulation/nightly
mkdir -p "${state%/*}"
program=$(sha256sum "$sim" | cut -d' ' -f1)
next=100001 lived=0 failed=0
if [ -f "$state" ] && read -r kept kept_next kept_lived kept_failed <"$state" && [ "$kept" = "$program" ]; then
  next=$kept_next lived=$kept_lived failed=$kept_failed
  echo "goes on at seed $next after $lived pod-hours, $failed violations"
fi
began=$SECONDS
while [ "$lived" -lt "$wanted" ] && { [ "$seconds" -eq 0 ] || [ $((SECONDS - began)) -lt "$seconds" ]; }; do
  out=$("$sim" --seed "$next" --seeds "$batch") || true
  hours=$(sed -nE 's/.* ([0-9]+) pod-hours.*/\1/p' <<<"$out")
  wrong=$(sed -nE 's/.*: ([0-9]+) violations$/\1/p' <<<"$out")
  if [ -z "$hours" ] || [ -z "$wrong" ]; then
    echo "gpuwarden-sim ended without a result at --seed $next --seeds $batch" >&2
    exit 1
  fi
  [ "$wrong" -eq 0 ] || grep -E '^(seed| +again)' <<<"$out"
  next=$((next + batch)) lived=$((lived + hours)) failed=$((failed + wrong))
  echo "$program $next $lived $failed" >"$state"
  echo "seeds to $((next - 1)): $lived of $wanted pod-hours, $failed violations, $((SECONDS - began)) s"
done
[ "$failed" -eq 0 ]
