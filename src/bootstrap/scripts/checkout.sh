#!/bin/bash
# Fetch and setup. WORKER_DIR holds one checkout for each pair of commit and setup command:
#
#   <worker dir>/<commit>-<hash of the setup command>/   the repository; setup and worker run in it. A damaged one
#                                                        in which a worker may run stays, its successor ends in -2
#   <worker dir>/.gpuwarden/<same name>.ready            setup has ended well in it
#   <worker dir>/.gpuwarden/<same name>.used             touched while a worker runs in it
#   <worker dir>/.gpuwarden/<same name>.lock/            who is preparing it
#   <worker dir>/shared/                                 for caches and models: $GPUWARDEN_SHARED_DIR
#
# So setup runs again exactly when the commit or the command changed, and no pod ever changes files under the worker of
# another pod on the same volume. A checkout appears by a rename, complete or not at all; one whose setup did not end
# well is made anew. What no worker has used for a week is removed.

gw_git() {
  # Credentials of the URL reach git through a helper and a file of our own, never as an argument or in the environment.
  local settings=(-c advice.detachedHead=false -c gc.auto=0 -c safe.directory='*')
  if [ -n "$gw_repo_user$gw_repo_password" ]; then
    if [ ! -e "$run/git.login" ]; then
      (umask 077 && printf 'username=%s\npassword=%s\n' "$gw_repo_user" "$gw_repo_password" >"$run/git.login") || return 1
    fi
    # shellcheck disable=SC2016 # the helper's shell expands it
    settings+=(-c credential.helper= -c 'credential.helper=!f() { cat "$GW_GIT_LOGIN"; }; f')
  fi
  GW_GIT_LOGIN=$run/git.login GIT_TERMINAL_PROMPT=0 \
    GIT_SSH_COMMAND=${GIT_SSH_COMMAND:-ssh -o BatchMode=yes -o StrictHostKeyChecking=accept-new -o ConnectTimeout=15} \
    GIT_HTTP_LOW_SPEED_LIMIT=1000 GIT_HTTP_LOW_SPEED_TIME=30 \
    timeout -k 5 "$gw_git_timeout" git "${settings[@]}" "$@" </dev/null
}
gw_git_timeout=900

# gw_patiently NAME COMMAND...: runs it until it succeeds; trouble that a moment can heal is tried four times.
# NAME gets its standard output; errors go to the log. gw_exit is the last exit code.
gw_patiently() {
  local _into=$1 _attempt _errors _text _backoff=500 _answer
  shift
  for _attempt in 1 2 3 4; do
    _errors=$run/git.errors
    _answer=$("$@" 2>"$_errors")
    gw_exit=$?
    _text=''
    IFS= read -r -d '' _text <"$_errors" || true
    gw_redact _text
    printf '%s' "$_text"
    printf -v "$_into" '%s' "$_answer"
    if [ $gw_exit = 0 ]; then return 0; fi
    case ${_text,,} in
      *"authentication failed"* | *"could not read username"* | *"could not read password"* | *"not found"* | \
        *"permission denied"* | *"couldn't find remote ref"* | *"does not appear to be a git repository"* | \
        *"does not exist"* | *"host key verification failed"* | *"unadvertised object"* | *"not our ref"* | \
        *"no space left"* | *"access denied"* | *"error: 40"[0-9]* | *"protocol '"*"' is not supported"*) return 1 ;;
    esac
    if [ "$_attempt" -lt 4 ]; then
      gw_pause _backoff
      gw_log "git failed with exit code $gw_exit, attempt $_attempt of 4"
      gw_nap "$gw_pause_s"
    fi
  done
  return 1
}

