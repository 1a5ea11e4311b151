#!/bin/bash
# Locks on a volume that several pods share. mkdir is atomic on every network file system, flock is not. The holder
# writes a changing beat; a lock whose beat has not changed for a minute of the waiter's own clock is a dead pod's.

gw_lock_patience_ms=60000

# gw_lock DIRECTORY: waits until the lock is ours; fails when the directory cannot be made at all.
gw_lock() {
  local lock=$1 seen='' beat since=0 now error failures=0 told=''
  until error=$(mkdir "$lock" 2>&1); do
    if [ ! -d "$lock" ]; then
      failures=$((failures + 1))
      if [ $failures -gt 5 ]; then
        printf '%s\n' "$error"
        return 1
      fi
    fi
    beat=''
    { IFS= read -r beat <"$lock/beat"; } 2>/dev/null
    gw_now now
    if [ "$beat" != "$seen" ] || [ "$since" = 0 ]; then
      seen=$beat since=$now
      if [ -n "$beat" ] && [ "$told" != "${beat% *}" ]; then
        told=${beat% *}
        gw_log "waiting for $told, which prepares the same checkout"
      fi
    elif [ $((now - since)) -ge "$gw_lock_patience_ms" ]; then
      gw_break_lock "$lock" "$seen"
      since=0
    fi
    gw_nap 0.5
  done
  gw_keep_lock "$lock" &
  gw_keeper=$!
}

# Only the lock that was seen to be dead: when it has changed hands in between it is given back.
gw_break_lock() {
  local lock=$1 dead=$2 aside=$1.broken.$gw_worker beat=''
  mv -T "$lock" "$aside" 2>/dev/null || return 0
  { IFS= read -r beat <"$aside/beat"; } 2>/dev/null
  if [ "$beat" != "$dead" ] && [ ! -e "$lock" ]; then
    mv -T "$aside" "$lock" 2>/dev/null && return 0
  fi
  gw_log "took over a lock whose holder is gone: ${dead:-unknown}"
  rm -rf -- "$aside"
}

gw_keep_lock() {
  trap - EXIT
  local lock=$1 count=0 holder
  while [ -d "$lock" ] && gw_alive $$; do
    holder=''
    { IFS= read -r holder <"$lock/beat"; } 2>/dev/null
    if [ -n "$holder" ] && [ "${holder% *}" != "$gw_worker" ]; then return; fi
    count=$((count + 1))
    { printf '%s %s\n' "$gw_worker" $count >"$lock/beat.new" && mv -f "$lock/beat.new" "$lock/beat"; } 2>/dev/null
    gw_nap 2
  done
}

gw_unlock() {
  local lock=$1 holder=''
  { kill "$gw_keeper" && wait "$gw_keeper"; } 2>/dev/null
  { IFS= read -r holder <"$lock/beat"; } 2>/dev/null
  if [ -z "$holder" ] || [ "${holder% *}" = "$gw_worker" ]; then rm -rf -- "$lock"; fi
}
