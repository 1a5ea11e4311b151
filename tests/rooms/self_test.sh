#!/usr/bin/env bash
# Shows that check.sh can fail: each planted fault must be found in a small tree, and the tree without it must pass.
# shellcheck disable=SC2016  # single quotes hold programs of awk and bash
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0

tree() {
  rm -rf "$work/tree"
  mkdir -p "$work/tree/src/policy" "$work/tree/src/adapters/runpod" "$work/tree/src/app" "$work/tree/include/gpuwarden/domain" "$work/tree/src/ports"
  cat >"$work/tree/src/policy/good.cpp" <<'CPP'
#include "gpuwarden/domain/worker.hpp"
#include "gpuwarden/policy/settings.hpp"
#include "good.hpp"
#include <fmt/format.h>
// steady_clock::now() in a comment is no clock read; uptime(nullptr) is none either
int uptime(void*);
CPP
  echo '#include "gpuwarden/base/time.hpp"' >"$work/tree/include/gpuwarden/domain/worker.hpp"
  echo '#include <nlohmann/json.hpp>' >"$work/tree/src/ports/evidence_json.cpp"
  printf '#include "gpuwarden/policy/decide.hpp"\nauto t = std::chrono::steady_clock::now();\n' >"$work/tree/src/app/clock.cpp"
  echo 'dir=$(mktemp -d /tmp/x.XXXXXX)' >"$work/tree/run.sh"
}

# expect NAME FILE TEXT WORDS: the planted line must be found with these words.
expect() {
  tree
  mkdir -p "$(dirname "$work/tree/$2")"
  printf '%b\n' "$3" >>"$work/tree/$2"
  if out=$("$here/check.sh" "$work/tree" 2>&1); then
    echo "NOT FOUND: $1"
    failures=$((failures + 1))
  elif ! grep -qF -e "$4" <<<"$out" || [ "$(grep -c ': ' <<<"$out")" -ne 2 ]; then
    echo "FOUND, BUT OTHERWISE: $1"$'\n'"$out"
    failures=$((failures + 1))
  fi
}

tree
"$here/check.sh" "$work/tree" >/dev/null || { echo "the tree without a fault does not pass"; failures=$((failures + 1)); }

expect "policy includes control" src/policy/bad.cpp '#include "gpuwarden/control/loop.hpp"' "room policy may not include"
expect "domain includes ports, in a public header" include/gpuwarden/domain/bad.hpp '#include "gpuwarden/ports/clock.hpp"' "room domain may not include"
expect "an adapter includes its sibling" src/adapters/runpod/bad.cpp '#include "gpuwarden/supabase/store.hpp"' "room runpod may not include"
expect "an adapter includes policy" src/adapters/runpod/bad.cpp '#  include "gpuwarden/policy/decide.hpp"' "room runpod may not include"
expect "config includes more of control than its settings" src/config/bad.cpp '#include "gpuwarden/control/loop.hpp"' "room config may not include"
expect "Asio in a pure room" src/policy/bad.cpp '#include <boost/asio/steady_timer.hpp>' "may not include boost/asio"
expect "JSON in ports beside its codec" src/ports/bad.cpp '#include <nlohmann/json.hpp>' "may not include nlohmann"
expect "JSON in a public header" include/gpuwarden/runpod/bad.hpp '#include <nlohmann/json.hpp>' "JSON stops in the codecs"
expect "libcurl outside the adapters" src/control/bad.cpp '#include <curl/curl.h>' "may not include curl"
expect "another room's private header" src/policy/bad.cpp '#include "../control/loop_impl.hpp"' "private header"
expect "a clock in a rule" src/policy/bad.cpp 'auto t = std::chrono::system_clock::now();' "clocks are read in app only"
expect "a C clock in a rule" src/diagnosis/bad.cpp 'long t = time(nullptr);' "clocks are read in app only"
expect "a room that nobody knows" src/attic/bad.cpp 'int x;' 'no room "attic"'
expect "a file that is too long" src/policy/long.cpp "$(printf 'int x;\\n%.0s' $(seq 500))" "longer than 500 lines"
expect "an unfinished place" src/policy/bad.cpp "// TO""DO: later" "unfinished work"
expect "a stub" README.md "this is not imple""mented" "unfinished work"
expect "a path of a machine" run.sh "cd /wo""rk/main" "a path of somebody"
expect "a binary" logo.bin 'a\0b' "a binary file"

if [ "$failures" -ne 0 ]; then exit 1; fi
echo "check.sh finds all planted faults"
