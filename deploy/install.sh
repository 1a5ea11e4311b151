#!/usr/bin/env bash
# Installs gpuwarden as a systemd service on this host: builds, copies the program, creates the user, the configuration
# folder and the unit. Safe to run again: an existing configuration is kept. Needs root.
#
#   deploy/install.sh             install or upgrade; enables the unit, starts it when the configuration is complete
#   deploy/install.sh --remove    stop and remove the program and the unit; configuration and state stay
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
[ "$(id -u)" = 0 ] || { echo "install.sh: needs root, for example: sudo deploy/install.sh" >&2; exit 2; }
has_systemd() { [ -d /run/systemd/system ]; }

case ${1:-} in
  -h | --help) sed -n '2,6p' "${BASH_SOURCE[0]}" | sed 's/^# \{0,1\}//'; exit 0 ;;
  --remove)
    if has_systemd; then systemctl disable --now gpuwarden.service || true; fi
    rm -f /etc/systemd/system/gpuwarden.service /usr/local/bin/gpuwarden
    if has_systemd; then systemctl daemon-reload; fi
    echo "Removed. Kept: /etc/gpuwarden and /var/lib/gpuwarden. Pods that still run: gpuwarden workers before you remove it."
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
getent passwd gpuwarden >/dev/null || useradd --system --home-dir /var/lib/gpuwarden --shell /usr/sbin/nologin gpuwarden
install -d -m 0750 -o root -g gpuwarden /etc/gpuwarden
if [ ! -e /etc/gpuwarden/gpuwarden.env ]; then
  install -m 0640 -o root -g gpuwarden config/gpuwarden.env.example /etc/gpuwarden/gpuwarden.env
  echo "Wrote /etc/gpuwarden/gpuwarden.env: fill it in."
fi
install -D -m 0644 README.md /usr/share/doc/gpuwarden/README.md
install -D -m 0644 deploy/gpuwarden.service /etc/systemd/system/gpuwarden.service
if ! has_systemd; then
  echo "systemd does not run here; the unit is in /etc/systemd/system/gpuwarden.service."
  exit 0
fi
systemctl daemon-reload
systemctl enable gpuwarden.service
if GPUWARDEN_ENV_FILE=/etc/gpuwarden/gpuwarden.env /usr/local/bin/gpuwarden config --check; then
  systemctl restart gpuwarden.service
  echo "Running. Next: journalctl -fu gpuwarden"
else
  echo "Not started: complete /etc/gpuwarden/gpuwarden.env, then: systemctl restart gpuwarden"
fi
