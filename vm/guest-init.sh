#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The first process of the guest. The root file system is that of the running system or of
# guest-root.sh, read-only over 9p. Mount a writable overlay over it and the usual file systems,
# run the command, report its status, and power off. KLP_RUN is passed on the command line of the
# kernel, and so are KLP_SHARES, the directories that another root does not have, and KLP_MOUNT,
# the options of mounts.

export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

# QEMU runs with -no-reboot: a restart ends it immediately.
power_off()
{
	echo b >/proc/sysrq-trigger
	while :; do
		:
	done
}

# Report the error of this script: otherwise only a panic of init would be visible.
give_up()
{
	echo "guest-init: $*" >/dev/console
	power_off
}

if [ "$1" != second ]; then
	mount -n -t proc proc /proc || exit 1
	mount -n -t devtmpfs dev /dev || exit 1
	# vm/guest.sh repeats a boot that does not reach this line.
	echo "<4>guest-init: running" >/dev/kmsg
	mount -n -t tmpfs upper /tmp || give_up "no tmpfs"
	mkdir /tmp/upper /tmp/work /tmp/root
	mount -n -t overlay root /tmp/root -o lowerdir=/,upperdir=/tmp/upper,workdir=/tmp/work ||
		give_up "no overlay"
	cd /tmp/root || give_up "no root"
	mount -n --move /proc proc
	mount -n --move /dev dev
	mkdir -p mnt
	pivot_root . mnt || give_up "no pivot"
	exec chroot . "$0" second </dev/console >/dev/console 2>&1
fi

umount -n -l /mnt
IFS=: read -r -a shares <<<"$KLP_SHARES"
for i in "${!shares[@]}"; do
	mkdir -p "${shares[i]}"
	mount -n -t 9p -o "$KLP_MOUNT" "share$i" "${shares[i]}" || give_up "no ${shares[i]}"
done
# shellcheck source=/dev/null # written by vm/guest.sh
. "$KLP_RUN/env" || give_up "no $KLP_RUN/env"

mkdir -p /dev/pts /dev/shm /sys /run
mount -t sysfs sysfs /sys
mount -t debugfs debugfs /sys/kernel/debug
[ ! -e /sys/kernel/debug/kcsan ] || echo on >/sys/kernel/debug/kcsan
mount -t tracefs tracefs /sys/kernel/tracing
mount -t bpf bpf /sys/fs/bpf
mount -t devpts devpts /dev/pts
mount -t tmpfs shm /dev/shm
# Hide the files of the running system in these, unless the project is there.
for dir in /run /tmp; do
	case "$KLP_DIR/ $KLP_BUILD/" in
	"$dir"/* | *" $dir"/*)	;;
	*)	mount -t tmpfs "${dir#/}" "$dir" ;;
	esac
done
for fd in fd fd/0:stdin fd/1:stdout fd/2:stderr; do
	ln -sfT "/proc/self/${fd%:*}" "/dev/${fd#*:}"
done
mkdir -p /lib/modules
mount --bind "$KLP_MODULES" /lib/modules
command -v ip >/dev/null && ip link set lo up
if [ -n "$KLP_FORWARDS" ]; then
	# The address that QEMU forwards ports to.
	modprobe virtio_net && ip address add 10.0.2.15/24 dev eth0 && ip link set eth0 up ||
		give_up "no network"
fi
if [ -n "$KLP_DATA" ]; then
	mkdir -p "$KLP_DATA"
	mount -n -t 9p -o "${KLP_MOUNT/cache=loose/cache=none}" data "$KLP_DATA" ||
		give_up "no $KLP_DATA"
fi
# From now on the console has the messages of the kernel, without those for debugging.
echo 7 >/proc/sys/kernel/printk

# port NAME: print the device that QEMU gives this name
port()
{
	local dir

	for dir in /sys/class/virtio-ports/*; do
		[ "$(cat "$dir/name" 2>/dev/null)" = "$1" ] && echo "/dev/${dir##*/}" && return
	done
	give_up "QEMU shows no port $1"
}

# Programs of the host, which do not run in a guest with another root.
[ -n "$KLP_SHARES" ] || PATH+=:$KLP_BUILD/daemons/usr/bin
env=(
	-i "PATH=$PATH" HOME=/root USER=root LOGNAME=root SHELL=/bin/bash LC_ALL=C.UTF-8
	"TERM=$TERM" "KDIR=$KLP_KDIR" "KLP_DIR=$KLP_DIR" "KLP_BUILD=$KLP_BUILD"
)
cd "$KLP_DIR" || give_up "no $KLP_DIR"
status=$(port status)

if [ -n "$KLP_TTY" ]; then
	exec </dev/hvc0 >/dev/hvc0 2>&1
	# The terminal at the other end adds carriage returns.
	stty sane -onlcr rows "$KLP_ROWS" columns "$KLP_COLUMNS"
	if [ -n "$KLP_COMMAND" ]; then
		setsid --ctty --wait env "${env[@]}" bash -c "$KLP_COMMAND"
	else
		echo "Linux $(uname -r), a root shell. Modules: /lib/modules/$(uname -r)"
		echo "Nothing you write outlives the guest. exit or Ctrl-C ends it."
		# The start-up files of the user may be slow, and may need a network.
		setsid --ctty --wait env "${env[@]}" 'PS1=guest:\w# ' bash --norc -i
	fi
	rc=$?
else
	# A pipe, because commands may open /dev/stdout again, which a port does not allow.
	output=$(port output)
	mkfifo /run/output
	cat </run/output >"$output" &
	cat=$!
	setsid --wait env "${env[@]}" bash -c "$KLP_COMMAND" </dev/null >/run/output 2>&1
	rc=$?
	# Processes that the command has left may keep the pipe open.
	for ((i = 0; i < 30; i++)); do
		kill -0 $cat 2>/dev/null || break
		sleep 0.1
	done
fi

echo "$rc" >"$status"
power_off
