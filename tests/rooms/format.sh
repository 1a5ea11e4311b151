#!/usr/bin/env bash
# clang-format-16 over all tracked C++ sources; --fix rewrites them instead.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
mode=(--dry-run -Werror)
if [ "${1:-}" = --fix ]; then mode=(-i); fi
git ls-files -z -- '*.cpp' '*.hpp' | xargs -0 -r -n 40 -P 2 clang-format-16 "${mode[@]}"
echo "format: $(git ls-files -- '*.cpp' '*.hpp' | wc -l) files in order"
