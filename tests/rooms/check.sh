#!/usr/bin/env bash
# Checks the tree against the house rules that a compiler can't see: which room includes what (rooms.table), where
# clocks are read, file sizes, words and files that do not belong here.
# Usage: check.sh [ROOT]   Prints every violation as "file:line: what"; exit 1 when there is one.
# shellcheck disable=SC2016  # single quotes hold programs of awk and bash
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "${1:-$here/../..}" && pwd)
cd "$root"

# What git would commit; of a tree without git everything but build directories.
list_files() {
  if [ "$(git rev-parse --show-toplevel 2>/dev/null || true)" = "$root" ]; then
    git ls-files -co --exclude-standard
  else
    find . -path ./build -prune -o -type f -print | sed 's|^\./||'
  fi | while IFS= read -r file; do if [ -f "$file" ]; then printf '%s\n' "$file"; fi; done | sort
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
list_files >"$work/all"
grep -E '^(src|include)/.*\.(cpp|hpp)$' "$work/all" >"$work/code" || true
grep -E '^(src|include|tests)/.*\.(cpp|hpp)$' "$work/all" >"$work/sized" || true
: >"$work/bad"

# 1. Includes and clocks.
xargs -d '\n' -r awk -v table="$here/rooms.table" '
  function bad(what) { printf "%s:%d: %s\n", FILENAME, FNR, what }
  function room_of(file,   part) {
    split(file, part, "/")
    if (part[1] == "include") return part[3]
    return part[2] == "adapters" ? part[3] : part[2]
  }
  function allowed(room, what) { return (room SUBSEP "*") in may || (room SUBSEP what) in may }
  BEGIN {
    while ((getline line < table) > 0) {
      if (line ~ /^#/ || line !~ /[^ ]/) continue
      n = split(line, word, /[ \t]+/)
      known[word[1]] = 1
      for (i = 2; i <= n; ++i) may[word[1], word[i]] = 1
    }
    third["^boost/(asio|beast)"] = "asio"; third["^nlohmann/"] = "json"; third["^curl/"] = "curl"
    third["^libssh2"] = "ssh2"; third["^spdlog/"] = "spdlog"; third["^systemd/"] = "systemd"
  }
  FNR == 1 {
    room = room_of(FILENAME)
    if (!(room in known) && FILENAME !~ /^src\/cmake\//) bad("no room \"" room "\" in tests/rooms/rooms.table")
  }
  FILENAME ~ /^src\/cmake\// { next }
  /^[ \t]*#[ \t]*include[ \t]*[<"]/ {
    header = $0
    sub(/^[^<"]*[<"]/, "", header); sub(/[>"].*$/, "", header)
    if (header ~ /^gpuwarden\//) {
      split(header, part, "/"); target = part[2]
      if (target == room) next
      if (allowed(room, target)) next
      rest = header; sub(/^gpuwarden\//, "", rest)
      if ((room SUBSEP rest) in may) next
      bad("room " room " may not include " header)
    } else if (header ~ /(^|\/)\.\.(\/|$)/ || header ~ /^(src|adapters)\//) {
      bad("include of another room'\''s private header " header)
    } else {
      for (pattern in third)
        if (header ~ pattern && !((room SUBSEP third[pattern]) in may) &&
            !(third[pattern] == "json" && (FILENAME == "src/ports/evidence_json.cpp" || FILENAME == "src/bootstrap/status_line.cpp")))
          bad("room " room " may not include " header)
      if (header ~ /^nlohmann\// && FILENAME ~ /^include\//) bad("JSON stops in the codecs: no " header " in a public header")
    }
    next
  }
  room != "app" && room != "http" && room != "ssh" && room != "sandbox" {
    code = $0; sub(/\/\/.*$/, "", code)
    if (code ~ /(steady_clock|system_clock|high_resolution_clock|utc_clock)::now|[^a-z_]time\((nullptr|NULL|0)\)|gettimeofday|clock_gettime/)
      bad("clocks are read in app only: time is an argument here")
  }
' <"$work/code" >>"$work/bad"

# 2. Sizes.
ceiling=500
xargs -d '\n' -r wc -l <"$work/sized" | awk -v ceiling="$ceiling" '$2 != "total" && $1 > ceiling {
  printf "%s:%d: longer than %d lines\n", $2, $1, ceiling }' >>"$work/bad"
xargs -d '\n' -r wc -l <"$work/code" | awk '$2 != "total" {print $1}' | sort -n >"$work/sizes"
median=$(awk '{ size[NR] = $1 } END { print NR ? size[int((NR + 1) / 2)] : 0 }' "$work/sizes")
if [ "$median" -gt 120 ]; then echo "src: the median file has $median lines, 120 is the most" >>"$work/bad"; fi

# 3. Words. They are put together here so that this file does not hold them.
words="\\b(TO""DO|FIX""ME|XX""X|HA""CK)\\b|not imple""mented"
places="/wo""rk/(main|shared|\\.)|/tm""p/gw\\b|/Us""ers/[a-z]"
while read -r pattern what; do
  xargs -d '\n' -r grep -nHIE -e "$pattern" <"$work/all" | awk -F: -v what="$what" '{ print $1 ":" $2 ": " what }' >>"$work/bad" || true
done <<PATTERNS
${words// /[[:space:]]} unfinished work is marked here
$places a path of somebody's machine
PATTERNS

# 4. Files that are no text.
LC_ALL=C xargs -d '\n' -r grep -laP -e '\x00' <"$work/all" | sed 's/$/:1: a binary file/' >>"$work/bad" || true

if [ -s "$work/bad" ]; then
  cat "$work/bad"
  echo "rooms: $(wc -l <"$work/bad") violations" >&2
  exit 1
fi
echo "rooms: $(wc -l <"$work/code") files in order, median $median lines"
