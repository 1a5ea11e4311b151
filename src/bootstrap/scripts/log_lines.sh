#!/bin/bash
# New lines of the worker's log for the table system_logs, where the operator wants them there. They travel in reports
# that are sent anyway; while the database is away they wait, and what becomes too much is left out and counted.

gw_lines_most=32768 # bytes of the log that wait at most
gw_lines_json_most=24576

# gw_take_lines [all]: the lines that were added since the last ones that arrived, into gw_new_lines as `,"lines":[...]`; empty
# when there are none; "all" takes a last line without an end too. gw_lines_sent marks them as arrived.
gw_take_lines() {
  local LC_ALL=C file=$run/worker.log size=0 from=0 lost=0 skip=0 chunk lines line level entry array='' index
  gw_new_lines=
  if ((gw_ship_logs != 1)); then return; fi
  { read -r from lost <"$run/lines"; } 2>/dev/null || from=0 lost=0
  size=$(stat -c %s -- "$file" 2>/dev/null) || return 0
  # The log was cut to its newer part.
  if ((size < from)); then from=0; fi
  if ((size - from > gw_lines_most)); then
    skip=$((size - gw_lines_most - from))
    lost=$((lost + $(tail -c "+$((from + 1))" -- "$file" | head -c $skip | tr -cd '\n' | wc -c)))
    from=$((from + skip))
  fi
  chunk=$(tail -c "+$((from + 1))" -- "$file" | head -c $gw_lines_most | tr '\000' ' ' && printf .)
  chunk=${chunk%.}
  if [ "${1:-}" = all ] && [ -n "$chunk" ]; then chunk+=$'\n'; fi
  # A line that has not ended yet may still become another; only one that is too long is given up.
  if [[ $chunk != *$'\n'* ]]; then
    if [ ${#chunk} -ge $gw_lines_most ]; then printf '%s %s\n' $((from + ${#chunk})) $((lost + 1)) >"$run/lines"; fi
    return 0
  fi
  chunk=${chunk%$'\n'*}
  gw_lines_end=$((from + ${#chunk} + 1))
  mapfile -t lines <<<"$chunk"
  # Only a part of a line: a secret in it would not be known any more.
  if ((skip > 0)); then
    lines=("${lines[@]:1}")
    lost=$((lost + 1))
  fi
  for ((index = ${#lines[@]} - 1; index >= 0; --index)); do
    line=${lines[index]}
    gw_plain line
    if [[ $line != *[!$' \t']* ]]; then continue; fi
    case $line in
      *ERROR* | *CRITICAL* | *FATAL* | *Traceback\ * | *Error:*) level=ERROR ;;
      *WARN*) level=WARNING ;;
      *DEBUG*) level=DEBUG ;;
      *) level=INFO ;;
    esac
    gw_json entry "$line"
    entry="{\"level\":\"$level\",\"message\":$entry}"
    if ((${#array} + ${#entry} > gw_lines_json_most)); then
      lost=$((lost + index + 1))
      break
    fi
    array=$entry${array:+,$array}
  done
  if ((lost > 0)); then
    entry="{\"level\":\"WARNING\",\"message\":\"$lost lines before this one were left out: the database did not take them in time\"}"
    array=$entry${array:+,$array}
  fi
  gw_new_lines=",\"lines\":[$array]"
}

gw_lines_sent() {
  if [ -n "$gw_new_lines" ]; then printf '%s 0\n' "$gw_lines_end" >"$run/lines"; fi
}
