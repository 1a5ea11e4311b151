#!/bin/bash
# bootstrap.sh DIRECTORY: the startup script of a worker: preflight, fetch, setup, start; then it stays as the agent.
# Standard output is the bootstrap log.
set -u
umask 022
run=$1
printf '%s\n' "$$" >"$run/bootstrap.pid"
printf '%s\n' "$$" >"$run/agent.pid"
for part in lib log_lines couriers preflight checkout lock process agent lease; do
  # shellcheck source=/dev/null
  . "$run/$part.sh"
done
gw_load
gw_keep_secrets
trap '' HUP

gw_step=preflight
# gw_begin STEP
gw_begin() {
  gw_step=$1
  printf '%s\n' "$1" >"$run/step"
  gw_status "$1" begin
}

# gw_fail EXIT [NAME=VALUE]...: this step has failed; gw_lines says why. What stays only watches the pod's lease.
gw_fail() {
  local code=$1
  shift
  gw_status "$gw_step" fail "exit=$code" "$@"
  if [ "$gw_preflight_only" = 1 ]; then gw_end_checkup; fi
  gw_agent idle
}

# Nothing stays behind on a pod that was only looked at.
gw_end_checkup() {
  gw_step=over
  exit 0
}

# A defect of the script itself must not pass for silence. A child that is killed before it has dropped this trap
# runs it too: its end says nothing about the script.
gw_unexpected() {
  local code=$?
  if [ "$BASHPID" != "$$" ] || [ "$gw_step" = over ]; then exit "$code"; fi
  gw_tail "$run/bootstrap.log"
  gw_lines+=("the startup script ended unexpectedly in $gw_step")
  gw_status "$gw_step" fail "exit=$((code == 0 ? 1 : code))"
}
trap gw_unexpected EXIT

# Its complaints are no words of the step that runs meanwhile.
if [ "$gw_preflight_only" = 0 ] && command -v curl >/dev/null; then gw_courier_of_reports >>"$run/reports.log" & fi

gw_begin preflight
gw_preflight
gw_status preflight end exit=0
if [ "$gw_preflight_only" = 1 ]; then gw_end_checkup; fi

gw_begin fetch
log_from=$(stat -c %s "$run/bootstrap.log")
if ! gw_fetch; then
  code=$gw_exit
  gw_tail "$run/bootstrap.log" 30 "$log_from"
  gw_fail "$code"
fi
printf '%s\n' "$gw_where" >"$run/where"
gw_status fetch end exit=0 "commit=$gw_commit"

gw_begin setup
log_from=$(stat -c %s "$run/bootstrap.log")
if ! gw_setup; then
  code=$gw_exit
  gw_tail "$run/bootstrap.log" 30 "$log_from"
  gw_signal_name signal "$code"
  gw_fail "$code" "signal=$signal"
fi
gw_status setup end exit=0

gw_begin start
gw_agent worker
