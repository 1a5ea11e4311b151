#!/bin/bash
# What the startup script, the agent and the daemon's commands share: JSON, status lines, tails, reports, time.
# Expects `run`, the directory of this worker on the pod; gw_* settings come from the files in it.
shopt -s extglob
# Functions that set a variable named by their caller keep their own names apart by a leading underscore.
gw_lines=() gw_secrets=() gw_spooled=0

gw_load() {
  # shellcheck source=/dev/null
  . "$run/env" && gw_read_token
  gw_find_secrets
  exec {gw_nap_fd}<> <(:)
}

# What must not be printed, into gw_secrets: ours, what the operator passes on, and what Runpod or the image put into
# the container's environment under a name, or in a shape, that says so.
gw_find_secrets() {
  local name value kept=()
  for value in "$gw_key" "$gw_repo_user" "$gw_repo_password"; do gw_add_secret "$value"; done
  for name in "${gw_pass_names[@]}"; do gw_add_secret "${!name}"; done
  while read -r name; do
    value=${!name}
    if gw_is_secret "$name" "$value"; then gw_add_secret "$value"; fi
  done < <(compgen -e)
  # A session of SSH lacks the container's environment: the startup script has left its secrets here.
  if [ -f "$run/secrets" ]; then mapfile -d '' -t kept <"$run/secrets"; fi
  gw_secrets+=("${kept[@]}")
}

gw_keep_secrets() {
  (umask 077 && printf '%s\0' "${gw_secrets[@]}" >"$run/secrets")
}

