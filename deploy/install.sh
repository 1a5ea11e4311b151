#!/usr/bin/env bash
# Installs gpuwarden as a systemd service on this host: builds, copies the program, creates the user, the configuration
# folder and the unit. Safe to run again: an existing configuration is kept. Needs root.
#
#   deploy/install.sh             install or upgrade; enables the unit, starts it when the configuration is complete
#   deploy/install.sh --remove    stop and remove the program and the unit; configuration and state stay
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
[ "$(id -u)" = 0 ] || { echo "install.sh: needs root, for example: sudo deploy/install.sh" >&2; exit 2; }
env_file=/etc/gpuwarden/gpuwarden.env
state=/var/lib/gpuwarden
has_systemd() { [ -d /run/systemd/system ]; }

# The daemon's user, with nothing of root's environment: what it may not read or does not find, the check must not either.
as_daemon() {
  runuser -u gpuwarden -- env -i PATH=/usr/local/bin:/usr/bin:/bin HOME="$state" "GPUWARDEN_ENV_FILE=$env_file" "$@"
}

# Secrets that only systemd hands to the service are missing in a check by hand.
has_credentials() {
  systemctl show -p LoadCredential -p LoadCredentialEncrypted -p SetCredential -p SetCredentialEncrypted gpuwarden.service |
    grep '=.' >/dev/null
}

# Starts or restarts the service and waits until it has seen queue and pods once.
start() {
  systemctl restart --no-block gpuwarden.service
  local waited active restarts
  for ((waited = 0; waited < 60; waited++)); do
    sleep 1
    active=$(systemctl is-active gpuwarden.service || true)
    case $active in
      active) echo "Running. Next: gpuwarden status, journalctl -fu gpuwarden"; return 0 ;;
      failed) break ;;
    esac
    # It ended and is being tried again.
    restarts=$(systemctl show -p NRestarts --value gpuwarden.service)
    if [[ $restarts =~ ^[1-9] ]]; then break; fi
  done
  echo "Not running after $((waited + 1)) s (${active:-unknown}). Its last words:" >&2
  journalctl -u gpuwarden.service -n 20 --no-pager -o cat >&2 || true
  echo "Next: sudo gpuwarden doctor; systemd keeps trying to start it" >&2
  return 1
}

case ${1:-} in
  -h | --help) sed -n '2,6p' "${BASH_SOURCE[0]}" | sed 's/^# \{0,1\}//'; exit 0 ;;
  --remove)
    if has_systemd; then systemctl disable --now gpuwarden.service || true; fi
    rm -f /etc/systemd/system/gpuwarden.service /usr/local/bin/gpuwarden
    if has_systemd; then systemctl daemon-reload; fi
    echo "Removed. Kept: /etc/gpuwarden and $state. Pods that still run: gpuwarden workers before you remove it."
    exit 0
    ;;
  '') ;;
  *) echo "install.sh: unknown option $1" >&2; exit 2 ;;
esac

# shellcheck source=deploy/lib/packages.sh
. "$root/deploy/lib/packages.sh"
gw_install_build_packages
cd "$root"
cmake --preset release -DGPUWARDEN_TESTS=OFF >/dev/null
cmake --build --preset release --target gpuwarden | tail -n 1
install -D -m 0755 build/release/gpuwarden /usr/local/bin/gpuwarden
getent group gpuwarden >/dev/null || groupadd --system gpuwarden
getent passwd gpuwarden >/dev/null ||
  useradd --system --gid gpuwarden --home-dir "$state" --shell /usr/sbin/nologin gpuwarden
install -d -m 0750 -o root -g gpuwarden /etc/gpuwarden
if [ ! -e "$env_file" ]; then
  install -m 0640 -o root -g gpuwarden config/gpuwarden.env.example "$env_file"
  echo "Wrote $env_file: fill it in."
fi
install -D -m 0644 README.md /usr/share/doc/gpuwarden/README.md
install -D -m 0644 deploy/gpuwarden.service /etc/systemd/system/gpuwarden.service
echo "Who may use the commands without sudo: members of the group gpuwarden (sudo usermod -aG gpuwarden NAME)."

if ! has_systemd; then
  # What systemd would make for the service.
  install -d -m 0700 -o gpuwarden -g gpuwarden "$state"
  install -d -m 0750 -o gpuwarden -g gpuwarden /run/gpuwarden
  echo "systemd does not run here, so nothing was started; the unit is in /etc/systemd/system/gpuwarden.service."
  as_daemon gpuwarden config --check || exit 0
  echo "To start it by hand: runuser -u gpuwarden -- env GPUWARDEN_ENV_FILE=$env_file gpuwarden run"
  exit 0
fi
systemctl daemon-reload
systemctl enable gpuwarden.service
if as_daemon gpuwarden config --check; then
  start
elif has_credentials; then
  echo "Some secrets come from systemd's credentials, which only the service sees: it judges by itself."
  start
elif systemctl -q is-active gpuwarden.service; then
  echo "The service goes on with the configuration and the program that it was started with. Next: complete" \
    "$env_file, then: systemctl restart gpuwarden"
else
  echo "Not started: complete $env_file, then: systemctl restart gpuwarden"
fi
