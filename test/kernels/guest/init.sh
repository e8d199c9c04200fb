#!/bin/busybox sh
# shellcheck shell=dash
# The first process of a kernel that is tried: makes the few places that a system has, runs /script and switches the
# machine off. The kernel hands over `rundle_root=tmpfs` of its command line as a variable: then the root is a tmpfs,
# in place of the initramfs, which pivot_root(2) cannot leave.
/bin/busybox --install -s /bin
PATH=/bin:/sbin:/usr/bin:/usr/sbin
export PATH

if [ "${rundle_root-}" = tmpfs ] && [ ! -e /moved ]; then
  mkdir -p /new
  mount -t tmpfs -o mode=0755,size=75% tmpfs /new
  for name in /*; do
    [ "$name" = /new ] || cp -a "$name" /new/
  done
  mkdir -p /new/moved
  export rundle_root
  exec switch_root /new /init
fi

mkdir -p /proc /sys /dev /run /tmp /var/tmp /home/user /root /mnt
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t securityfs securityfs /sys/kernel/security 2>/dev/null
mount -t devtmpfs -o mode=0755 devtmpfs /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs /dev/shm
mount -t tmpfs -o mode=0755,nosuid,nodev tmpfs /run
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs /tmp
chmod 1777 /var/tmp
chown -R 12345:12345 /home/user
chmod 0700 /home/user /root
ip link set lo up
hostname kernel-test
for module in /modules/*.ko; do
  [ ! -e "$module" ] || insmod "$module"
done
# As udev does it.
[ ! -e /dev/fuse ] || chmod 0666 /dev/fuse

# run NAME WHO COMMAND...: run a command as `root` or `user` and print how it ended, for boot.ts to read.
run() {
  name=$1
  who=$2
  shift 2
  status=0
  as "$who" "$@" >/run/output 2>/run/errors </dev/null || status=$?
  printf '\n@run %s %s %s %s\n' "$name" "$status" \
    "=$(base64 </run/output | tr -d '\n')" "=$(base64 </run/errors | tr -d '\n')"
}

# as WHO COMMAND...
as() {
  who=$1
  shift
  if [ "$who" = root ]; then
    HOME=/root USER=root "$@"
    return
  fi
  for word in "$@"; do
    printf "'%s' " "$(printf %s "$word" | sed "s/'/'\\\\''/g")"
  done >/run/words
  su -s /bin/sh user -c "cd; exec $(cat /run/words)"
}

printf '\n@begin\n'
# shellcheck source=/dev/null
. /script
printf '\n@end\n'
poweroff -f
