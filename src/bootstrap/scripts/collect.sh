#!/bin/bash
# The evidence, as sections "@@ name"; with the worker's directory as argument also its files and what its settings lead
# to. What cannot be had is a line "name: reason" in the section `missing`; the last section is `end`. All probes run at
# once and each is bounded in size and time, because on a sick machine any of them may hang: the whole is over within 8 s.
# shellcheck disable=SC2317 # functions are called by name
set -u
run=${1:-}
patience=4 # s, of one command
limit=7000 # ms, of all
PATH=$PATH:/usr/local/nvidia/bin:/usr/local/cuda/bin
names=() pipes=() children=() redacts=no

boot_ms() {
  local up rest
  read -r up rest </proc/uptime
  : "$rest"
  printf -v "$1" '%d' "$((10#${up/./} * 10))"
}

missing() { printf '@@ missing\n%s: %s\n' "$1" "$2"; }

bounded() {
  if [ "$(type -t "$1")" = function ] || ! command -v timeout >/dev/null; then
    "$@"
  else
    timeout -k 1 "$patience" "$@"
  fi
}

# answer NAME COMMAND...: the section of a probe. Exit code 3 of a function means that its words are the reason why
# there is nothing to show.
answer() {
  local name=$1 text code
  shift
  if [ -z "$(type -t "$1")" ]; then
    missing "$name" "the image lacks $1"
    return
  fi
  text=$(
    bounded "$@" 2>&1 | head -c 6000
    exit "${PIPESTATUS[0]}"
  )
  code=$?
  case $code in
    3) missing "$name" "${text%%$'\n'*}" ;;
    124 | 137) missing "$name" "no answer within $patience s" ;;
    *) if [ -n "$text" ]; then printf '@@ %s\n%s\n' "$name" "$text"; else missing "$name" "nothing was printed (exit code $code)"; fi ;;
  esac
}

# ask NAME COMMAND...: begins it; its answer comes through a pipe, which needs no disk.
ask() {
  local pipe
  exec {pipe}< <(exec 2>/dev/null && answer "$@")
  children+=("$!") names+=("$1") pipes+=("$pipe")
}

# Processes that hang in the kernel cannot be killed: nobody waits for them.
tell() {
  local index now began wait text code
  boot_ms began
  for index in "${!pipes[@]}"; do
    boot_ms now
    now=$((limit - now + began))
    if ((now < 20)); then now=20; fi
    printf -v wait '%d.%03d' $((now / 1000)) $((now % 1000))
    text=''
    IFS= read -r -d '' -t "$wait" -u "${pipes[index]}" text
    code=$?
    if [ $redacts = yes ]; then gw_redact text; fi
    printf '%s' "$text"
    if [ $code -gt 128 ]; then
      missing "${names[index]}" "no answer within $((limit / 1000)) s"
      kill -KILL "${children[index]}" 2>/dev/null
    fi
  done
}

