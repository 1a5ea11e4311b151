# shellcheck shell=bash
# What happens, as a person wants to read it: lines of the daemon's log and of its status, with seconds since the start.
# shellcheck disable=SC2154 # Sourced by demo.sh, which sets: dir (the log is dir/daemon.log), began_s (start, in seconds since 1970), gpuwarden (the program).

declare -A tl_told=()  # what was said last, by event and gate
tl_lines=0             # lines of the log that were looked at
tl_picture=''          # shape of the fleet that was shown last
tl_picture_at=-100
tl_seen=''             # level, event, gate, cause and text of everything shown, one a line

tl_now() { echo $(($(date +%s) - began_s)); }
say() { printf '%3ds  %s\n' "$(tl_now)" "$*"; }
tl_line() { printf '%3ds  %-15s %s\n' "$1" "$2" "$3"; }

# Fields of the new lines of the log, one line each, separated by the unit separator.
tl_fields() {
  jq -rR --argjson began "$began_s" 'fromjson? | select(type == "object" and has("event")) |
    [ ((.ts | sub("\\.[0-9]+Z$"; "Z") | fromdateiso8601) - $began | if . < 0 then 0 else . end), .event, .level,
      ((.worker // "") | split("-") | last // ""), .gate, .cause, .msg, .reason, .evidence, .advice, .error, .canary ]
    | map(. // "" | tostring | gsub("[\n\u001f]"; " ") | gsub(" \\(request [a-z0-9]+\\)"; "")) | join("\u001f")'
}

# tl_news KEY TEXT: true when this is not what was said last under that key.
tl_news() {
  [ "${tl_told[$1]:-}" != "$2" ] || return 1
  tl_told[$1]=$2
}

# The lifecycle lines that the log has got since the last call.
tl_events() {
  local total at event level worker gate cause msg reason evidence advice error canary text why
  total=$(wc -l <"$dir/daemon.log")
  [ "$total" -gt $tl_lines ] || return 0
  while IFS=$'\x1f' read -r at event level worker gate cause msg reason evidence advice error canary; do
    msg=${msg%"${msg##*[![:space:]]}"}
    text=${worker:+$worker  }$msg
    [ -z "$reason" ] || [ "$reason" = "$msg" ] || text+="  ($reason)"
    case $event in
      spawn | adopt | activate | drain | delete_orphan | abandon | rescue)
        if [ "$level" = info ]; then tl_line "$at" "$event" "$text"
        elif [ -z "${tl_told["failed $worker"]:-}" ] && tl_news "$event!" "$msg"; then tl_line "$at" "$event (!)" "$text"; fi
        ;;
      spawning) [ "$canary" != true ] || tl_line "$at" canary "$worker  starts alone, to show whether starts succeed again" ;;
      confirm_gone) if [ "$level" = info ]; then tl_line "$at" gone "$text"; fi ;;
      save_breaker) if [ "$level" = info ] && tl_news breaker "$msg"; then tl_line "$at" breaker "${text#breaker }"; fi ;;
      held_back) if tl_news "gate $gate" "$msg"; then tl_line "$at" held_back "$gate: $msg"; fi ;;
      released) tl_told["gate $gate"]='' && tl_line "$at" released "$gate" ;;
      source_lost | source_back) tl_line "$at" "$event" "$msg${error:+: $error}" ;;
      worker_failed | cause_sharpened)
        tl_told["failed $worker"]=yes
        # The same failure of the next worker needs no second explanation; ports and times may differ.
        why=$msg$evidence$advice
        if ! tl_news "why $cause" "${why//[0-9]/}"; then
          tl_line "$at" "$event" "${worker:+$worker  }$cause: the same"
        else
          tl_line "$at" "$event" "${worker:+$worker  }$cause: $msg"
          [ -z "$evidence" ] || tl_line "$at" '' "evidence: $evidence"
          [ -z "$advice" ] || tl_line "$at" '' "advice:   $advice"
        fi
        ;;
      *) continue ;;
    esac
    tl_seen+="$level $event $gate $cause $msg $error"$'\n'
  done < <(sed -n "$((tl_lines + 1)),${total}p" "$dir/daemon.log" | tl_fields)
  tl_lines=$total
}

# One line when the shape of the fleet has changed, at most every 4 s; every 10 s while only the queue moves. Sets pods, active and
# breaker, which stay as they are while the daemon does not know.
tl_status() {
  local now status queued running spawning draining shape
  status=$("$gpuwarden" status --json 2>/dev/null | jq -r 'select(.workers) | (.workers | map(.status)) as $all |
    [.queue.queued, .queue.running, ($all | map(select(. == "spawning")) | length), ($all | map(select(. == "active")) | length),
      ($all | map(select(. == "terminating" or . == "error")) | length), .pods, .breaker.state] | map(. // "?") | @tsv' 2>/dev/null) || return 0
  tl_events
  [ -n "$status" ] || return 0
  IFS=$'\t' read -r queued running spawning active draining pods breaker <<<"$status"
  [[ $pods != '?' && $pods -gt $most ]] && most=$pods
  [ -n "$tl_picture" ] || [ "$queued $spawning" != "0 0" ] || return 0 # it has not yet seen the tasks
  shape="$spawning $active $draining $breaker"
  now=$(tl_now)
  if [ "$shape" = "${tl_picture% / *}" ]; then
    [ "$shape / $queued $running" != "$tl_picture" ] && [ $((now - tl_picture_at)) -ge 10 ] || return 0
  elif [ $((now - tl_picture_at)) -lt 4 ] && [ "$breaker" = "${tl_breaker:-}" ]; then
    return 0
  fi
  tl_picture="$shape / $queued $running" tl_picture_at=$now tl_breaker=$breaker
  tl_line "$now" '' "queue $queued waiting, $running running | fleet $spawning spawning, $active active, $draining ending | breaker $breaker"
}

# What holds the daemon back and what it cannot read, as its status says.
tl_trouble() {
  "$gpuwarden" status --json 2>/dev/null | jq -r '(.gates[]? | "held back by \(.name): \(.reason)"), (.errors[]? | "cannot read \(.)"),
    (.last_errors[:3][]? | "last error: \(.)")' 2>/dev/null | sort -u | while IFS= read -r line; do tl_line "$(tl_now)" '' "$line"; done
}