# Sets gw_commit to what the ref names now: branch, tag, full ref name or commit. Empty when only the history can say.
gw_resolve() {
  local listed hash name branch='' tag='' peeled='' exact=''
  gw_commit=
  if [[ $gw_repo_ref =~ ^([0-9a-f]{40}|[0-9a-f]{64})$ ]]; then
    gw_commit=$gw_repo_ref
    return 0
  fi
  gw_patiently listed gw_git ls-remote -- "$gw_repo_url" "refs/heads/$gw_repo_ref" "refs/tags/$gw_repo_ref" \
    "refs/tags/$gw_repo_ref^{}" "$gw_repo_ref" || return 1
  while IFS=$'\t' read -r hash name; do
    case $name in
      "refs/heads/$gw_repo_ref") branch=$hash ;;
      "refs/tags/$gw_repo_ref") tag=$hash ;;
      "refs/tags/$gw_repo_ref^{}") peeled=$hash ;;
      "$gw_repo_ref") exact=$hash ;;
    esac
  done <<<"$listed"
  gw_commit=${branch:-${peeled:-${tag:-$exact}}}
  if [ -z "$gw_commit" ] && ! [[ $gw_repo_ref =~ ^[0-9a-f]{4,63}$ ]]; then
    printf "fatal: couldn't find remote ref %s\n" "$gw_repo_ref"
    gw_exit=128
    return 1
  fi
}

# gw_fill DIRECTORY: an independent repository with gw_commit (or what gw_repo_ref abbreviates) checked out.
gw_fill() {
  local dir=$1 ignored whole=1
  git init -q -- "$dir" && gw_git -C "$dir" remote add origin "$gw_repo_url" || return 1
  if [ -n "$gw_commit" ] && gw_patiently ignored gw_git -C "$dir" fetch -q --depth 1 --no-tags origin "$gw_commit"; then whole=0; fi
  if [ $whole = 1 ]; then
    # A server may give out only what a branch or tag names.
    gw_patiently ignored gw_git -C "$dir" fetch -q --tags origin '+refs/heads/*:refs/remotes/origin/*' || return 1
    if ! gw_commit=$(git -C "$dir" rev-parse -q --verify "${gw_commit:-$gw_repo_ref}^{commit}"); then
      gw_commit=
      gw_exit=128
      printf "fatal: couldn't find remote ref %s\n" "$gw_repo_ref"
      return 1
    fi
  fi
  gw_patiently ignored gw_git -C "$dir" checkout -q --force --detach "$gw_commit" || return 1
  if [ -f "$dir/.gitmodules" ]; then
    gw_patiently ignored gw_git -C "$dir" submodule update -q --init --recursive --depth 1 ||
      gw_patiently ignored gw_git -C "$dir" submodule update -q --init --recursive || return 1
  fi
}

gw_name_checkout() {
  local hash base count=1
  hash=$(printf '%s' "$gw_setup_cmd" | sha256sum)
  base=${gw_commit:0:12}-${hash:0:8}
  gw_take_name "$base"
  # Ready but damaged, or moved on by a worker that pulls: another pod's worker may run in it, so it stays.
  while [ -e "$gw_mark.ready" ] && ! gw_is_whole; do
    count=$((count + 1))
    gw_take_name "$base-$count"
  done
}

gw_take_name() {
  gw_name=$1
  gw_where=$gw_worker_dir/$gw_name
  gw_mark=$gw_worker_dir/.gpuwarden/$gw_name
}

# Sets gw_where, the directory in which setup and worker run, and gw_commit.
gw_fetch() {
  local dir lock
  gw_exit=1 gw_commit='' gw_mark=''
  if [ -z "$gw_repo_url" ]; then
    for dir in "$gw_worker_dir" "$gw_mount_path" /; do
      if [ -d "$dir" ]; then
        gw_where=$dir
        return 0
      fi
    done
  fi
  mkdir -p -- "$gw_worker_dir/.gpuwarden" "$gw_worker_dir/shared" 2>&1 || return 1
  export GPUWARDEN_SHARED_DIR=$gw_worker_dir/shared
  gw_resolve || return 1
  if [ -n "$gw_commit" ]; then
    gw_name_checkout
    touch -- "$gw_mark.used" 2>/dev/null
    if gw_is_whole; then
      gw_log "$gw_repo_ref is $gw_commit, which is there already"
      return 0
    fi
    lock=$gw_mark.lock
  else
    lock=$gw_worker_dir/.gpuwarden/abbreviated.lock
  fi
  gw_lock "$lock" || return 1
  if [ -z "$gw_commit" ] || ! gw_is_whole; then gw_make_checkout; else gw_exit=0; fi
  local made=$gw_exit
  gw_unlock "$lock"
  gw_exit=$made
  if [ "$gw_exit" = 0 ]; then (gw_remove_unused) & fi
  return "$gw_exit"
}

