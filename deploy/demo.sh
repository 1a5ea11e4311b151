#!/usr/bin/env bash
# Shows gpuwarden at work on this machine, with no account anywhere: installs what is missing, builds, starts the sandbox
# (PostgreSQL, PostgREST, OpenSSH pods, a stand-in for Runpod) and the daemon, queues tasks and watches the fleet.
#
#   deploy/demo.sh                            20 tasks, fleet 0 -> several -> 0
#   deploy/demo.sh --scenario worker-crash    workers die at start; the cause is named, the breaker opens, heals, closes
#   deploy/demo.sh --tasks 50 --keep          more tasks; leave sandbox and daemon running, to look around
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
scenario=healthy tasks=20 keep=no preset=release limit=240

usage() { sed -n '2,7p' "${BASH_SOURCE[0]}" | sed 's/^# \{0,1\}//'; }
while [ $# -gt 0 ]; do
  case $1 in
    --scenario) scenario=${2:?--scenario needs a name}; shift 2 ;;
    --tasks) tasks=${2:?--tasks needs a number}; shift 2 ;;
    --keep) keep=yes; shift ;;
    --preset) preset=${2:?--preset needs a name}; shift 2 ;;
    --limit) limit=${2:?--limit needs seconds}; shift 2 ;;
    -h | --help) usage; exit 0 ;;
    *) echo "demo.sh: unknown option $1 (see deploy/demo.sh --help)" >&2; exit 2 ;;
  esac
done

# shellcheck source=deploy/lib/packages.sh
. "$root/deploy/lib/packages.sh"
gw_install_build_packages
gw_install_sandbox_packages
gw_install_postgrest
cd "$root"
echo "== building (preset $preset)"
cmake --preset "$preset" -DGPUWARDEN_TESTS=OFF >/dev/null
cmake --build --preset "$preset" --target gpuwarden gpuwarden-sandbox | tail -n 1
gpuwarden=$root/build/$preset/gpuwarden
sandbox=$root/build/$preset/gpuwarden-sandbox

dir=$(mktemp -d "${TMPDIR:-/tmp}/gpuwarden-demo.XXXXXX")
daemon_pid='' sandbox_pid=''
finish() {
  local code=$?
  if [ "$keep" = yes ] && [ $code -eq 0 ]; then
    echo "Left running: daemon $daemon_pid, sandbox $sandbox_pid. Stop both: kill $daemon_pid $sandbox_pid"
    return
  fi
  for pid in $daemon_pid $sandbox_pid; do kill "$pid" 2>/dev/null || true; done
  for pid in $daemon_pid $sandbox_pid; do wait "$pid" 2>/dev/null || true; done
  if [ $code -eq 0 ]; then rm -rf "$dir"; else echo "Logs are kept in $dir" >&2; fi
}
trap finish EXIT

began=$SECONDS
say() { printf '%3ds  %s\n' $((SECONDS - began)) "$*"; }
die() { say "FAILED: $*"; tail -n 30 "$dir/daemon.log" >&2 || true; exit 1; }

echo "== sandbox (scenario $scenario)"
"$sandbox" --dir "$dir/sandbox" --scenario "$scenario" >"$dir/ready.json" 2>"$dir/sandbox.log" &
sandbox_pid=$!
for _ in $(seq 300); do
  [ -s "$dir/ready.json" ] && break
  kill -0 "$sandbox_pid" 2>/dev/null || { cat "$dir/sandbox.log" >&2; die "the sandbox did not start"; }
  sleep 0.1
done
[ -s "$dir/ready.json" ] || die "the sandbox was not ready within 30 s"
env_file=$(jq -r .env_file "$dir/ready.json")
say "sandbox is up: $(jq -r '.env_file' "$dir/ready.json")"

set -a
# shellcheck disable=SC1090
. "$env_file"
set +a
"$gpuwarden" config --check >/dev/null || { "$gpuwarden" config --check; die "the sandbox's configuration does not hold"; }
"$gpuwarden" run >"$dir/daemon.log" 2>&1 &
daemon_pid=$!
"$sandbox" tasks add "$tasks" --dir "$dir/sandbox" >/dev/null
say "daemon started, $tasks tasks queued"

# One line whenever the picture changes, and every lifecycle line of the daemon's log that a person would read.
last='' shown=0 fixed=no most=0 log_lines=0
picture() {
  "$gpuwarden" status --json 2>/dev/null | jq -r '[.scale.queued // 0, .scale.running // 0, .scale.spawning // 0,
    .scale.active // 0, .scale.draining // 0, .pods // 0, .breaker.state // "closed"] | @tsv' 2>/dev/null || true
}
show_log() {
  local total
  total=$(wc -l <"$dir/daemon.log")
  [ "$total" -gt "$log_lines" ] || return 0
  sed -n "$((log_lines + 1)),${total}p" "$dir/daemon.log" |
    jq -rR 'fromjson? | select(.event as $e | ["spawn","activate","worker_failed","drain","confirm_gone","save_breaker","held_back","released","delete_orphan","cause_sharpened"] | index($e)) |
      "\(.event)  \(.worker // .gate // "")  \(.cause // "")\(if .cause then ": " else "" end)\(.msg)\(if .evidence then "\n        evidence: " + .evidence else "" end)\(if .advice then "\n        advice:   " + .advice else "" end)"' |
    while IFS= read -r line; do say "$line"; done
  log_lines=$total
}
while :; do
  show_log
  now=$(picture)
  if [ -n "$now" ] && [ "$now" != "$last" ]; then
    IFS=$'\t' read -r queued running spawning active draining pods breaker <<<"$now"
    say "queue $queued waiting, $running running | fleet $spawning spawning, $active active, $draining draining | pods $pods | breaker $breaker"
    last=$now
    [ "$pods" -gt "$most" ] && most=$pods
    if [ "$scenario" != healthy ] && [ "$fixed" = no ] && [ "$breaker" = open ]; then
      "$gpuwarden" failures --limit 3 || true
      "$sandbox" scenario healthy --dir "$dir/sandbox" >/dev/null
      say "sandbox repaired (scenario healthy); the rest happens by itself"
      fixed=yes
    fi
  fi
  state=$("$sandbox" state --dir "$dir/sandbox")
  complete=$(jq -r '.tasks.complete // 0' <<<"$state")
  [ "$(jq -r '.pods | length' <<<"$state")" = 0 ] && [ "$complete" = "$tasks" ] && break
  kill -0 "$daemon_pid" 2>/dev/null || die "the daemon ended"
  [ $((SECONDS - began)) -lt "$limit" ] || die "not done after $limit s: $complete of $tasks tasks complete"
  shown=$((shown + 1))
  sleep 0.3
done
sleep 2.5 # two more ticks: rows of the last pods end
show_log
say "all $complete tasks Complete; largest fleet: $most pods; no pod left"
twice=$(jq -r '.tasks.completed_twice // 0' <<<"$state")
[ "$twice" = 0 ] || die "$twice tasks were completed twice"
echo "== status"
"$gpuwarden" status
if [ "$scenario" != healthy ]; then
  echo "== failures"
  "$gpuwarden" failures
fi
echo "demo done in $((SECONDS - began)) s"
