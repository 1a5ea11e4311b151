#!/bin/bash
# Pid 1 of a pod, first act: builds the root file system that the pod will see, enters it and becomes start.sh.
# Arguments: mount point, directory with the pod's files, directory of the network volume or "", mount path or "".
set -eu
root=$1 files=$2 volume=$3 mount_path=$4

mount --make-rprivate /
mount -t tmpfs -o mode=0755,size=16g pod "$root"
cd "$root"
mkdir -p etc/ssh proc sys dev/pts dev/shm run/sshd root var/log var/lib var/empty opt home workspace usr tmp var/tmp old
chmod 1777 tmp var/tmp dev/shm
chmod 0700 root

read_only() {
  mkdir -p "./$1"
  mount --bind "/$1" "./$1"
  mount -o remount,bind,ro "./$1" 2>/dev/null || mount -o remount,bind,ro,nosuid,nodev "./$1"
}
read_only usr
for name in bin sbin lib lib32 lib64 libx32; do
  if [ -L "/$name" ]; then
    cp -P "/$name" "./$name"
  elif [ -d "/$name" ]; then
    read_only "$name"
  fi
done
for name in etc/alternatives etc/ssl/certs; do
  [ -d "/$name" ] && read_only "$name"
done
cp /etc/ld.so.cache etc/ 2>/dev/null || true
cp "$files"/etc/* etc/
cp "$files"/start.sh "$files"/pod.conf .
# Tools of the image that the host does not have.
mount -t tmpfs -o mode=0755 tools usr/local/bin
cp "$files"/bin/* usr/local/bin/ 2>/dev/null || true

for name in null zero full random urandom tty; do
  touch "dev/$name"
  mount --bind "/dev/$name" "dev/$name"
done
ln -s /proc/self/fd dev/fd
ln -s /proc/self/fd/0 dev/stdin
ln -s /proc/self/fd/1 dev/stdout
ln -s /proc/self/fd/2 dev/stderr
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620 devpts dev/pts
ln -s pts/ptmx dev/ptmx
mount -t proc -o nosuid,nodev,noexec proc proc
# What the kernel shows of the whole machine must not be changed from inside.
for name in proc/sys proc/sysrq-trigger proc/irq proc/bus; do
  [ -e "$name" ] || continue
  mount --bind "$name" "$name" && mount -o remount,bind,ro,nosuid,nodev,noexec "$name"
done 2>/dev/null || true

if [ -n "$volume" ]; then
  mkdir -p ".$mount_path"
  mount --bind "$volume" ".$mount_path"
elif [ -n "$mount_path" ]; then
  mkdir -p ".$mount_path"
fi

hostname "${RUNPOD_POD_HOSTNAME:-pod}" 2>/dev/null || true
pivot_root . old
cd /
umount -n -l /old
rmdir /old
drop=-sys_admin,-dac_read_search,-sys_module,-sys_rawio,-sys_boot,-sys_time,-mknod,-net_admin,-syslog,-mac_admin,-mac_override
if [ "$(id -u)" != 0 ]; then drop=-all; fi
exec setpriv --bounding-set "$drop" --inh-caps -all --ambient-caps -all -- /bin/bash /start.sh
