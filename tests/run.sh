#!/usr/bin/env bash
# All tests: installs what is missing, checks format and lint, builds with sanitizers and runs everything, then builds what
# users run, measures it and shows it. Starts every service it needs itself, on loopback and in temporary folders.
#
#   tests/run.sh                 everything; a part that passed before is skipped while nothing that it depends on changed
#   tests/run.sh --all           everything, whatever passed before (so it is too wherever CI is set)
#   tests/run.sh unit            only the quick tests, under sanitizers; parts that are named always run
#   tests/run.sh mutation        whether tests notice mutants of the decisions: a sample, about 3 minutes; only when named
#   tests/run.sh --list          names of the parts
set -uo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root" || exit 1
parts=(install format lint unit integration fuzz simulation release demo tidy)
chosen=("${parts[@]}")
may_skip=yes
case ${1:-} in
  --list) printf '%s\n' "${parts[@]}"; exit 0 ;;
  -h | --help) sed -n '2,9p' "${BASH_SOURCE[0]}" | sed 's/^# \{0,1\}//'; exit 0 ;;
  --all) may_skip=no ;;
  '') [ -z "${CI:-}" ] || may_skip=no ;;
  *) chosen=(install "$@") may_skip=no ;;
esac

# shellcheck source=deploy/lib/packages.sh
. "$root/deploy/lib/packages.sh"
# shellcheck source=tests/support/stamps.sh
. "$root/tests/support/stamps.sh"
jobs=$(nproc)
began=$SECONDS
failed=()
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT

