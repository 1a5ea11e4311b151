#!/bin/bash
# The agent: stays on the pod, starts the worker, notices its end at once, heartbeats while it lives, obeys what the
# database says, and deletes its pod when nobody answers any more. One loop over one pipe of events; it sleeps in
# `read` and is woken by the event itself.

gw_grace_ms=3000      # a worker that ends sooner has not started
gw_stop_patience=10000 # from TERM to KILL

# gw_agent worker|idle: never returns. Idle: a step has failed, so there is nothing to supervise.
gw_agent() {
  local interval
  gw_seconds_ms interval "$gw_heartbeat_interval"
  gw_seconds_ms gw_lease_ms "$gw_pod_lease"
  # Shorter would end healthy pods between two heartbeats.
  gw_least_lease_ms=$((gw_grace_ms + 3 * interval))
  if ((gw_lease_ms < gw_least_lease_ms)); then gw_lease_ms=$gw_least_lease_ms; fi
  gw_own_lease_ms=$gw_lease_ms
  gw_now gw_began
  gw_contact=$gw_began gw_busy=unknown gw_announced=0 gw_restarts=0 gw_lives=0 gw_life=0 gw_watcher='' gw_unwatched=0
  gw_beating='' gw_told_drain=0 gw_stopping=0 gw_kill_at=0 gw_restart_at=0 gw_trim_at=0 gw_retry_lease=0 gw_grace_at=0
  exec {gw_events}<>"$run/events"
  trap gw_end_of_container TERM INT
  if [ "$1" = worker ]; then gw_first_start; fi
  gw_step=over
  local line begun=''
  while :; do
    gw_do_what_is_due
    gw_next_due
    # The time may run out in the middle of a line: what was read so far begins the next one.
    if IFS= read -r -t "$gw_due_s" -u "$gw_events" line; then
      # shellcheck disable=SC2086 # our own words
      gw_event $begun$line
      begun=''
    else
      begun+=$line
    fi
  done
}

# gw_event NAME WORD...
gw_event() {
  case $1 in
    exit) if (($2 == gw_life && gw_lives == 1)); then gw_worker_ended "$3"; fi ;;
    answer) gw_answered "$2" "$3" "$4" "$5" ;;
  esac
}

gw_first_start() {
  if ((gw_auto_start == 1)); then
    gw_lives=1
    gw_start_worker
  else
    gw_log "AUTO_START_WORKER_PROCESS is off: only the agent runs"
    : >"$run/alive"
    gw_started=$((gw_began - gw_grace_ms))
  fi
}

# Seconds until something is due, at most 5.
gw_next_due() {
  local now due at
  gw_now now
  due=$((now + 5000))
  for at in "$gw_kill_at" "$gw_restart_at" "$gw_grace_at"; do
    if ((at > 0)) && ((at < due)); then due=$at; fi
  done
  at=$((gw_contact + gw_lease_ms))
  if ((at < due)) && ((at > now)); then due=$at; fi
  if ((due <= now)); then due=$((now + 10)); fi
  printf -v gw_due_s '%d.%03d' $(((due - now) / 1000)) $(((due - now) % 1000))
}

gw_do_what_is_due() {
  local now
  gw_look_for_end
  gw_now now
  if ((gw_announced == 0)) && [ -z "$gw_beating" ] && [ -e "$run/alive" ]; then
    gw_grace_at=$((gw_started + gw_grace_ms))
    if ((now >= gw_grace_at)); then
      gw_grace_at=0
      if ((gw_agent_heartbeats == 1)); then gw_beat; else gw_announce; fi
    fi
  fi
  if ((gw_kill_at > 0)) && ((now >= gw_kill_at)); then
    gw_kill_at=0
    gw_log "the worker has not ended by itself: killed"
    gw_kill_tree
  fi
  if ((gw_restart_at > 0)) && ((now >= gw_restart_at)); then
    gw_restart_at=0
    gw_lives=1
    gw_start_worker
    if ((gw_announced == 1)) && ((gw_agent_heartbeats == 1)); then gw_beat; fi
  fi
  if ((now >= gw_trim_at)); then
    gw_trim_at=$((now + 10000))
    gw_trim_log
    if [ -n "$gw_mark" ] && ((gw_lives == 1)); then touch -- "$gw_mark.used" 2>/dev/null; fi
  fi
  gw_watch_lease "$now"
}

gw_watch_lease() {
  if (($1 - gw_contact < gw_lease_ms || $1 < gw_retry_lease)); then return; fi
  if ((gw_lives == 1)) && [ "$gw_busy" = true ]; then return; fi
  gw_retry_lease=$(($1 + 60000))
  rm -f "$run/alive"
  gw_stopping=1
  gw_signal_tree TERM
  gw_kill_at=$(($1 + gw_stop_patience))
  gw_delete_own_pod
}

gw_beat() {
  gw_courier_of_heartbeats &
  gw_beating=$!
}

