#!/usr/bin/env bash
# Checks deploy/gpuwarden.service with systemd's own tools: every line is understood, the exposure stays low.
# Usage: service.sh [UNIT]   Exit 77: systemd-analyze is not installed here, nothing was checked.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
unit=${1:-$here/../../deploy/gpuwarden.service}
if ! command -v systemd-analyze >/dev/null; then
  echo "skipped: systemd-analyze is not installed (apt-get install systemd)"
  exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bad=0

# The program need not be installed for the check.
sed 's|^ExecStart=.*|ExecStart=/bin/true|' "$unit" >"$work/gpuwarden.service"
said=$(SYSTEMD_LOG_LEVEL=warning systemd-analyze verify --man=no "$work/gpuwarden.service" 2>&1) || true
if said=$(grep -F "gpuwarden.service" <<<"$said"); then  # what it says of other units is not our business
  printf '%s\n' "$said"
  bad=1
fi

# 11 = 1.1 of 10, the least exposure that a daemon with network access and files of its own reaches.
if ! exposure=$(systemd-analyze security --offline=true --no-pager --threshold=11 "$unit" 2>&1); then
  grep -E '^✗' <<<"$exposure" || true
  tail -n 1 <<<"$exposure"
  bad=1
fi
for line in 'RuntimeDirectory=gpuwarden' 'StateDirectory=gpuwarden' 'LogsDirectory=gpuwarden' 'ProtectSystem=strict'; do
  grep -qxF "$line" "$unit" || { echo "$unit: no line $line: a default path of the configuration cannot be written"; bad=1; }
done
[ "$bad" = 0 ] && echo "service: in order"
exit "$bad"
