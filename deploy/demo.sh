#!/usr/bin/env bash
# Shows gpuwarden at work on this machine, with no account anywhere: installs what is missing, builds, starts the sandbox
# (PostgreSQL, PostgREST, OpenSSH pods, a stand-in for Runpod) and the daemon, queues tasks and watches the fleet.
# Ends with 1 and the reason when anything is not as it should be.
#
#   deploy/demo.sh                            20 tasks, fleet 0 -> several -> 0
#   deploy/demo.sh --scenario worker-crash    workers die at start; the cause is named, the breaker opens, heals, closes
#   deploy/demo.sh --scenario list            the other scenarios
#   deploy/demo.sh --tasks 50 --keep          more tasks; leave sandbox and daemon running, to look around
#
# Further options: --preset NAME (release), --limit SECONDS, --no-build (use what is built).
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
scenario=healthy tasks=20 keep=no preset=release limit='' build=yes

usage() { sed -n '2,12p' "${BASH_SOURCE[0]}" | sed 's/^# \{0,1\}//'; }
wrong() { echo "demo.sh: $* (see deploy/demo.sh --help)" >&2; exit 2; }
while [ $# -gt 0 ]; do
  case $1 in
    --scenario) scenario=${2:-}; shift; [ -n "$scenario" ] || wrong "--scenario needs a name" ;;
    --tasks) tasks=${2:-}; shift; [[ $tasks =~ ^[1-9][0-9]*$ ]] || wrong "--tasks needs a number" ;;
    --keep) keep=yes ;;
    --no-build) build=no ;;
    --preset) preset=${2:-}; shift; [ -n "$preset" ] || wrong "--preset needs a name" ;;
    --limit) limit=${2:-}; shift; [[ $limit =~ ^[1-9][0-9]*$ ]] || wrong "--limit needs seconds" ;;
    -h | --help) usage; exit 0 ;;
    *) wrong "unknown option $1" ;;
  esac
  shift
done

# shellcheck source=deploy/lib/packages.sh
. "$root/deploy/lib/packages.sh"
# shellcheck source=deploy/lib/timeline.sh
. "$root/deploy/lib/timeline.sh"
# shellcheck source=deploy/lib/demo_checks.sh
. "$root/deploy/lib/demo_checks.sh"
cd "$root"
gpuwarden=$root/build/$preset/gpuwarden
sandbox=$root/build/$preset/gpuwarden-sandbox
if [ $build = yes ]; then
  gw_install_build_packages
  gw_install_sandbox_packages
  gw_install_postgrest
  echo "== building (preset $preset)"
  cmake --preset "$preset" >/dev/null
  cmake --build --preset "$preset" --target gpuwarden gpuwarden-sandbox | tail -n 1
fi
if [ "$scenario" = list ]; then exec "$sandbox" scenario; fi

# How each scenario is shown. when: there from the start, or met by a fleet at work. repair: does it end by our hand? sign: what the
# timeline must show of it.
when=start repair=yes sign=''
failure='(worker_failed|cause_sharpened).* '
case $scenario in
  healthy | slow-provisioning* | create-500-but-created* | list-lag* | ssh-refused:later) repair=no ;;
  no-capacity*) sign='held_back placement' ;;
  image-pull-failure) sign="${failure}image_pull_failed" ;;
  ssh-refused:auth) sign="${failure}ssh_auth_failed" ;;
  ssh-refused:hostkey) sign="${failure}ssh_host_key_mismatch" ;;
  ssh-refused*) sign="${failure}ssh_unreachable" ;;
  cut-off) sign="${failure}setup_failed" ;;
  script-failure:fetch) sign="${failure}fetch_failed" ;;
  script-failure:preflight) sign="${failure}preflight_gpu" ;;
  script-failure*) sign="${failure}setup_failed" ;;
  worker-crash:later) sign="${failure}worker_crashed" ;;
  worker-crash*) sign="${failure}start_failed" ;;
  heartbeat-loss) when=busy sign="${failure}(preflight_network|heartbeat_lost)|held_back observer" ;;
  supabase-outage* | rate-limit*) when=busy sign='^(warning|error) ' ;;
esac
if [ -z "$limit" ]; then
  if [ "$scenario" = healthy ]; then limit=$((60 + tasks * 3 / 2)); else limit=$((200 + tasks * 2)); fi
fi

