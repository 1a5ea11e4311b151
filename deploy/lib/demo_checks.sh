# shellcheck shell=bash
# shellcheck disable=SC2154 # dir is demo.sh's
# What must be true of a run of demo.sh, read from the daemon's log (dir/daemon.log) and the pods' logs (dir/sandbox/logs/POD.log).
# Each prints what it found as one line and fails with the reason on standard error.

gw_events() { jq -cR 'fromjson? | select(type == "object" and has("event"))' "$dir/daemon.log"; }

# Time between the end of a worker process, as the pod noted it, and the line in the log that names the cause.
check_promptness() {
  local most_ms=$1 worker_pod ts died slowest=-1 count=0 took
  while read -r worker_pod ts; do
    died=$(sed -n 's/^@gpuwarden //p' "$dir/sandbox/logs/$worker_pod.log" 2>/dev/null |
      jq -rR 'fromjson? | select(.step == "start" and .event == "fail") | .t' | head -n 1)
    [ -n "$died" ] || continue
    took=$(($(date -d "$ts" +%s%3N) - $(date -d "$died" +%s%3N)))
    count=$((count + 1))
    [ "$took" -le "$slowest" ] || slowest=$took
  done < <(gw_events | jq -r 'select(.event == "worker_failed" and .cause == "start_failed") | "\(.pod) \(.ts)"')
  [ $count -gt 0 ] || { echo "no worker's death at start was named" >&2; return 1; }
  printf 'cause named %d.%03d s after the worker process died, at most (%d workers)\n' $((slowest / 1000)) $((slowest % 1000)) $count
  [ "$slowest" -le "$most_ms" ] || { echo "the cause was named $slowest ms after the worker died, $most_ms ms expected" >&2; return 1; }
}

# How many pods were asked for before the breaker opened for the first time.
check_pods_before_breaker() {
  local most=$1 count
  count=$(gw_events | jq -rs 'map(select(.event == "spawning" or (.event == "save_breaker" and (.msg | test("open") and (test("half") | not))))) |
    (map(.event) | index("save_breaker")) as $open | if $open == null then "none" else $open end')
  [ "$count" != none ] || { echo "the breaker did not open" >&2; return 1; }
  echo "$count pods were created before the breaker opened"
  [ "$count" -le "$most" ] || { echo "$count pods were created before the breaker opened, at most $most expected" >&2; return 1; }
}

# After the breaker opened, one canary starts and nothing else until it has proved itself.
check_one_canary_first() {
  local found
  found=$(gw_events | jq -rs '
    (map(.event == "save_breaker" and (.msg | test("open") and (test("half") | not))) | index(true)) as $open |
    .[$open:] | map(select(.event == "spawning" or .event == "activate" and .level == "info" or .event == "worker_failed")) |
    (map(.event == "spawning") | index(true)) as $first |
    if $first == null then "no worker was started after the breaker had opened" else
      .[$first] as $canary |
      (.[$first + 1:] | (map(.worker == $canary.worker and .event != "spawning") | index(true)) as $proved |
        .[:$proved] | map(select(.event == "spawning")) | length) as $others |
      if $canary.canary != "true" then "the first worker after the breaker had opened was no canary: \($canary.worker)"
      elif $others > 0 then "\($others) more workers were started before the canary had proved itself"
      else "ok \($canary.worker | split("-") | last)" end
    end')
  [[ $found == ok* ]] || { echo "$found" >&2; return 1; }
  echo "one canary (${found#ok }) ran first and alone after the repair"
}

# No failure may be without a cause.
check_every_failure_has_a_cause() {
  local unnamed
  unnamed=$(gw_events | jq -r 'select(.event == "worker_failed" and (.cause // "unclassified") == "unclassified") | .worker')
  [ -z "$unnamed" ] || { echo "failures without a cause: ${unnamed//$'\n'/ }" >&2; return 1; }
}