kernel_log() {
  local all line kept=()
  all=$(bounded dmesg 2>&1) || {
    local code=$?
    if [ "$code" = 124 ] || [ "$code" = 137 ]; then return "$code"; fi
    printf '%s\n' "${all:-dmesg cannot be read}"
    return 3
  }
  while IFS= read -r line; do
    case ${line,,} in *oom* | *killed\ process* | *xid* | *nvrm*) kept+=("$line") ;; esac
  done <<<"$all"
  if [ ${#kept[@]} -eq 0 ]; then
    printf '(nothing about GPUs or memory)\n'
  elif [ ${#kept[@]} -gt 20 ]; then
    printf '%s\n' "${kept[@]: -20}"
  else
    printf '%s\n' "${kept[@]}"
  fi
}

process_list() {
  local stat line
  for stat in /proc/[0-9]*/stat; do { IFS= read -r line <"$stat" && printf '%.60s\n' "$line"; } 2>/dev/null; done | head -n 100
}

resolve() {
  local host=${gw_supabase_url#*://} found
  host=${host%%[/:]*}
  found=$(bounded getent hosts "$host" 2>&1) || {
    local code=$?
    if [ "$code" = 124 ] || [ "$code" = 137 ]; then return "$code"; fi
    found="cannot resolve $host: getent ended with exit code $code${found:+, $found}"
  }
  printf '%s\n' "$found"
}

# The way to the database with this worker's own key and token, as its reports take it.
reach_database() {
  local worker token said http code
  gw_json worker "$gw_worker"
  gw_json token "$gw_token"
  said=$(printf '{"worker_id_param":%s,"token_param":%s,"report_param":{"kind":"ping"}}' "$worker" "$token" |
    bounded curl -q --config "$run/curl.conf" --connect-timeout 3 --max-time 3.5 --data-binary @- 2>&1)
  code=$?
  if [ "$code" = 124 ] || [ "$code" = 137 ]; then return "$code"; fi
  http=${said##*$'\n'}
  if [[ $said =~ curl:\ \([0-9]+\)[^$'\n']* ]]; then
    printf '%s\n' "${BASH_REMATCH[0]%000}"
  elif [[ $http == 2?? ]]; then
    printf "HTTP %s: this worker's key and token are accepted\n" "$http"
  else
    said=${said%$'\n'*}
    printf 'HTTP %s: %.300s\n' "$http" "${said//$'\n'/ }"
  fi
}

repository() {
  local where='' commit changed
  { read -r where <"$run/where"; } 2>/dev/null
  if [ -z "$where" ]; then
    printf 'nothing was fetched\n'
    return 3
  fi
  local git=(bounded git -c safe.directory='*' -C "$where")
  commit=$("${git[@]}" rev-parse HEAD 2>&1) || {
    printf '%s\n' "$commit"
    return 3
  }
  changed=$(GIT_OPTIONAL_LOCKS=0 "${git[@]}" status --porcelain --untracked-files=no 2>&1 | head -n 10)
  printf 'commit %s in %s\n%s\n' "$commit" "$where" "${changed:-no file of it was changed}"
}

heartbeats() {
  if ! [ -s "$run/beats" ]; then
    printf 'none was sent\n'
    return 3
  fi
  tail -n 8 -- "$run/beats"
}

undelivered() {
  if ! [ -s "$run/reports.log" ]; then
    printf 'every report was delivered at once\n'
    return
  fi
  tail -n 8 -- "$run/reports.log"
}

if [ -n "$run" ] && [ -f "$run/lib.sh" ]; then
  # shellcheck source=lib.sh
  . "$run/lib.sh"
  gw_load
  redacts=yes
fi
ask nvidia_smi nvidia-smi
driver=/proc/driver/nvidia/version
if [ -r $driver ]; then ask driver head -n 1 $driver; else missing driver "no NVIDIA driver is loaded ($driver)"; fi
ask df df -Pm
ask df_inodes df -Pi
ask shm df -Pm /dev/shm
if command -v free >/dev/null; then ask free free -m; else ask free head -n 8 /proc/meminfo; fi
if [ -r /sys/fs/cgroup/memory.events ]; then ask cgroup_memory cat /sys/fs/cgroup/memory.events; fi
if command -v ps >/dev/null; then ask ps ps -eo pid,ppid,stat,etime,rss,comm; else ask ps process_list; fi
if command -v dmesg >/dev/null; then ask dmesg kernel_log; else missing dmesg 'the image lacks dmesg'; fi
if [ $redacts = yes ]; then
  if command -v getent >/dev/null; then ask dns resolve; else missing dns 'the image lacks getent'; fi
  if command -v curl >/dev/null; then ask supabase reach_database; else missing supabase 'the image lacks curl'; fi
  if command -v git >/dev/null; then ask git repository; else missing git 'the image lacks git'; fi
  ask heartbeats heartbeats
  ask reports undelivered
  for name in status bootstrap worker; do
    file=$run/$name.log
    if [ $name = status ]; then file=$run/status; fi
    printf '@@ %s\n' "$name"
    if [ $name = status ]; then
      tail -n 20 -- "$file" | head -c 20000
    else
      gw_tail "$file" 100
      # A line of the log that looks like the beginning of a section is none.
      if [ ${#gw_lines[@]} -gt 0 ]; then printf '%s\n' "${gw_lines[@]/#@@ / @@ }"; fi
    fi
  done
fi
tell
printf '@@ end\n'
exit 0