# gw_is_secret NAME VALUE
gw_is_secret() {
  case $2 in sb_secret_* | sb_publishable_* | rpa_* | hf_* | ghp_* | github_pat_* | eyJ*.eyJ*.*) return 0 ;; esac
  # A path to a secret is none.
  if [[ $2 == /* && -e $2 ]]; then return 1; fi
  case ${1^^} in
    *PUBLIC_KEY) return 1 ;;
    RUNPOD_SECRET_* | *KEY | *TOKEN | *SECRET | *SECRET_* | *PASSWORD | *PASSWD | *_PASS | *_PAT | *CREDENTIAL | \
      *CREDENTIALS | *SERVICE_ROLE | *DATABASE_URL | *_DSN | SUPABASE_*JWT* | SUPABASE_*KEY*) return 0 ;;
  esac
  return 1
}

# gw_add_secret VALUE: of a value of several lines each line, because text is redacted line by line; of an address with
# credentials also the password.
gw_add_secret() {
  local lines=() line
  mapfile -t lines <<<"$1"
  for line in "${lines[@]}"; do
    gw_secrets+=("$line")
    if [[ $line =~ ://[^:@/]*:([^@/]+)@ ]]; then gw_secrets+=("${BASH_REMATCH[1]}"); fi
  done
}

# A second launch (a daemon that restarted in the middle of the first) brings a new token.
gw_read_token() {
  local before=${gw_token:-}
  IFS= read -r gw_token <"$run/token"
  export GPUWARDEN_WORKER_TOKEN=$gw_token
  if [ "$gw_token" != "$before" ]; then gw_secrets+=("$gw_token"); fi
}

# gw_now NAME: milliseconds since boot; no wall clock can move it.
gw_now() {
  local _up _rest
  read -r _up _rest </proc/uptime
  : "$_rest"
  printf -v "$1" '%d' "$((10#${_up/./} * 10))"
}

# gw_seconds_ms NAME SECONDS: "2.5" as milliseconds.
gw_seconds_ms() {
  local _whole=${2%%.*} _part=000
  [[ $2 == *.* ]] && _part=${2#*.}000
  printf -v "$1" '%d' "$((10#${_whole:-0} * 1000 + 10#${_part:0:3}))"
}

# Sleeps without a process.
gw_nap() { read -r -t "$1" -u "$gw_nap_fd" _ || true; }

gw_log() { printf '%s\n' "gpuwarden: $*"; }

# gw_alive PID: it runs and is no zombie.
gw_alive() {
  local stat
  { IFS= read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
  stat=${stat##*) }
  [[ $stat != [ZX]* ]]
}

# Pid 1 belongs to this pod's container: its environment names this worker.
gw_pid1_is_ours() {
  local entry
  while IFS= read -r -d '' entry; do
    if [ "$entry" = "WORKER_ID=$gw_worker" ]; then return 0; fi
  done 2>/dev/null </proc/1/environ
  return 1
}

# gw_clean NAME: keeps printable ASCII and well-formed UTF-8 of the variable.
gw_clean() {
  local LC_ALL=C _rest=${!1} _kept='' _plain
  while [ -n "$_rest" ]; do
    _plain=${_rest%%[!$'\x20'-$'\x7e']*}
    _kept+=$_plain
    _rest=${_rest:${#_plain}}
    case $_rest in
      '') ;;
      $'\t'*) _kept+=' ' _rest=${_rest:1} ;;
      [$'\xc2'-$'\xdf'][$'\x80'-$'\xbf']*) _kept+=${_rest:0:2} _rest=${_rest:2} ;;
      $'\xe0'[$'\xa0'-$'\xbf'][$'\x80'-$'\xbf']* | $'\xed'[$'\x80'-$'\x9f'][$'\x80'-$'\xbf']* | \
        [$'\xe1'-$'\xec'$'\xee'$'\xef'][$'\x80'-$'\xbf'][$'\x80'-$'\xbf']*) _kept+=${_rest:0:3} _rest=${_rest:3} ;;
      $'\xf0'[$'\x90'-$'\xbf'][$'\x80'-$'\xbf'][$'\x80'-$'\xbf']* | $'\xf4'[$'\x80'-$'\x8f'][$'\x80'-$'\xbf'][$'\x80'-$'\xbf']* | \
        [$'\xf1'-$'\xf3'][$'\x80'-$'\xbf'][$'\x80'-$'\xbf'][$'\x80'-$'\xbf']*) _kept+=${_rest:0:4} _rest=${_rest:4} ;;
      *) _rest=${_rest:1} ;;
    esac
  done
  printf -v "$1" '%s' "$_kept"
}

# gw_json NAME TEXT: TEXT as a JSON string, with its quotes. Control characters and broken UTF-8 are dropped.
gw_json() {
  local LC_ALL=C _text=$2 _backslash=\\
  if [[ $_text == *[!$'\x20'-$'\x7e']* ]]; then gw_clean _text; fi
  _text=${_text//"$_backslash"/"$_backslash$_backslash"}
  _text=${_text//'"'/"$_backslash"'"'}
  printf -v "$1" '"%s"' "$_text"
}

# gw_redact NAME: takes the worker's secrets out of the variable.
gw_redact() {
  local _open=${!1} _secret
  for _secret in "${gw_secrets[@]}"; do
    if [ ${#_secret} -ge 8 ]; then _open=${_open//"$_secret"/"[redacted]"}; fi
  done
  printf -v "$1" '%s' "$_open"
}

# gw_plain NAME: a log line as a terminal would show it: what a carriage return or a colour code hides is gone. Secrets are
# taken out before a long line is cut.
gw_plain() {
  local LC_ALL=C _line=${!1}
  _line=${_line%$'\r'}
  _line=${_line##*$'\r'}
  _line=${_line//$'\e['*([0-9;?])[a-zA-Z]/}
  _line=${_line//$'\e]'*([!$'\a'])$'\a'/}
  gw_redact _line
  printf -v "$1" '%s' "${_line:0:1000}"
}

# gw_tail FILE [LINES [FROM]]: last lines of a file (from byte FROM on) into the array gw_lines, cleaned by gw_plain.
gw_tail() {
  local LC_ALL=C file=$1 most=${2:-30} from=${3:-0} chunk=65536 size=0 lines=() line
  gw_lines=()
  [ -f "$file" ] || return 0
  size=$(stat -c %s -- "$file" 2>/dev/null) || size=0
  size=$((size - from))
  if [ $size -le 0 ]; then return 0; fi
  mapfile -t lines < <(tail -c "$((size < chunk ? size : chunk))" -- "$file" | tr -d '\000')
  # The first line of a chunk is only a part: a secret in it would not be known any more.
  if [ $size -gt $chunk ] && [ ${#lines[@]} -gt 1 ]; then lines=("${lines[@]:1}"); fi
  for line in "${lines[@]}"; do
    gw_plain line
    if [[ $line == *[!$' \t']* ]]; then gw_lines+=("$line"); fi
  done
  if [ ${#gw_lines[@]} -gt "$most" ]; then gw_lines=("${gw_lines[@]: -most}"); fi
}

# gw_tail_json NAME: gw_lines as a JSON array; the oldest give way when it would be longer than 12 KB.
gw_tail_json() {
  local LC_ALL=C _array='' _entry _total=0 _index
  for ((_index = ${#gw_lines[@]} - 1; _index >= 0; --_index)); do
    gw_json _entry "${gw_lines[_index]}"
    _total=$((_total + ${#_entry} + 1))
    if [ $_total -gt 12288 ]; then break; fi
    _array=$_entry${_array:+,$_array}
  done
  printf -v "$1" '[%s]' "$_array"
}

# gw_status STEP EVENT [NAME=VALUE]...: one status line to everybody who may listen: status file, own log, container's
# log, database. Names: exit, signal, check, commit; report=no keeps it from the database. gw_lines is its tail.
gw_status() {
  local step=$1 event=$2 fields='' report=yes word value text now tail
  shift 2
  for word in "$@"; do
    value=${word#*=}
    case $word in
      report=*) report=$value ;;
      *=) ;;
      exit=*) fields+=",\"exit\":$value" ;;
      *)
        gw_json text "$value"
        fields+=",\"${word%%=*}\":$text"
        ;;
    esac
  done
  TZ=UTC0 printf -v now '%(%Y-%m-%dT%H:%M:%S)T' -1
  now+=.${EPOCHREALTIME: -6:3}Z
  gw_tail_json tail
  text="\"step\":\"$step\",\"event\":\"$event\",\"t\":\"$now\"$fields,\"tail\":$tail}"
  gw_lines=()
  local line="@gpuwarden {\"v\":1,\"worker\":\"$gw_worker\",$text"
  printf '%s\n' "$line" >>"$run/status"
  printf '%s\n' "$line"
  if gw_pid1_is_ours; then
    # Whoever reads the container's log may have stopped reading.
    timeout 2 bash -c 'cat >>/proc/1/fd/1' <<<"$line" 2>/dev/null || true
  fi
  if [ "$report" = yes ]; then gw_spool "{\"kind\":\"step\",$text"; fi
}

# gw_spool REPORT: to be delivered in order by the courier, however long the database is away.
gw_spool() {
  local name
  gw_now name
  gw_spooled=$((gw_spooled + 1))
  printf -v name '%012d-%04d' "$name" "$gw_spooled"
  printf '%s' "$1" >"$run/spool/$name.new"
  mv "$run/spool/$name.new" "$run/spool/$name.json"
  printf '\n' 1<>"$run/wake"
}

# gw_send REPORT: asks the database once. Sets gw_http (000 = no answer), gw_answer and gw_error. Token and key reach
# curl through a file and a pipe, never as arguments.
gw_send() {
  local worker token errors=$run/curl.$BASHPID
  gw_read_token
  gw_json worker "$gw_worker"
  gw_json token "$gw_token"
  gw_answer=$(printf '{"worker_id_param":%s,"token_param":%s,"report_param":%s}' "$worker" "$token" "$1" |
    curl -q --config "$run/curl.conf" --data-binary @- 2>"$errors")
  gw_error=
  IFS= read -r -d '' gw_error <"$errors" || true
  rm -f -- "$errors"
  gw_http=${gw_answer##*$'\n'}
  gw_answer=${gw_answer%$'\n'*}
  [[ $gw_http =~ ^[0-9]{3}$ ]] || gw_http=000
  [[ $gw_http == 2?? ]]
}

# gw_why NAME: one line about a gw_send that failed.
gw_why() {
  local _why="Supabase answered HTTP $gw_http: ${gw_answer:0:500}"
  if [ "$gw_http" = 000 ]; then _why=${gw_error:-curl gave no answer}; fi
  _why=${_why%%$'\n'*}
  gw_redact _why
  printf -v "$1" '%s' "$_why"
}

# gw_signal_name NAME CODE: "SIGKILL" for an exit code that means death by a signal, else empty.
gw_signal_name() {
  local _name=''
  if [ "$2" -gt 128 ] && [ "$2" -le 192 ]; then _name=$(kill -l "$2" 2>/dev/null) || _name=''; fi
  printf -v "$1" '%s' "${_name:+SIG$_name}"
}
