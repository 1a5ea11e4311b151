#!/usr/bin/env bash
# All tests: installs what is missing, checks format and lint, builds with sanitizers and runs everything, then builds what
# users run and measures it. Starts every service it needs itself, on loopback and in temporary folders.
#
#   tests/run.sh                 everything
#   tests/run.sh unit            only the quick tests, under sanitizers
#   tests/run.sh --list          names of the parts
set -uo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root" || exit 1
parts=(install format lint unit integration fuzz release tidy)
chosen=("${parts[@]}")
case ${1:-} in
  --list) printf '%s\n' "${parts[@]}"; exit 0 ;;
  -h | --help) sed -n '2,8p' "${BASH_SOURCE[0]}" | sed 's/^# \{0,1\}//'; exit 0 ;;
  '') ;;
  *) chosen=(install "$@") ;;
esac

# shellcheck source=deploy/lib/packages.sh
. "$root/deploy/lib/packages.sh"
jobs=$(nproc)
began=$SECONDS
failed=()

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
  local log
  log=$(mktemp)
  if cmake --build --preset "$preset" "${args[@]}" >"$log" 2>&1; then tail -n 1 "$log"; rm -f "$log"; return 0; fi
  grep -vE '^\[[0-9]+/[0-9]+\] (Building|Linking)' "$log" | head -n 120
  rm -f "$log"
  return 1
}

part_install() {
  gw_install_build_packages && gw_install_sandbox_packages && gw_install_test_packages && gw_install_postgrest
}
part_format() { tests/rooms/format.sh; }
part_lint() { git ls-files '*.sh' .ci/run | xargs shellcheck -x -e SC1091; }
part_unit() { build asan && ctest --preset asan -j "$jobs" -L unit --repeat until-pass:2; }
# Real processes under sanitizers on a busy machine may miss a time limit once; a defect fails twice.
part_integration() { build asan && ctest --preset asan -j "$jobs" -L integration --repeat until-pass:2; }
part_fuzz() {
  cmake --preset dev -B build/fuzz -DGPUWARDEN_FUZZ=ON -DGPUWARDEN_FUZZ_SECONDS=10 >/dev/null &&
    cmake --build build/fuzz --target fuzz_diagnose fuzz_evidence fuzz_status_line | tail -n 1 &&
    ctest --test-dir build/fuzz -L fuzz --output-on-failure
}
part_release() { build release gpuwarden gpuwarden-sandbox integration_measured decide_bench && ctest --preset release -j 1 -L measured; }
# Rooms that the newest commit changed; GPUWARDEN_TIDY_BASE names an older commit, tidy.sh --all takes every room.
part_tidy() {
  build release gpuwarden gpuwarden-sandbox &&
    tests/rooms/tidy.sh --build build/release --base "${GPUWARDEN_TIDY_BASE:-$(git rev-parse -q --verify HEAD~1)}"
}

for part in "${chosen[@]}"; do
  echo "== $part"
  at=$SECONDS
  if "part_$part"; then echo "== $part: passed in $((SECONDS - at)) s"; else
    echo "== $part: FAILED after $((SECONDS - at)) s"
    failed+=("$part")
    [ "$part" = install ] && break
  fi
done
echo "total $((SECONDS - began)) s"
echo "$((${#chosen[@]} - ${#failed[@]})) passed, ${#failed[@]} failed"
[ ${#failed[@]} -eq 0 ] || { echo "failed parts: ${failed[*]}" >&2; exit 1; }
