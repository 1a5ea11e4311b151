#!/bin/bash
# follow.sh DIRECTORY OFFSET SECONDS: prints the lines of the status file that end behind byte OFFSET, and what is added
# to it, until the startup script has come to its end (worker up, or a step failed: that line is printed in any case) or
# has disappeared, which is said in a status line as well. After SECONDS it ends with exit status 98, so that whoever
# reads notices a dead connection and leaves no process behind.
set -u
run=$1 offset=$2
# shellcheck source=lib.sh
. "$run/lib.sh"
gw_load

exec {file}<"$run/status"
gw_now started
gw_seconds_ms limit "$3"
position=0 line='' part='' over=0 gone=0 gone_at=0 pid=''
LC_ALL=C
while :; do
  if IFS= read -r -u "$file" part; then
    line+=$part
    position=$((position + ${#line} + 1))
    last=0
    case $line in
      *'"event":"fail"'* | *'"step":"start","event":"end"'*) last=1 over=1 ;;
      *'"step":"preflight","event":"end"'*) if [ "$gw_preflight_only" = 1 ]; then last=1 over=1; fi ;;
    esac
    if [ $position -gt "$offset" ] || [ $last = 1 ]; then printf '%s\n' "$line" || exit 0; fi
    line=''
    continue
  fi
  line+=$part
  if [ $over = 1 ]; then exit 0; fi
  if [ $gone = 2 ]; then exit 1; fi
  gw_now now
  if [ $((now - started)) -ge "$limit" ]; then exit 98; fi
  if [ -z "$pid" ]; then { read -r pid <"$run/bootstrap.pid"; } 2>/dev/null || pid=''; fi
  if [ -n "$pid" ] && gw_alive "$pid"; then
    gone=0
  elif [ $gone = 0 ]; then
    # Once more: the last line may have been written between our look and its end; the pid file may be late.
    gone=1 gone_at=$now
  else
    patience=400
    if [ -z "$pid" ]; then patience=5000; fi
    if [ $((now - gone_at)) -gt $patience ]; then
      if mkdir "$run/ended" 2>/dev/null; then
        { read -r step <"$run/step"; } 2>/dev/null || step=preflight
        gw_tail "$run/bootstrap.log"
        gw_lines+=("the startup script has disappeared from the pod")
        gw_status "$step" fail exit=1 report=no >/dev/null
      fi
      gone=2
    fi
  fi
  gw_nap 0.1
done
