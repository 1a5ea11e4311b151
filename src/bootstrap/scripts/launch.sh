#!/bin/bash
# First contact. Runs from the standard input of one SSH session, as one compound command: a stream that breaks off
# does nothing. In front of it stand gw_worker and gw_files (name, text, name, text, ...), secrets included.
# The directory of the worker appears complete and at once, by a rename: whoever made it appear starts the script,
# everybody else (a daemon that restarted, a repeated command) only brings the token and follows.
set -u
umask 077

gw_launch() {
  local root='' candidate
  for candidate in "${GPUWARDEN_RUN_ROOT:-}" /dev/shm "${TMPDIR:-}" /tmp; do
    if [ -n "$candidate" ] && [ -d "$candidate" ] && [ -w "$candidate" ]; then
      root=$candidate
      break
    fi
  done
  run=$root/gpuwarden-$gw_worker
  local staged=$root/.gpuwarden-$gw_worker.$$ index
  mkdir -m 700 "$staged" && mkdir "$staged/spool" && mkfifo "$staged/wake" "$staged/events" || return 1
  for ((index = 0; index < ${#gw_files[@]}; index += 2)); do
    printf '%s' "${gw_files[index + 1]}" >"$staged/${gw_files[index]}" || return 1
  done
  : >"$staged/status" && : >"$staged/bootstrap.log" && : >"$staged/worker.log"
  if mv -T "$staged" "$run" 2>/dev/null; then
    gw_container_environment
    gw_start
  else
    mv -f "$staged/token" "$run/token"
    rm -rf "$staged"
  fi
}

# A session of SSH lacks what the image and Runpod set for the container: CUDA's paths, RUNPOD_POD_ID.
gw_container_environment() {
  local entry entries=() name ours=0
  { mapfile -d '' -t entries </proc/1/environ; } 2>/dev/null
  for entry in "${entries[@]}"; do
    if [ "$entry" = "WORKER_ID=$gw_worker" ]; then ours=1; fi
  done
  if [ $ours = 0 ]; then return; fi
  for entry in "${entries[@]}"; do
    name=${entry%%=*}
    [[ $name =~ ^[A-Za-z_][A-Za-z0-9_]*$ ]] || continue
    case $name in
      HOME | USER | LOGNAME | SHELL | PWD | OLDPWD | SHLVL | _ | TERM | HOSTNAME | PUBLIC_KEY) ;;
      UID | EUID | PPID | BASHOPTS | SHELLOPTS | BASH_*) ;;
      PATH) export PATH="${entry#*=}:$PATH" ;;
      *) if [ -z "${!name+set}" ]; then export "$name=${entry#*=}"; fi ;;
    esac
  done
}

gw_start() {
  unset SSH_CONNECTION SSH_CLIENT SSH_TTY SSH_AUTH_SOCK
  local detached=()
  if command -v setsid >/dev/null; then detached=(setsid); else set -m; fi
  "${detached[@]}" bash "$run/bootstrap.sh" "$run" </dev/null >>"$run/bootstrap.log" 2>&1 &
  printf '%s\n' "$!" >"$run/bootstrap.pid"
}

if ! gw_launch; then
  printf '@gpuwarden {"v":1,"worker":"%s","step":"preflight","event":"fail","t":"","exit":1,"check":"disk","tail":["%s"]}\n' \
    "$gw_worker" "no place for the startup script: /dev/shm and /tmp are not writable or full"
  exit 1
fi
unset gw_files
exec bash "$run/follow.sh" "$run" 0 "$gw_follow_seconds"