# A checkout in which setup has ended well, or that nobody has touched since it was made.
gw_is_whole() {
  [ -d "$gw_where/.git" ] && { [ -e "$gw_mark.ready" ] || [ -e "$gw_mark.fetched" ]; } &&
    [ "$(git -c safe.directory='*' -C "$gw_where" rev-parse -q --verify HEAD 2>/dev/null)" = "$gw_commit" ]
}

gw_make_checkout() {
  local fresh=$gw_worker_dir/.gpuwarden/new.$gw_worker
  rm -rf -- "$fresh"
  gw_exit=1
  if ! gw_fill "$fresh"; then
    rm -rf -- "$fresh"
    [ "$gw_exit" != 0 ] || gw_exit=1
    return
  fi
  gw_name_checkout
  # What is there is broken, or was abandoned in the middle of its setup: no worker was ever started in it.
  if [ -e "$gw_where" ] && ! gw_is_whole; then gw_put_away "$gw_name"; fi
  if [ ! -e "$gw_where" ]; then mv -T -- "$fresh" "$gw_where" && : >"$gw_mark.fetched"; else rm -rf -- "$fresh"; fi
  touch -- "$gw_mark.used" && gw_is_whole
  gw_exit=$?
}

# gw_put_away NAME: out of the way at once, gone a little later.
gw_put_away() {
  local trash=$gw_worker_dir/.gpuwarden/trash.$gw_worker.$RANDOM
  rm -f -- "$gw_worker_dir/.gpuwarden/$1.ready" "$gw_worker_dir/.gpuwarden/$1.fetched"
  if mv -T -- "$gw_worker_dir/$1" "$trash"; then (rm -rf -- "$trash") & fi
}

gw_remove_unused() {
  trap - EXIT
  local reference=$run/week_ago mark name left
  touch -d '7 days ago' -- "$reference" || return
  for mark in "$gw_worker_dir"/.gpuwarden/*.used; do
    name=${mark##*/}
    name=${name%.used}
    if [ "$mark" -ot "$reference" ] && [ "$name" != "$gw_name" ] && [[ $name =~ ^[0-9a-f]{12}-[0-9a-f]{8}(-[0-9]+)?$ ]]; then
      gw_log "removing checkout $name, unused for a week"
      rm -f -- "$mark"
      gw_put_away "$name"
    fi
  done
  # What pods left that ended in the middle.
  for left in "$gw_worker_dir"/.gpuwarden/{new.,trash.}* "$gw_worker_dir"/.gpuwarden/*.broken.*; do
    if [ "$left" -ot "$reference" ] && [ -d "$left" ]; then rm -rf -- "$left"; fi
  done
}

# Runs the setup command where it has not yet ended well.
gw_setup() {
  gw_exit=0
  if [ -z "$gw_setup_cmd" ]; then return 0; fi
  if [ -z "$gw_mark" ]; then
    gw_run_setup
    return "$gw_exit"
  fi
  if [ -e "$gw_mark.ready" ]; then
    gw_log "setup has been done for $gw_name"
    return 0
  fi
  gw_exit=1
  gw_lock "$gw_mark.lock" || return 1
  if [ -e "$gw_mark.ready" ]; then
    gw_log "setup has been done for $gw_name meanwhile"
    gw_exit=0
  else
    # Another pod's setup failed here while we waited: begin with clean files.
    gw_exit=0
    if ! gw_is_whole; then gw_make_checkout; fi
    if [ "$gw_exit" = 0 ]; then
      rm -f -- "$gw_mark.fetched"
      gw_run_setup
      if [ "$gw_exit" = 0 ]; then : >"$gw_mark.ready" || gw_exit=1; fi
    fi
  fi
  local ended=$gw_exit
  gw_unlock "$gw_mark.lock"
  gw_exit=$ended
  return "$gw_exit"
}

gw_run_setup() {
  (
    trap - EXIT HUP
    cd -- "$gw_where" || exit 1
    exec bash -c "$gw_setup_cmd"
  ) </dev/null 2>&1
  gw_exit=$?
}