dir=$(mktemp -d "${TMPDIR:-/tmp}/gpuwarden-demo.XXXXXX")
# PostgreSQL runs as another user when this is root's: it must get to its directory, but need not see what else is there.
chmod 0711 "$dir"
(umask 077; : >"$dir/ready.json")
daemon_pid='' sandbox_pid=''
finish() {
  local code=$?
  if [ "$keep" = yes ] && [ $code -eq 0 ]; then
    echo "Left running: daemon $daemon_pid, sandbox $sandbox_pid. To look around: set -a; . $env_file; set +a; $gpuwarden status"
    echo "To stop both: kill $daemon_pid $sandbox_pid; then: rm -rf $dir"
    return
  fi
  for pid in $daemon_pid $sandbox_pid; do kill "$pid" 2>/dev/null || true; done
  for pid in $daemon_pid $sandbox_pid; do wait "$pid" 2>/dev/null || true; done
  if [ $code -eq 0 ]; then rm -rf "$dir"; else echo "Logs are kept in $dir" >&2; fi
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

began_s=$(date +%s)
die() {
  tl_events 2>/dev/null || true
  say "FAILED: $*"
  if [ -s "$dir/daemon.log" ]; then { echo "Last lines of the daemon's log:"; tail -n 15 "$dir/daemon.log"; } >&2; fi
  exit 1
}

echo "== sandbox (scenario $scenario)"
first=$scenario
[ $when = start ] || first=healthy
"$sandbox" --dir "$dir/sandbox" --scenario "$first" >>"$dir/ready.json" 2>"$dir/sandbox.log" &
sandbox_pid=$!
for _ in $(seq 300); do
  [ -s "$dir/ready.json" ] && break
  if ! kill -0 "$sandbox_pid" 2>/dev/null; then
    wait "$sandbox_pid" && code=0 || code=$?
    cat "$dir/sandbox.log" >&2
    exit "$code"
  fi
  sleep 0.1
done
[ -s "$dir/ready.json" ] || die "the sandbox was not ready within 30 s: $(tail -n 3 "$dir/sandbox.log")"
env_file=$(jq -r .env_file "$dir/ready.json")
say "sandbox is up: $env_file"

set -a
# shellcheck disable=SC1090
. "$env_file"
set +a
"$gpuwarden" config --check >"$dir/config.txt" 2>&1 || { cat "$dir/config.txt" >&2; die "the sandbox's configuration does not hold"; }
: >"$dir/daemon.log"
LOG_FORMAT=json "$gpuwarden" run >>"$dir/daemon.log" 2>&1 &
daemon_pid=$!
"$sandbox" tasks add "$tasks" --dir "$dir/sandbox" >/dev/null || die "no tasks could be queued"
say "daemon started, $tasks tasks queued"

switch() { # scenario: changes the running sandbox
  "$sandbox" scenario "$1" --dir "$dir/sandbox" >"$dir/switch.txt" 2>&1 || { cat "$dir/switch.txt" >&2; die "the sandbox cannot be switched to $1"; }
}

pods=0 active=0 breaker=closed most=0 complete=0
trouble=no     # no, on (switched on), seen (it shows), over (repaired)
trouble_at=0   # when it was first seen
[ $when = start ] && [ $repair = yes ] && trouble=on
shown_s=25     # how long trouble is left alone that opens no breaker
while :; do
  tl_events
  tl_status
  now=$(tl_now)
  if [ $when = busy ] && [ $trouble = no ] && [ "$active" -ge 2 ]; then
    switch "$scenario"
    say "the fleet is at work; now the sandbox has scenario $scenario"
    trouble=on tl_seen=''
  fi
  if [ $trouble = on ] && grep -qE "$sign" <<<"$tl_seen"; then
    trouble=seen trouble_at=$now
  fi
  if [ $trouble = seen ] && { [ "$breaker" = open ] || [ $((now - trouble_at)) -ge $shown_s ]; }; then
    say "this is what the daemon says of it:"
    tl_trouble
    switch healthy
    trouble=over
    say "sandbox repaired (scenario healthy); the rest happens by itself"
  fi
  if [ $trouble = on ] && [ "$now" -ge $((limit / 2)) ]; then die "nothing of $scenario was to be seen within $now s"; fi
  state=$("$sandbox" state --dir "$dir/sandbox") || die "the sandbox does not answer: $(tail -n 3 "$dir/sandbox.log")"
  complete=$(jq -r '.tasks.complete // 0' <<<"$state")
  if [ "$complete" = "$tasks" ] && [ "$(jq -r '.pods | length' <<<"$state")" = 0 ]; then break; fi
  kill -0 "$daemon_pid" 2>/dev/null || die "the daemon ended"
  [ "$now" -lt "$limit" ] || die "not done after $limit s: $complete of $tasks tasks complete, $(jq -r '.pods | length' <<<"$state") pods left"
  sleep 0.3
done
took=$(tl_now)
# The rows of the last pods end when they are absent from two lists.
for _ in $(seq 60); do
  tl_events
  [ "$("$gpuwarden" status --json 2>/dev/null | jq -r '.workers | length' 2>/dev/null)" != 0 ] || break
  sleep 0.5
done
say "all $complete tasks Complete; largest fleet: $most pods; no pod left"

[ $repair = no ] || [ $trouble = seen ] || [ $trouble = over ] || [[ $scenario == *:* ]] || die "the tasks were done before $scenario was to be seen"
[ "$(jq -r '.tasks.completed_twice // 0' <<<"$state")" = 0 ] || die "$(jq -r .tasks.completed_twice <<<"$state") tasks were completed twice"
[ "$(jq -r .duplicate_names <<<"$state")" = 0 ] || die "$(jq -r .duplicate_names <<<"$state") pods were created a second time under the same name"
check() { # name, arguments: a check whose result is part of the story
  local text
  text=$("check_$1" "${@:2}" 2>"$dir/check.txt") || { [ -z "$text" ] || say "$text"; die "$(cat "$dir/check.txt")"; }
  [ -z "$text" ] || say "$text"
}
check every_failure_has_a_cause
case $scenario in
  healthy) ! grep -q '"event":"worker_failed"' "$dir/daemon.log" || die "a worker failed in a healthy sandbox" ;;
  supabase-outage* | rate-limit*)
    ! grep -qE '"cause":"(heartbeat_lost|worker_crashed)"' "$dir/daemon.log" || die "a worker that only could not be observed was given up"
    ;;
  worker-crash | worker-crash:argument)
    check promptness 5000
    check pods_before_breaker 7
    check one_canary_first
    ;;
esac

echo "== status"
"$gpuwarden" status
if grep -q '"event":"worker_failed"' "$dir/daemon.log"; then
  echo "== failures"
  "$gpuwarden" failures
fi
if [ $keep = no ]; then
  kill "$daemon_pid"
  wait "$daemon_pid" && code=0 || code=$?
  daemon_pid=''
  [ "$code" = 0 ] || die "the daemon ended with $code when asked to stop"
fi
echo "demo done in $took s"
