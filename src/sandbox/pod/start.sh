#!/bin/bash
# What a GPU image's entry point does: SSH for the given public key, its fingerprints in the container's log, the
# container's environment for login shells, then nothing until the pod is deleted. R is empty inside a root file
# system of its own and the pod's directory otherwise.
# shellcheck disable=SC1090 # written for each pod
. "${POD_CONF:-/pod.conf}"
R=${POD_DIR:-}
home=$R/root
mkdir -p "$home/.ssh" "$R/etc/ssh" "$R/var/log"
chmod 0700 "$home/.ssh"

if [ "$POD_AUTHORISE" = 1 ] && [ -n "${PUBLIC_KEY:-}" ]; then
  printf '%s\n' "$PUBLIC_KEY" >>"$home/.ssh/authorized_keys"
  chmod 0600 "$home/.ssh/authorized_keys"
fi

for type in ecdsa ed25519; do
  ssh-keygen -q -t "$type" -N '' -f "$R/etc/ssh/ssh_host_${type}_key" </dev/null
done

printenv | grep -E '^[A-Z_][A-Z0-9_]*=' | grep -vE '^(PUBLIC_KEY|HOME|PWD|SHLVL|_)=' |
  awk -F= '{ value = substr($0, index($0, "=") + 1); gsub(/[\\"$`]/, "\\\\&", value); print "export " $1 "=\"" value "\"" }' \
    >"$R/etc/rp_environment"
echo ". $R/etc/rp_environment" >>"$home/.bashrc"

cat >"$R/etc/ssh/sshd_config" <<CONFIG
ListenAddress 127.0.0.1
Port $POD_SSH_PORT
HostKey $R/etc/ssh/ssh_host_ecdsa_key
HostKey $R/etc/ssh/ssh_host_ed25519_key
AuthorizedKeysFile $home/.ssh/authorized_keys
PidFile none
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
StrictModes no
UsePAM no
UseDNS no
MaxStartups 100
MaxSessions 100
PrintMotd no
Subsystem sftp internal-sftp
SetEnv $POD_SSH_ENV
CONFIG

echo "SSH host keys:"
for key in "$R"/etc/ssh/ssh_host_*_key.pub; do
  echo "Key: ${key#"$R"}"
  if [ "$POD_TRUE_HOST_KEYS" = 1 ]; then
    ssh-keygen -lf "$key"
  else
    ssh-keygen -q -t ed25519 -N '' -f "$R/tmp/other" </dev/null && ssh-keygen -lf "$R/tmp/other.pub"
    rm -f "$R/tmp/other" "$R/tmp/other.pub"
  fi
done

if [ "$POD_SSHD" = 1 ]; then
  if [ "$(id -u)" = 0 ]; then mkdir -p /run/sshd; fi
  # The listener is told apart from its sessions by -D: it stays a child of this script.
  setpriv --pdeathsig KILL /usr/sbin/sshd -D -f "$R/etc/ssh/sshd_config" -E "$R/var/log/sshd.log" &
fi
if [ -n "$R" ]; then
  # Without a process namespace nothing ends with this script by itself: the guard kills what it leaves behind.
  # shellcheck disable=SC2016 # expanded by the guard
  setsid bash -c 'while kill -0 "$1" 2>/dev/null; do sleep 0.5; done
    for _ in 1 2 3; do
      for environ in $(grep -lzFx "GPUWARDEN_SANDBOX_POD=$GPUWARDEN_SANDBOX_POD" /proc/[0-9]*/environ 2>/dev/null); do
        pid=${environ#/proc/} pid=${pid%/environ}
        [ "$pid" = $$ ] || kill -KILL "$pid" 2>/dev/null
      done
      sleep 0.2
    done' guard $$ >/dev/null 2>&1 &
fi
echo "Start script(s) finished, Pod is ready to use."
exec 0</dev/null
while :; do
  sleep 3600
done
