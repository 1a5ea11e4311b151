#!/bin/bash
# probe.sh DIRECTORY: exit 0 when the worker process lives, 1 when it does not; the last lines of its log, and where it
# has failed the status line that says how.
set -u
run=$1
# shellcheck source=lib.sh
. "$run/lib.sh"
gw_load
gw_tail "$run/worker.log" 20
if [ ${#gw_lines[@]} -gt 0 ]; then printf '%s\n' "${gw_lines[@]}"; fi
last=$(tail -n 1 -- "$run/status" 2>/dev/null)
case $last in *'"event":"fail"'*) printf '%s\n' "$last" ;; esac
{ read -r pid <"$run/worker.pid"; } 2>/dev/null || pid=''
if [ -n "$pid" ] && gw_alive "$pid"; then exit 0; fi
# Only the agent runs where the worker is not started by it.
if [ -z "$pid" ] && [ -e "$run/alive" ]; then exit 0; fi
exit 1
