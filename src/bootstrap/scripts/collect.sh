#!/bin/bash
# The evidence, as sections "@@ name"; with the worker's directory as argument also its files. Bounded in size and
# time: on a sick machine each of these may hang.
set -u
run=${1:-}
section() {
  printf '@@ %s\n' "$1"
  shift
  timeout -k 1 4 "$@" 2>&1 | head -c 6000
  printf '\n'
}
if [ -n "$run" ] && [ -f "$run/lib.sh" ]; then
  # shellcheck source=lib.sh
  . "$run/lib.sh"
  gw_load
  for name in status bootstrap worker; do
    file=$run/$name.log
    if [ $name = status ]; then file=$run/status; fi
    printf '@@ %s\n' "$name"
    if [ $name = status ]; then
      tail -n 20 -- "$file" | head -c 20000
    else
      gw_tail "$file" 100
      if [ ${#gw_lines[@]} -gt 0 ]; then printf '%s\n' "${gw_lines[@]}"; fi
    fi
  done
fi
section nvidia_smi nvidia-smi
section df df -Pm
if command -v free >/dev/null; then section free free -m; else section free head -n 8 /proc/meminfo; fi
memory=/sys/fs/cgroup/memory.events
if [ -r $memory ]; then section cgroup_memory cat $memory; fi
if command -v ps >/dev/null; then
  section ps ps -eo pid,ppid,stat,etime,rss,comm
else
  printf '@@ ps\n'
  for stat in /proc/[0-9]*/stat; do { IFS= read -r line <"$stat" && printf '%.60s\n' "$line"; } 2>/dev/null; done | head -n 100
fi
if command -v dmesg >/dev/null; then
  printf '@@ dmesg\n'
  timeout -k 1 4 dmesg 2>/dev/null | tail -n 200 | while IFS= read -r line; do
    case ${line,,} in *oom* | *killed\ process* | *xid* | *nvrm*) printf '%s\n' "$line" ;; esac
  done | tail -n 20
fi
exit 0