gw_no_more_beats() {
  local children=''
  rm -f "$run/alive"
  [ -n "$gw_beating" ] || return 0
  { read -r children <"/proc/$gw_beating/task/$gw_beating/children"; } 2>/dev/null
  # shellcheck disable=SC2086 # a list of pids
  kill "$gw_beating" $children 2>/dev/null
  gw_beating=''
}

# The worker is up: the last line of the startup script.
gw_announce() {
  gw_announced=1
  gw_status start end exit=0
}

# gw_answered KIND DIRECTIVE LEASE BUSY
gw_answered() {
  gw_now gw_contact
  if [ "$4" != unknown ]; then gw_busy=$4; fi
  # The operator's setting and the database's word: the shorter one holds.
  gw_lease_ms=$gw_own_lease_ms
  if (($3 > 0 && $3 * 1000 < gw_lease_ms)); then gw_lease_ms=$(($3 * 1000)); fi
  if ((gw_lease_ms < gw_least_lease_ms)); then gw_lease_ms=$gw_least_lease_ms; fi
  if [ "$1" = heartbeat ] && ((gw_announced == 0)) && [ -e "$run/alive" ]; then gw_announce; fi
  case $2 in
    drain) gw_drain ;;
    stop) gw_stop ;;
  esac
}

# The worker may look at $GPUWARDEN_DRAIN_FILE; it gets no further task in any case.
gw_drain() {
  if ((gw_told_drain == 1)); then return; fi
  gw_told_drain=1
  gw_log "directive: drain"
  : >"$run/drain"
}

gw_stop() {
  if ((gw_stopping == 1)); then return; fi
  gw_stopping=1
  gw_log "directive: stop"
  : >"$run/drain"
  gw_no_more_beats
  if ((gw_lives == 0)); then return; fi
  gw_signal_tree TERM
  local now
  gw_now now
  gw_kill_at=$((now + gw_stop_patience))
}

# The event tells of the worker's end at once. Where whoever watched the worker was killed itself, there is none; the
# second look, at most 5 s later, gives one that is on its way the time to arrive.
gw_look_for_end() {
  local pid=''
  if ((gw_lives == 0)) || [ -z "$gw_watcher" ] || kill -0 "$gw_watcher" 2>/dev/null; then return; fi
  { read -r pid <"$run/worker.pid"; } 2>/dev/null
  if [ -n "$pid" ] && gw_alive "$pid"; then return; fi
  gw_unwatched=$((gw_unwatched + 1))
  if ((gw_unwatched < 2)); then return; fi
  gw_log "the worker has ended, and so has the process that watched it: its exit code is taken for 137, a kill"
  gw_worker_ended 137
}

# gw_worker_ended CODE
gw_worker_ended() {
  local code=$1 now signal ran
  gw_now now
  gw_lives=0 gw_grace_at=0
  gw_no_more_beats
  gw_kill_at=0
  gw_signal_name signal "$code"
  printf -v ran '%d.%03d' $(((now - gw_started) / 1000)) $(((now - gw_started) % 1000))
  gw_log "the worker has ended after $ran s with exit code $code${signal:+ ($signal)}"
  gw_judge_end "$code" "$signal" "$ran" "$now"
  # What it left behind holds the GPU's memory. After the report, because looking through all processes takes its time.
  gw_kill_tree
}

gw_judge_end() {
  local code=$1 signal=$2 ran=$3 now=$4
  if ((gw_stopping == 1)); then return; fi
  if ((gw_told_drain == 1)) && ((code == 0)); then return; fi
  if ((gw_restarts < gw_max_restarts)); then
    gw_restarts=$((gw_restarts + 1))
    gw_log "restart $gw_restarts of $gw_max_restarts"
    gw_restart_at=$((now + 1000 * (gw_restarts < 30 ? gw_restarts : 30)))
    return
  fi
  gw_report_crash "$code" "$signal" "$ran"
}

# Before the worker was up its end is a step that failed, afterwards a crash.
gw_report_crash() {
  local tail name
  gw_take_lines all
  gw_tail "$run/worker.log"
  if ((gw_announced == 0)); then
    gw_status start fail "exit=$1" "signal=$2"
    return
  fi
  gw_tail_json tail
  gw_json name "$2"
  if [ -z "$2" ]; then name=null; fi
  gw_spool "{\"kind\":\"crash\",\"exit_code\":$1,\"signal\":$name,\"tail\":$tail,\"ran_s\":$3$gw_new_lines}"
  gw_lines_sent
  gw_status start fail "exit=$1" "signal=$2" report=no
}

gw_end_of_container() {
  trap - TERM INT EXIT
  gw_no_more_beats
  gw_signal_tree TERM
  local look
  for look in 1 2 3 4 5 6 7 8 9 10; do
    gw_find_tree
    if [ ${#gw_tree[@]} -eq 0 ]; then break; fi
    gw_nap "0.$look"
  done
  gw_kill_tree
  exit 143
}