configured=''
build() { # preset, targets...
  local preset=$1
  shift
  if [[ $configured != *" $preset "* ]]; then
    cmake --preset "$preset" -DGPUWARDEN_TESTS=ON >/dev/null || return 1
    configured+=" $preset "
  fi
  local args=()
  [ $# -gt 0 ] && args=(--target "$@")
  # Only the last lines when it works; everything when it does not.
  local log=$logs/build
  if cmake --build --preset "$preset" "${args[@]}" >"$log" 2>&1; then tail -n 1 "$log"; return 0; fi
  grep -vE '^\[[0-9]+/[0-9]+\] (Building|Linking)' "$log" | head -n 120
  return 1
}

part_install() {
  gw_install_build_packages && gw_install_sandbox_packages && gw_install_test_packages && gw_install_postgrest
}
part_format() { tests/rooms/format.sh; }
part_lint() {
  git ls-files "*.sh" .ci/run src/sandbox/pod/nvidia-smi | xargs shellcheck -x -e SC1091 && tests/support/stamps_test.sh
}
# The last line lets the whole daemon live through a few worlds under sanitizers; part simulation tells many more without.
part_unit() {
  build asan && ctest --preset asan -j "$jobs" -L unit || return 1
  build/asan/gpuwarden-sim --seeds 4 >"$logs/worlds" 2>&1 || { cat "$logs/worlds"; return 1; }
  tail -n 1 "$logs/worlds"
}
# Real processes under sanitizers on a busy machine may miss a time limit once; a defect fails twice. What needed a
# second try is said again at the end. Most of their time is waiting, so one more than there are processors runs at once.
part_integration() {
  build asan || return 1
  ctest --preset asan -j $((jobs + 1)) -L integration --repeat until-pass:2 | tee "$logs/ctest"
  local code=${PIPESTATUS[0]}
  mapfile -t second_tries < <(sed -nE '/\*\*\*Skipped/d; s/^.*Test +#[0-9]+: ([^ ]+) .*\*\*\*(.*)$/\1: \2/p' "$logs/ctest" | sort -u)
  return "$code"
}
part_fuzz() {
  cmake --preset dev -B build/fuzz -DGPUWARDEN_FUZZ=ON >/dev/null &&
    cmake --build build/fuzz --target fuzz_diagnose fuzz_evidence fuzz_status_line | tail -n 1 &&
    ctest --test-dir build/fuzz -L fuzz -j 3 --output-on-failure
}
# The whole daemon on virtual time: 2,600 worlds (over 10,000 pod-hours) that reach everything they must, a crash after
# every call of the stories, and faults put in on purpose, which must be caught.
part_simulation() {
  build release gpuwarden-sim simulation_tests && ctest --preset release -j "$jobs" -R '^simulation\.' --quiet || return 1
  local log=$logs/simulation
  if timeout 900 build/release/gpuwarden-sim --seeds 2600 --probes >"$log" 2>&1; then
    tail -n 1 "$log"
  else
    grep -vE '^ +[0-9]+ ' "$log" | tail -n 200
    return 1
  fi
  timeout 600 build/release/gpuwarden-sim --crash-everywhere && timeout 900 tests/simulation/mutants.py
}
# The figures of the program, with 50 real pods that work and 50 that fail at once, and of decide();
# ctest --preset release -L "measured|bench" -V shows them.
part_release() {
  build release gpuwarden gpuwarden-sandbox integration_measured decide_bench breaker_study || return 1
  ctest --preset release -L study -V >"$logs/study" 2>&1 || { cat "$logs/study"; return 1; }
  sed -n 's/^[0-9]*: //p' "$logs/study"
  GPUWARDEN_MEASURE_WORKERS=${GPUWARDEN_MEASURE_WORKERS:-50} ctest --preset release -j 1 -L "measured|bench" -V >"$logs/measured" 2>&1
  local code=$?
  if [ $code -eq 0 ]; then
    grep -hoE '(workers [0-9]+|failing |[0-9]+ pods brought up|(fleet|counted|timed|eventful) +[a-z0-9]+ |[0-9]+% tests).*' "$logs/measured"
  else
    cat "$logs/measured"
  fi
  return $code
}
# What a new user types, within the time that is promised.
demo() { # seconds, arguments...
  local limit=$1 log=$logs/demo at=$SECONDS
  shift
  if timeout --kill-after=10 "$limit" deploy/demo.sh "$@" >"$log" 2>&1 && grep -q '^demo done in' "$log"; then
    tail -n 4 "$log"
    echo "deploy/demo.sh $*: $((SECONDS - at)) s, at most $limit s"
    return 0
  fi
  cat "$log"
  echo "deploy/demo.sh $*: failed, or not done after $limit s" >&2
  return 1
}
part_demo() {
  build release gpuwarden gpuwarden-sandbox || return 1
  configured=${configured/ release /} # the demo configures it without tests
  demo 90 && demo 280 --scenario worker-crash
}
# Rooms that the newest commit changed; GPUWARDEN_TIDY_BASE names an older commit, tidy.sh --all takes every room.
part_tidy() {
  build release gpuwarden gpuwarden-sandbox &&
    tests/rooms/tidy.sh --build build/release --base "${GPUWARDEN_TIDY_BASE:-$(git rev-parse -q --verify HEAD~1)}"
}

# Changes to breaker, watchdog and reaper that a test must notice (tests/mutation/README.md); not a part of everything.
part_mutation() { tests/mutation/mutate.py --sample 40 --seed "${GPUWARDEN_MUTATION_SEED:-1}" --jobs "$jobs"; }

second_tries=()
skipped=0
for part in "${chosen[@]}"; do
  echo "== $part"
  at=$SECONDS
  stamp=''
  if stamp_applies "$part"; then
    stamp=$(stamp_of "$part")
    if [ $may_skip = yes ] && when=$(stamp_passed "$part" "$stamp"); then
      echo "== $part: unchanged since it passed at $when: skipped (tests/run.sh --all runs it)"
      skipped=$((skipped + 1))
      continue
    fi
    stamp_forget "$part"
  fi
  if "part_$part"; then
    echo "== $part: passed in $((SECONDS - at)) s"
    # Not when a file was changed while the part ran: nobody knows which of the two states passed.
    if [ -n "$stamp" ] && [ "$stamp" = "$(stamp_of "$part")" ]; then stamp_keep "$part" "$stamp"; fi
  else
    echo "== $part: FAILED after $((SECONDS - at)) s"
    failed+=("$part")
    [ "$part" = install ] && break
  fi
done
if [ ${#second_tries[@]} -gt 0 ]; then
  echo "tests that did not pass at their first try:"
  printf '  %s\n' "${second_tries[@]}"
fi
echo "total $((SECONDS - began)) s"
echo "$((${#chosen[@]} - ${#failed[@]} - skipped)) passed, ${#failed[@]} failed, $skipped skipped"
[ ${#failed[@]} -eq 0 ] || { echo "failed parts: ${failed[*]}" >&2; exit 1; }
