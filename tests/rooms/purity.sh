#!/usr/bin/env bash
# Shows that the rooms that decide are pure: purity.sh PROGRAM, where PROGRAM is linked with all of them, wholly, and with
# nothing else. Exit 1 and what was found when it needs a library beyond the language's own and fmt, holds a piece of Asio,
# libcurl or libssh2, or could look at a clock, a random source, the environment, a file or a socket by itself.
set -euo pipefail
program=$1
bad=0

found() { # what, lines
  [ -n "$2" ] || return 0
  printf '%s: %s:\n%s\n' "$program" "$1" "$(head -n 5 <<<"$2")"
  bad=1
}

symbols=$(nm -C "$program")
grep -q 'gpuwarden::policy::decide(' <<<"$symbols" || { echo "$program: decide() is not in it, so nothing is proved"; exit 1; }
needed=$(readelf -d "$program" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
# The sanitizers' runtime brings the last line.
found 'libraries that the deciding rooms must not need' "$(grep -vE \
  -e '^lib(fmt|stdc\+\+|m|gcc_s|c)\.so' -e '^ld-linux' \
  -e '^lib(pthread|dl|rt|resolv)\.so' <<<"$needed" || true)"
found 'network and event loop in the deciding rooms' \
  "$(grep -E 'boost::(asio|beast)|\bcurl_(easy|multi|global|slist|url|mime)|\blibssh2_|\bsd_(notify|journal)' <<<"$symbols" || true)"
# Linked from outside only; a sanitizer's runtime defines its own versions of these.
found 'the deciding rooms could look around by themselves' \
  "$(grep -E '^ +U (std::chrono::_V2::(steady|system)_clock::now|std::random_device|std::basic_(if|of|f)stream|(secure_)?getenv|fopen|open|openat|socket|connect|clock_gettime|gettimeofday|time|rand|getrandom)(@|\b)' \
    <<<"$symbols" || true)"
exit $bad
