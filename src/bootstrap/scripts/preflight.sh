#!/bin/bash
# Preflight: all checks run, the first that failed gives the step its name (and so the failure its cause), the others
# stand in the tail as well. Where there is nothing but preflight, the tail also tells what was found in order.

gw_preflight() {
  gw_failed=() gw_words=() gw_right=()
  gw_check_tools
  gw_check_gpu
  gw_check_memory
  gw_check_mount
  gw_check_disk
  gw_check_database
  local word
  gw_lines=()
  if [ "$gw_preflight_only" = 1 ]; then
    for word in "${gw_right[@]}"; do
      gw_redact word
      gw_lines+=("in order: ${word:0:1000}")
    done
  fi
  if [ ${#gw_failed[@]} -eq 0 ]; then return; fi
  for word in "${gw_words[@]}"; do
    gw_redact word
    gw_lines+=("preflight: ${word:0:1000}")
    gw_log "preflight: $word"
  done
  gw_fail 1 "check=${gw_failed[0]}"
}

# gw_good CHECK WORDS: unless something is wrong with it.
gw_good() {
  if [[ " ${gw_failed[*]} " == *" $1 "* ]]; then return; fi
  gw_right+=("$1: $2")
}

# gw_wrong CHECK WORDS
gw_wrong() {
  gw_failed+=("$1")
  gw_words+=("$1: $2")
}

gw_check_tools() {
  local tool missing=()
  for tool in curl git cat chmod date df head mkdir mkfifo mv rm sha256sum sleep stat tail timeout touch tr; do
    command -v "$tool" >/dev/null || missing+=("$tool")
  done
  if [ ${#missing[@]} -gt 0 ]; then gw_wrong tools "the image lacks ${missing[*]}: ${missing[0]}: command not found"; fi
  if [ "${BASH_VERSINFO[0]}${BASH_VERSINFO[1]}" -lt 51 ]; then gw_wrong tools "bash $BASH_VERSION is too old, 5.1 is needed"; fi
  gw_good tools "bash $BASH_VERSION and all other tools"
}

# gw_older A B: version A is below version B.
gw_older() {
  local a_major=${1%%.*} b_major=${2%%.*} a_minor=0 b_minor=0
  if [[ $1 == *.* ]]; then a_minor=${1#*.} a_minor=${a_minor%%.*}; fi
  if [[ $2 == *.* ]]; then b_minor=${2#*.} b_minor=${b_minor%%.*}; fi
  [ "$a_major" -lt "$b_major" ] || { [ "$a_major" -eq "$b_major" ] && [ "$a_minor" -lt "$b_minor" ]; }
}

gw_check_gpu() {
  local answer code name driver memory version
  PATH=$PATH:/usr/local/nvidia/bin:/usr/local/cuda/bin
  if ! command -v nvidia-smi >/dev/null; then
    gw_wrong gpu "no GPU: nvidia-smi: command not found"
    return
  fi
  answer=$(timeout -k 2 30 nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader,nounits 2>&1)
  code=$?
  if [ $code = 124 ] || [ $code = 137 ]; then
    gw_wrong gpu "nvidia-smi did not answer within 30 s"
    return
  fi
  IFS=, read -r name driver memory <<<"${answer%%$'\n'*}"
  memory=${memory//[[:space:]]/}
  if [ $code != 0 ] || [ -z "$driver" ]; then
    gw_wrong gpu "nvidia-smi failed with exit code $code: ${answer//$'\n'/ }"
    return
  fi
  if ! [[ $memory =~ ^[0-9]+$ ]] || [ "$memory" -eq 0 ]; then
    gw_wrong gpu "the VRAM of $name cannot be read: nvidia-smi says '$memory'"
  fi
  gw_log "GPU $name, driver${driver}, $memory MB"
  if [ -z "$gw_min_cuda" ]; then
    gw_good gpu "$name, driver$driver, $memory MB"
    return
  fi
  answer=$(timeout -k 2 30 nvidia-smi 2>&1)
  if ! [[ $answer =~ CUDA\ Version:\ *([0-9]+\.[0-9]+) ]]; then
    gw_wrong gpu "nvidia-smi names no CUDA version, $gw_min_cuda is wanted (driver$driver)"
    return
  fi
  version=${BASH_REMATCH[1]}
  if gw_older "$version" "$gw_min_cuda"; then
    gw_wrong gpu "driver$driver offers CUDA $version, $gw_min_cuda is wanted (RUNPOD_MIN_CUDA)"
  fi
  gw_good gpu "$name, driver$driver, CUDA $version, $memory MB"
}

gw_check_memory() {
  local key value rest total=0 limit file
  while read -r key value rest; do
    : "$rest"
    if [ "$key" = MemTotal: ]; then total=$((value * 1024)); fi
  done </proc/meminfo
  for file in /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes; do
    { read -r limit <"$file"; } 2>/dev/null || continue
    if [[ $limit =~ ^[0-9]{1,18}$ ]] && [ "$limit" -lt "$total" ]; then total=$limit; fi
  done
  if [ -n "$gw_min_memory_gb" ] && [ $((total / 1000000000)) -lt "$gw_min_memory_gb" ]; then
    gw_wrong memory "not enough memory: $((total / 1000000000)) GB of RAM, $gw_min_memory_gb GB wanted (RUNPOD_MIN_MEMORY_GB)"
  fi
  gw_good memory "$((total / 1000000000)) GB of RAM"
}

# gw_is_mount_point PATH
gw_is_mount_point() {
  local id parent device root point rest
  while read -r id parent device root point rest; do
    : "$id $parent $device $root $rest"
    printf -v point '%b' "$point"
    if [ "$point" = "$1" ]; then return 0; fi
  done </proc/self/mountinfo
  return 1
}

gw_check_mount() {
  [ "$gw_has_volume" = 1 ] || return 0
  local probe=$gw_mount_path/.gpuwarden-probe.$gw_worker error
  if [ ! -d "$gw_mount_path" ]; then
    gw_wrong mount "$gw_mount_path does not exist: the volume is not mounted"
    return
  fi
  if ! gw_is_mount_point "$gw_mount_path"; then
    gw_log "warning: $gw_mount_path is not a mount point of its own"
  fi
  # A volume whose server is away blocks whoever touches it.
  # shellcheck disable=SC2016 # the inner shell expands them
  error=$(timeout -k 2 20 bash -c 'printf "%s\n" "$2" >"$1" && read -r back <"$1" && [ "$back" = "$2" ] && rm -f "$1"' \
    preflight "$probe" "$gw_worker" 2>&1)
  case $? in
    0) gw_good mount "$gw_mount_path can be written and read" ;;
    124 | 137) gw_wrong mount "the volume at $gw_mount_path is not writable: no answer within 20 s" ;;
    *)
      if [[ $error == *"No space left"* || $error == *"quota exceeded"* ]]; then
        gw_wrong disk "the volume at $gw_mount_path is full: ${error##*: }"
      else
        gw_wrong mount "$gw_mount_path is not writable: ${error:-what was written could not be read back}"
      fi
      ;;
  esac
}

gw_check_disk() {
  local path megabytes seen=' ' free=''
  for path in "$gw_mount_path" /; do
    if [ ! -d "$path" ] || [[ $seen == *" $path "* ]]; then continue; fi
    seen+="$path "
    gw_disk_free megabytes "$path"
    free+="${free:+, }${megabytes:-?} MB on $path"
    if [ -n "$megabytes" ] && [ "$megabytes" -lt "$gw_min_disk_mb" ]; then
      gw_wrong disk "not enough free disk: $megabytes MB on $path, $gw_min_disk_mb MB wanted"
    fi
  done
  gw_good disk "$free"
}

# DNS, the way to Supabase, and whether this worker's own key and token are accepted there.
gw_check_database() {
  if ! command -v curl >/dev/null; then return; fi
  local host=${gw_supabase_url#*://} attempt why
  host=${host%%[/:]*}
  for attempt in 1 2 3 4; do
    if gw_send '{"kind":"ping"}'; then
      if [ "$gw_preflight_only" = 1 ]; then
        gw_wrong credentials "gpuwarden_worker_report takes a token that nobody gave out: HTTP $gw_http ${gw_answer:0:200}"
      else
        gw_emit_answer ping
      fi
      return
    fi
    gw_why why
    if [ "$gw_preflight_only" = 1 ] && [ "$gw_http" = 403 ] && [[ $gw_answer == *"unknown worker or wrong token"* ]]; then
      gw_good network "$host answers"
      gw_good credentials "key and migrations are in place: a made-up token is refused, as it must be"
      return
    fi
    case $gw_http in
      401 | 403)
        gw_wrong credentials "Supabase refuses this worker's key or token: $why"
        return
        ;;
      400 | 404)
        gw_wrong credentials "Supabase does not know gpuwarden_worker_report, are the migrations applied? $why"
        return
        ;;
    esac
    gw_log "Supabase, attempt $attempt: $why"
    if [ "$attempt" -lt 4 ]; then gw_nap $((attempt * attempt)); fi
  done
  if [ "$gw_http" = 000 ] && command -v getent >/dev/null && ! timeout -k 1 10 getent hosts "$host" >/dev/null; then
    gw_wrong network "DNS cannot resolve $host: $why"
  else
    gw_wrong network "cannot reach Supabase at $host: $why"
  fi
}
