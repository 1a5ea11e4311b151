#!/bin/bash
# logs.sh DIRECTORY NAME LINES SECONDS OFFSET: the last lines of NAME.log, as a terminal would show them, secrets taken out.
# With SECONDS above 0 also what is added to it, until they are over: exit status 98. OFFSET from 0 on: goes on from that
# byte instead of the last lines. Standard error tells "@@ N": what ends before byte N was printed, so that whoever reads can
# go on after a dropped connection. Only whole lines leave before the end: half a secret would not be known.
set -u
run=$1 file=$1/$2.log most=$3 seconds=$4 position=$5
# shellcheck source=lib.sh
. "$run/lib.sh"
gw_load
gw_now started
gw_seconds_ms limit "$seconds"
LC_ALL=C chunk=65536

gw_size() { size=$(stat -c %s -- "$file" 2>/dev/null) || size=0; }

# As gw_tail shows a line, into `text`; nothing is left of an empty one.
gw_show() {
  text=${1%$'\r'}
  text=${text##*$'\r'}
  text=${text//$'\e['*([0-9;?])[a-zA-Z]/}
  text=${text//$'\e]'*([!$'\a'])$'\a'/}
  gw_redact text
  text=${text:0:1000}
  [[ $text == *[!$' \t']* ]]
}

gw_open() {
  exec {log}<"$file" || exit 1
  if [ "$1" -gt 0 ]; then head -c "$1" <&"$log" >/dev/null; fi
}

backlog=() fresh=1 partial=0 line='' part='' told=-1 checked=$started
if [ ! -e "$file" ]; then exit 0; fi
gw_size
if [ "$position" -ge 0 ]; then
  fresh=0
  if [ "$position" -gt "$size" ]; then position=$size; fi
elif [ "$size" -gt $chunk ]; then
  position=$((size - chunk)) partial=1
else
  position=0
fi
gw_open "$position"
while :; do
  if IFS= read -r -u "$log" part; then
    line+=$part
    position=$((position + ${#line} + 1))
    if [ $partial = 1 ]; then
      partial=0
    elif gw_show "$line"; then
      if [ $fresh = 1 ]; then backlog+=("$text"); else printf '%s\n' "$text" || exit 0; fi
    fi
    line=''
    continue
  fi
  line+=$part
  if [ "$limit" -le 0 ] && gw_show "$line"; then backlog+=("$text"); fi
  if [ $fresh = 1 ] && [ ${#backlog[@]} -gt "$most" ]; then backlog=("${backlog[@]:${#backlog[@]}-most}"); fi
  if [ ${#backlog[@]} -gt 0 ]; then printf '%s\n' "${backlog[@]}" || exit 0; fi
  fresh=0 backlog=()
  if [ "$limit" -le 0 ]; then exit 0; fi
  if [ "$position" != "$told" ]; then
    printf '@@ %d\n' "$position" >&2 || exit 0
    told=$position
  fi
  # A progress bar that never ends its line.
  if [ ${#line} -gt $chunk ]; then
    position=$((position + ${#line} - chunk))
    line=${line: -chunk}
  fi
  gw_now now
  if [ $((now - started)) -ge "$limit" ]; then exit 98; fi
  if [ $((now - checked)) -ge 1000 ]; then
    checked=$now
    gw_size
    # The agent has dropped the older part of the log: what is left of it was shown already.
    if [ "$size" -lt "$position" ]; then
      exec {log}<&-
      position=$size line=''
      gw_open "$position"
    fi
  fi
  gw_nap 0.2
done
