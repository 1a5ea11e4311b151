#!/bin/bash
# Everything that is sent to the database travels in processes of its own, so that no slow answer delays the agent:
# one delivers steps and crashes in order, one sends heartbeats while the worker lives. What the database answered
# comes back to the agent as a line in the pipe `events`.

# gw_emit WORD...: an event for the agent. Opened for both directions, so that it waits for nobody.
gw_emit() { printf '%s\n' "$*" 1<>"$run/events"; }

gw_emit_answer() {
  local directive=continue lease=0 busy=unknown
  if [[ $gw_answer =~ \"directive\"[[:space:]]*:[[:space:]]*\"([a-z]+)\" ]]; then directive=${BASH_REMATCH[1]}; fi
  if [[ $gw_answer =~ \"lease_sec\"[[:space:]]*:[[:space:]]*([0-9]{1,9}) ]]; then lease=${BASH_REMATCH[1]}; fi
  if [[ $gw_answer =~ \"busy\"[[:space:]]*:[[:space:]]*(true|false) ]]; then busy=${BASH_REMATCH[1]}; fi
  gw_emit answer "$1" "$directive" "$lease" "$busy"
}

# gw_pause NAME: the next pause in seconds, doubling to 30 s, with up to a quarter added at random.
gw_pause() {
  local _pause=${!1}
  _pause=$((_pause * 2 > 30000 ? 30000 : _pause * 2))
  printf -v "$1" '%d' "$_pause"
  local _whole=$((_pause + RANDOM % (_pause / 4 + 1)))
  printf -v gw_pause_s '%d.%03d' $((_whole / 1000)) $((_whole % 1000))
}

gw_courier_of_reports() {
  trap - EXIT
  local file report pause=250 wake why
  exec {wake}<>"$run/wake"
  while gw_alive $$; do
    for file in "$run"/spool/*.json; do
      [ -e "$file" ] || continue
      report=$(<"$file")
      if gw_send "$report"; then
        pause=250
        gw_emit_answer report
      else
        gw_why why
        gw_log "report not delivered: $why"
        # Steps that are refused stay refused; a crash must arrive.
        case $gw_http in
          400 | 401 | 403 | 413 | 422) if [[ $report == '{"kind":"step"'* ]]; then rm -f -- "$file"; fi ;;
        esac
        gw_pause pause
        gw_nap "$gw_pause_s"
        continue 2
      fi
      rm -f -- "$file"
    done
    read -r -t 5 -u "$wake" _ || true
  done
}

# Figures of the GPUs: totals over all of them, the busiest one's load. Nothing when the driver hangs or is gone.
gw_gpu_figures() {
  local total used load rest sum=0 sum_used=0 most=0
  gw_figures=
  while IFS=', ' read -r total used load rest; do
    : "$rest"
    [[ $total =~ ^[0-9]+$ && $used =~ ^[0-9]+$ ]] || continue
    sum=$((sum + total)) sum_used=$((sum_used + used))
    if [[ $load =~ ^[0-9]+$ ]] && [ "$load" -gt "$most" ]; then most=$load; fi
  done < <(timeout -k 1 5 nvidia-smi --query-gpu=memory.total,memory.used,utilization.gpu --format=csv,noheader,nounits 2>/dev/null)
  if [ $sum -gt 0 ]; then gw_figures=",\"vram_total_mb\":$sum,\"vram_used_mb\":$sum_used,\"gpu_util\":$most"; fi
}

# gw_disk_free NAME PATH: free megabytes there; empty when it cannot be said.
gw_disk_free() {
  local _megabytes
  _megabytes=$(timeout -k 1 5 df -m --output=avail -- "$2" 2>/dev/null | tail -n 1)
  _megabytes=${_megabytes//[!0-9]/}
  printf -v "$1" '%s' "$_megabytes"
}

# The answers to the last heartbeats, for those who ask why there was no further one.
gw_note_beat() {
  local now
  TZ=UTC0 printf -v now '%(%Y-%m-%dT%H:%M:%SZ)T' -1
  gw_beats+=("$now $1")
  if [ ${#gw_beats[@]} -gt 8 ]; then gw_beats=("${gw_beats[@]: -8}"); fi
  printf '%s\n' "${gw_beats[@]}" >"$run/beats.new" && mv "$run/beats.new" "$run/beats"
}

# One heartbeat each interval, from start to start, while $run/alive exists.
gw_courier_of_heartbeats() {
  trap - EXIT
  local interval next now disk why pause=250 waited=0
  gw_beats=()
  gw_seconds_ms interval "$gw_heartbeat_interval"
  while [ -e "$run/alive" ] && gw_alive $$; do
    # What the steps have to say comes first, so that the database sees them in order.
    while [ $waited -lt 20 ] && compgen -G "$run/spool/*.json" >/dev/null; do
      gw_nap 0.1
      waited=$((waited + 1))
    done
    gw_now next
    next=$((next + interval))
    gw_gpu_figures
    gw_disk_free disk "$gw_where"
    gw_now now
    [ -e "$run/alive" ] || break
    gw_take_lines
    if gw_send "{\"kind\":\"heartbeat\"$gw_figures${disk:+,\"disk_free_mb\":$disk},\"uptime_s\":$(((now - gw_began) / 1000))$gw_new_lines}"; then
      gw_lines_sent
      pause=250
      gw_emit_answer heartbeat
      gw_note_beat "HTTP $gw_http"
    else
      gw_why why
      gw_note_beat "not delivered: $why"
      gw_pause pause
      gw_now now
      if [ $((now + pause)) -lt "$next" ]; then next=$((now + pause)); fi
    fi
    gw_now now
    if [ "$next" -gt "$now" ]; then
      printf -v pause_s '%d.%03d' $(((next - now) / 1000)) $(((next - now) % 1000))
      gw_nap "$pause_s"
    fi
  done
}
