#!/bin/bash
# The pod's own end: when nobody has answered for the length of the lease and no task is running, nobody may be left
# who would delete it, and it costs money by the second.

gw_delete_own_pod() {
  local code key=${RUNPOD_API_KEY:-} url=${RUNPOD_API_URL:-https://api.runpod.io/v2} pod=${RUNPOD_POD_ID:-}
  gw_log "no contact for ${gw_lease_ms} ms and no task: this pod deletes itself"
  if [ -n "$key" ] && [[ $pod =~ ^[A-Za-z0-9_-]+$ ]]; then
    (
      umask 077
      key=${key//\\/\\\\}
      printf 'url = "%s/pods/%s"\nrequest = "DELETE"\nheader = "Authorization: Bearer %s"\nuser-agent = "gpuwarden-agent/1"\nsilent\nshow-error\nmax-time = 20\noutput = "/dev/null"\nwrite-out = "%%{http_code}"\n' \
        "${url%/}" "$pod" "${key//\"/\\\"}" >"$run/delete.conf"
    )
    code=$(curl -q --config "$run/delete.conf" 2>/dev/null)
    gw_log "Runpod answered ${code:-nothing}"
    case $code in 2?? | 404) return 0 ;; esac
  fi
  if [ -n "$pod" ] && command -v runpodctl >/dev/null && timeout -k 2 30 runpodctl remove pod "$pod"; then return 0; fi
  # Without a key: at least the container ends.
  if gw_pid1_is_ours; then kill -TERM 1 2>/dev/null; fi
  return 1
}
