#!/usr/bin/env bash
# clang-tidy-16 over the rooms that changed since a commit. What passed once isn't checked again while the file, the
# headers it includes, .clang-tidy and its compile command stay the same (results in build/tidy-cache).
# Usage: tidy.sh [--all] [--build DIR] [--base COMMIT]   DIR has compile_commands.json (default: build/release or the
# first one found); COMMIT defaults to $GPUWARDEN_TIDY_BASE, then origin/main's merge base; all rooms without one.
# shellcheck disable=SC2016  # single quotes hold programs of awk and bash
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"
all=no build='' base=${GPUWARDEN_TIDY_BASE:-}
while [ $# -gt 0 ]; do
  case $1 in
    --all) all=yes ;;
    --build) build=$2; shift ;;
    --base) base=$2; shift ;;
    *) echo "tidy.sh: unknown option $1" >&2; exit 2 ;;
  esac
  shift
done
if [ -z "$build" ]; then
  for candidate in build/release build/dev build/*; do
    if [ -f "$candidate/compile_commands.json" ]; then build=$candidate; break; fi
  done
fi
if [ ! -f "${build:-none}/compile_commands.json" ]; then
  echo "tidy.sh: no compile_commands.json; run cmake --preset release first" >&2
  exit 2
fi

changed_rooms() {
  if [ "$all" = yes ]; then return 1; fi
  if [ -z "$base" ]; then base=$(git merge-base HEAD origin/main 2>/dev/null || true); fi
  # A commit is its own base right after a push: then its parent is meant.
  if [ -n "$base" ] && [ "$(git rev-parse -q --verify "$base^{commit}" || true)" = "$(git rev-parse HEAD)" ]; then
    base=$(git rev-parse -q --verify 'HEAD~1^{commit}' || true)
  fi
  if [ -z "$base" ] || ! git rev-parse -q --verify "$base^{commit}" >/dev/null; then return 1; fi
  if ! git diff --quiet "$base" -- .clang-tidy; then return 1; fi
  { git diff --name-only "$base"; git ls-files -o --exclude-standard; } |
    sed -E 's#^include/gpuwarden/([^/]+)/#src/\1/#' | sed -nE 's#^src/(adapters/)?([^/]+)/.*#\2#p' | sort -u
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
git ls-files -co --exclude-standard 'src/*.cpp' | grep -v -e '^src/cmake/' -e '/asio_impl/' | sort >"$work/files"
if changed_rooms >"$work/rooms"; then
  : >"$work/chosen"
  while IFS= read -r room; do
    grep -E "^src/(adapters/)?$room/" "$work/files" >>"$work/chosen" || true
  done <"$work/rooms"
  echo "tidy: rooms changed since ${base:0:12}: $(tr '\n' ' ' <"$work/rooms")"
else
  cp "$work/files" "$work/chosen"
  echo "tidy: all rooms"
fi

cache=build/tidy-cache
mkdir -p "$cache"
clang-tidy-16 --version >"$work/version"
export build cache root work

check_one() {
  local file=$1 command key
  command=$(awk -v file="$root/$file" '/"command":/ {c = $0} /"file":/ && index($0, "\"" file "\"") {print c; exit}' "$build/compile_commands.json")
  if [ -z "$command" ]; then return 0; fi  # not part of this build
  # The preprocessed headers of ours decide too: a change in a header is a change of every file that includes it.
  key=$({
    cat .clang-tidy "$work/version" "$file"
    sed -E 's#[^ ]*\.o\b##g; s#build/[^ /"]+/##g' <<<"$command"
    included "$file"
  } | sha256sum | cut -c1-32)
  if [ -e "$cache/$key" ]; then return 0; fi
  if clang-tidy-16 --quiet -p "$build" "$file" >"$work/out.$$" 2>"$work/err.$$" || only_in_system_headers "$work/out.$$"; then
    : >"$cache/$key"
  else
    cat "$work/out.$$"
    grep -v 'warnings generated' "$work/err.$$" || true
    return 1
  fi
}
# clang-tidy 16 reports clang-analyzer-core.CallAndMessage inside Boost.Asio's awaitable.hpp at every co_await, although
# .clang-tidy excludes that check. Findings whose place is a header of the system are not ours.
only_in_system_headers() {
  local findings
  findings=$(grep -E '^[^ :]+:[0-9]+:[0-9]+: (error|warning): ' "$1" || true)
  [ -n "$findings" ] && ! grep -qvE '^/usr/include/' <<<"$findings"
}
# Texts of all our headers that a file reaches.
included() {
  local -A seen=()
  local queue=("$1") file header found
  while [ ${#queue[@]} -gt 0 ]; do
    file=${queue[0]}; queue=("${queue[@]:1}")
    while IFS= read -r header; do
      for found in "include/$header" "$(dirname "$file")/$header"; do
        if [ -f "$found" ] && [ -z "${seen[$found]:-}" ]; then
          seen[$found]=1; queue+=("$found"); cat "$found"
        fi
      done
    done < <(sed -nE 's/^ *# *include "([^"]+)".*/\1/p' "$file")
  done
}
export -f check_one included only_in_system_headers

count=$(wc -l <"$work/chosen")
if [ "$count" -eq 0 ]; then echo "tidy: nothing to check"; exit 0; fi
if xargs -d '\n' -n 1 -P 2 bash -c 'check_one "$1"' _ <"$work/chosen"; then
  echo "tidy: $count files without a warning"
else
  echo "tidy: warnings above are errors" >&2
  exit 1
fi
