#!/bin/bash
# The worker's processes: one session, marked in its environment, so that all of it can be found and ended.

# Starts the worker command; its end comes as the event "exit LIFE CODE" at the moment it happens.
gw_start_worker() {
  gw_read_token
  rm -f "$run/worker.pid"
  : >"$run/alive"
  gw_life=$((gw_life + 1)) gw_unwatched=0
  gw_now gw_started
  (
    trap - EXIT HUP TERM
    # shellcheck disable=SC2030
    export GPUWARDEN_TREE=$gw_worker GPUWARDEN_DRAIN_FILE=$run/drain GPUWARDEN_CHECKOUT=$gw_where
    # Otherwise the last words of a Python program that dies stay in its buffer.
    export PYTHONUNBUFFERED=${PYTHONUNBUFFERED-1}
    exec {gw_nap_fd}>&- {gw_events}>&-
    if ! cd -- "$gw_where" 2>>"$run/worker.log"; then
      gw_emit exit "$gw_life" 1
      exit
    fi
    session=()
    if command -v setsid >/dev/null; then session=(setsid); else set -m; fi
    "${session[@]}" bash -c "$gw_start_cmd" </dev/null >>"$run/worker.log" 2>&1 &
    printf '%s\n' "$!" >"$run/worker.pid"
    wait "$!"
    gw_emit exit "$gw_life" "$?"
  ) &
  gw_watcher=$!
}

# Pids of everything that the worker has started, into gw_tree: its session, and what carries its mark.
gw_find_tree() {
  local pid leader='' stat entry entries fields
  gw_tree=()
  { read -r leader <"$run/worker.pid"; } 2>/dev/null
  for pid in /proc/[0-9]*; do
    pid=${pid#/proc/}
    { IFS= read -r stat <"/proc/$pid/stat"; } 2>/dev/null || continue
    read -ra fields <<<"${stat##*) }"
    if [ "${fields[0]}" = Z ] || [ "${fields[0]}" = X ]; then continue; fi
    if [ -n "$leader" ] && { [ "${fields[3]}" = "$leader" ] || [ "${fields[2]}" = "$leader" ]; }; then
      gw_tree+=("$pid")
      continue
    fi
    entries=()
    { mapfile -d '' -t entries <"/proc/$pid/environ"; } 2>/dev/null
    for entry in "${entries[@]}"; do
      if [ "$entry" = "GPUWARDEN_TREE=$gw_worker" ]; then
        gw_tree+=("$pid")
        break
      fi
    done
  done
}

# gw_signal_tree SIGNAL
gw_signal_tree() {
  gw_find_tree
  if [ ${#gw_tree[@]} -gt 0 ]; then kill -s "$1" "${gw_tree[@]}" 2>/dev/null; fi
}

# Until nothing is left; what forks while it is being killed is found by the next look.
gw_kill_tree() {
  local look
  for look in 1 2 3 4 5; do
    gw_signal_tree KILL
    if [ ${#gw_tree[@]} -eq 0 ]; then return; fi
    gw_nap "0.0$look"
  done
}

# The log lies in memory: its older part is dropped before it takes what the worker needs.
gw_trim_log() {
  local size
  size=$(stat -c %s -- "$run/worker.log" 2>/dev/null) || return 0
  if [ "$size" -gt 8388608 ]; then
    tail -c 2097152 -- "$run/worker.log" >"$run/worker.log.kept"
    cat "$run/worker.log.kept" >"$run/worker.log"
    rm -f "$run/worker.log.kept"
  fi
}
