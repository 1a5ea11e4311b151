#!/bin/bash
# Sample worker: claims tasks, works on each for params.seconds, completes it. Needs bash and curl.
# Reads WORKER_ID, GPUWARDEN_WORKER_TOKEN, SUPABASE_URL and SUPABASE_PUBLISHABLE_KEY from its environment.
usage="usage: worker.sh [-h] [--verbose] [--poll-seconds N] [--crash-after N]"
verbose=0 poll=1 crash_after=0
unknown=()
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) echo "$usage"; exit 0 ;;
    --verbose) verbose=1 ;;
    --poll-seconds | --crash-after)
      case ${2:-} in
        '' | -*) printf '%s\nworker.sh: error: argument %s: expected one argument\n' "$usage" "$1" >&2; exit 2 ;;
      esac
      if [ "$1" = --poll-seconds ]; then poll=$2; else crash_after=$2; fi
      shift
      ;;
    *) unknown+=("$1") ;;
  esac
  shift
done
if [ ${#unknown[@]} -gt 0 ]; then
  printf '%s\nworker.sh: error: unrecognized arguments: %s\n' "$usage" "${unknown[*]}" >&2
  exit 2
fi
for name in WORKER_ID GPUWARDEN_WORKER_TOKEN SUPABASE_URL SUPABASE_PUBLISHABLE_KEY; do
  if [ -z "${!name:-}" ]; then
    echo "worker.sh: error: $name is not set" >&2
    exit 2
  fi
done

say() { printf '%s %s\n' "$(date -u +%FT%TZ)" "$*"; }

# rpc FUNCTION < JSON: prints the answer; fails when there is none. Neither key nor token is in an argument.
rpc() {
  curl -sS --fail-with-body --max-time 15 -X POST -H 'content-type: application/json' \
    -H @<(printf 'apikey: %s\n' "$SUPABASE_PUBLISHABLE_KEY") --data-binary @- "$SUPABASE_URL/rest/v1/rpc/$1"
}

# field NAME TEXT: a string or a number out of flat JSON.
field() {
  local pattern="\"$1\"[[:space:]]*:[[:space:]]*\"?([^\",}]*)"
  if [[ $2 =~ $pattern ]]; then printf '%s' "${BASH_REMATCH[1]}"; fi
}

say "worker $WORKER_ID is up"
while :; do
  if [ "$crash_after" != 0 ] && [ $SECONDS -ge "$crash_after" ]; then
    printf 'Traceback (most recent call last):\n  File "worker.py", line 88, in <module>\n    main()\nRuntimeError: model state is inconsistent\n' >&2
    exit 1
  fi
  if ! task=$(printf '{"worker_id_param":"%s","token_param":"%s"}' "$WORKER_ID" "$GPUWARDEN_WORKER_TOKEN" |
    rpc gpuwarden_claim_task); then
    say "claim failed: $task"
    sleep "$poll"
    continue
  fi
  if [ "$task" = null ] || [ -z "$task" ]; then
    [ $verbose = 1 ] && say "nothing to do"
    sleep "$poll"
    continue
  fi
  id=$(field id "$task") attempt=$(field attempt "$task") seconds=$(field seconds "$task")
  say "task $id, attempt $attempt: working for ${seconds:-1} s"
  sleep "${seconds:-1}"
  until answer=$(printf '{"worker_id_param":"%s","token_param":"%s","task_id_param":"%s","attempt_param":%s,"result_param":{"output":"done by %s"}}' \
    "$WORKER_ID" "$GPUWARDEN_WORKER_TOKEN" "$id" "$attempt" "$WORKER_ID" | rpc gpuwarden_complete_task); do
    say "complete failed: $answer"
    sleep "$poll"
  done
  say "task $id: $answer"
done
