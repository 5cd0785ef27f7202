#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# guest.sh [-n NAME] [-t SECONDS] [-i] [-s] [-c] [-w] [-f PORT:PORT]... [-d DIR] COMMAND: boot our
# kernel and run COMMAND (a line of bash) in it as root, in this directory. Prints its output and
# returns its status.
#
#	-n NAME		name of the logs: build/log/NAME.console
#	-t SECONDS	time limit, unless TIMEOUT in the environment has another one
#	-i		attach the terminal
#	-s		boot the stock kernel, built by kernel.sh --stock
#	-c		one processor whose clock counts one nanosecond for each instruction
#	-w		the same clock, any number of processors: idle time is skipped
#	-f PORT:PORT	a network card, and a port of 127.0.0.1 that leads to a port of the guest.
#			The guest cannot reach anything
#	-d DIR		a directory that the guest can write to, at the same path
#
# Status 124: time limit; 125: the guest ended without the status of the command; 126: the kernel
# has reported something. In each case the console is shown. A guest that dies before its first
# process runs is booted once more, and the console of the first boot is kept as
# build/log/NAME.console.died.

# shellcheck source=vm/common.sh
. "$(dirname "$0")/common.sh"

name=vm limit=900 tty='' count='' warp='' forwards='' data=''
while getopts n:t:iscwf:d: opt; do
	case "$opt" in
	n)	name=$OPTARG ;;
	t)	limit=$OPTARG ;;
	i)	tty=y ;;
	s)	use_stock ;;
	c)	count=y ;;
	w)	warp=y ;;
	f)	forwards+=,hostfwd=tcp:127.0.0.1:${OPTARG%:*}-:${OPTARG#*:} ;;
	d)	data=$OPTARG ;;
	*)	exit 2 ;;
	esac
done
shift $((OPTIND - 1))
command=$1
limit=${TIMEOUT:-$limit}

[ -e "$KIMAGE" ] || die "there is no kernel yet: run make kernel${DEBIAN:+ ARCH=$KLP_ARCH}"

# With several threads, QEMU 7.2 sometimes delivers a breakpoint of text patching late, which
# kills the guest, also with stock kernels.
accel=${ACCEL:-tcg}
[ -n "$count$warp" ] && accel=tcg
[ -n "$count" ] && SMP=1
[ "$accel" = tcg ] && accel=tcg,thread=single

# KASAN needs memory. When each allocation records its stack, ACPI takes minutes to route the
# interrupts of PCI devices, which the chipset does as well.
memory=1G debug=''
grep -qs '^CONFIG_K[AC]SAN=y' "$KOBJ/.config" && memory=3G &&
	[ "$KLP_ARCH" = x86_64 ] && debug=pci=noacpi

# Two guests of one name must not share files.
mkdir -p "$LOG"
exec 8>"$LOG/.$name.lock"
flock -n 8 || name=$name-$$
console=$LOG/$name.console
run=$LOG/$name.run
rm -rf "$run"
mkdir -p "$run"
: >"$console"

{
	printf 'KLP_DIR=%q\n' "$TOP" "$VM" | sed '2s/DIR/VM/'
	printf 'KLP_MODULES=%q\n' "$ROOT/lib/modules"
	printf 'KLP_KDIR=%q\n' "$KOBJ"
	printf 'KLP_BUILD=%q\n' "$BUILD"
	printf 'KLP_COMMAND=%q\n' "$command"
	printf 'KLP_TTY=%q\n' "$tty"
	printf 'KLP_FORWARDS=%q\n' "$forwards"
	printf 'KLP_DATA=%q\n' "$data"
	printf 'TERM=%q\n' "${TERM:-dumb}"
	[ -n "$tty" ] && stty size | sed 's/\(.*\) \(.*\)/KLP_ROWS=\1 KLP_COLUMNS=\2/'
} >"$run/env"

# The root is that of this system. If the programs of this system do not run in the guest, it is
# another one, to which these directories are added.
root=/ init=$VM/guest-init.sh shares=()
if [ -n "$GUEST_ROOT" ]; then
	"$VM/guest-root.sh" || exit
	root=$GUEST_ROOT init=/guest-init.sh
	case "$BUILD/" in
	"$TOP"/*)	shares=("$TOP") ;;
	*)		shares=("$TOP" "$BUILD") ;;
	esac
fi

# Errors are shown immediately. Other messages of the boot are left out, because the serial line
# is slow. guest-init raises the level.
mount=trans=virtio,version=9p2000.L,msize=512000,cache=loose
append="console=$CONSOLE loglevel=5 panic=-1 oops=panic root=hostfs rootfstype=9p"
append+=" rootflags=$mount ro $BOOT_ARGS watchdog_thresh=60"
append+=" init=$init KLP_RUN=$run $debug $KERNEL_ARGS"
append+=" KLP_MOUNT=$mount"
[ ${#shares[@]} -eq 0 ] || append+=" KLP_SHARES=$(IFS=:; echo "${shares[*]}")"

# No network, no display and no disks. The two network cards are connected only to each other.
# Their driver is a module that only a test loads. With forwarded ports there is one card, and
# restrict=on refuses connections that the guest opens.
share=readonly=on,multidevs=remap,security_model=none
nine=virtio-9p-$TRANSPORT net=virtio-net-$TRANSPORT
[ "$TRANSPORT" = ccw ] || net+=,romfile=
# shellcheck disable=SC2054 # the commas belong to arguments of QEMU, here and below
qemu=(
	"${MACHINE[@]}" -accel "$accel" -smp "${SMP:-2}" -m "${MEM:-$memory}"
	-nodefaults -no-user-config -display none -no-reboot
	-kernel "$KIMAGE" -append "$append"
	-fsdev "local,id=root,path=$root,$share" -device "$nine,fsdev=root,mount_tag=hostfs"
	-chardev "file,id=console,path=$console" -serial chardev:console
	-device "virtio-serial-$TRANSPORT"
	-chardev "file,id=status,path=$run/status"
	-device virtserialport,chardev=status,name=status
)
if [ -n "$forwards" ]; then
	qemu+=(-netdev "user,id=user,ipv6=off,restrict=on$forwards" -device "$net,netdev=user")
else
	# shellcheck disable=SC2054
	qemu+=(-netdev hubport,id=wire0,hubid=0 -device "$net,netdev=wire0")
	# shellcheck disable=SC2054
	qemu+=(-netdev hubport,id=wire1,hubid=0 -device "$net,netdev=wire1")
fi
if [ -n "$data" ]; then
	qemu+=(-fsdev "local,id=data,path=$data,${share/readonly=on/readonly=off}")
	qemu+=(-device "$nine,fsdev=data,mount_tag=data")
fi
for ((i = 0; i < ${#shares[@]}; i++)); do
	qemu+=(-fsdev "local,id=share$i,path=${shares[i]},$share")
	qemu+=(-device "$nine,fsdev=share$i,mount_tag=share$i")
done
# shellcheck disable=SC2054
[ -n "$count$warp" ] && qemu+=(-icount shift=0,sleep=off)
if [ -n "$tty" ]; then
	# shellcheck disable=SC2054
	qemu+=(-chardev stdio,id=stdio -device virtconsole,chardev=stdio)
else
	# A file: stdio would end the guest at the end of stdin, and a pipe would lose the last
	# lines of a guest if the reader is slow.
	# shellcheck disable=SC2054
	qemu+=(-chardev "file,id=output,path=$run/output")
	# shellcheck disable=SC2054
	qemu+=(-device virtserialport,chardev=output,name=output)
fi

# The end of this script ends the guest.
# shellcheck disable=SC2317 # a trap calls it
end_guest()
{
	trap - INT TERM HUP EXIT
	[ -n "$pid" ] && kill "$pid" 2>/dev/null && wait "$pid"
	[ -n "$tty" ] && stty "$saved" 2>/dev/null
	exit "${1:-130}"
}
[ -n "$tty" ] && saved=$(stty -g)
trap 'end_guest 130' INT
trap 'end_guest 143' TERM HUP
trap 'end_guest $?' EXIT

guest=(setpriv --pdeathsig TERM timeout --foreground -k 5 "$limit" "${qemu[@]}")
exec 3<&0

# boot: run QEMU. Sets rc to its status, or that of timeout
boot()
{
	rc=0
	if [ -n "$tty" ]; then
		"${guest[@]}" <&3 2>"$run/qemu" 8>&- &
		pid=$!
		wait "$pid" || rc=$?
	else
		: >"$run/output"
		"${guest[@]}" </dev/null >/dev/null 2>"$run/qemu" 3<&- 8>&- &
		pid=$!
		tail -c +1 -s 0.1 -f --pid=$pid "$run/output" 2>/dev/null 3<&- 8>&- &
		reader=$!
		wait "$pid" || rc=$?
		wait "$reader"
	fi
	pid=
}

# Succeed if the guest died before anything that is tested has run: an error of the emulator or of
# the boot code. An empty console is an error of QEMU itself, which would repeat.
died_early()
{
	[ "$rc" != 124 ] && [ -s "$console" ] && ! grep -q 'guest-init: running' "$console"
}

boot
if died_early; then
	echo "# the guest died before its first process ran, it is booted once more: $console.died"
	mv "$console" "$console.died"
	: >"$console"
	boot
fi

# fail STATUS MESSAGE: print the message and the end of the console, and exit
fail()
{
	echo
	echo "GUEST FAILED: $2"
	if [ -s "$run/qemu" ]; then
		sed 's/^/qemu: /' "$run/qemu" | tail -n 10
	fi
	if [ -s "$console" ]; then
		echo "--- the end of its console, $console:"
		tail -n 40 "$console"
		echo "---"
	else
		echo "Its console is empty."
	fi
	exit "$1"
}

races=()
if grep -qs '^CONFIG_KCSAN=y' "$KOBJ/.config"; then
	nm --defined-only "$KOBJ"/{kernel,lib,samples}/livepatch/*.o 2>/dev/null |
		sed -n 's/^.* [tT] \([A-Za-z0-9_]*\).*/\1/p' | sort -u >"$run/ours"
	races=(-v "ours=$run/ours")
fi
"$VM/reports.awk" "${races[@]}" "$console" >"$run/reports" || {
	echo
	echo "GUEST FAILED: its kernel reported something:"
	echo "--- from its console, $console:"
	cat "$run/reports"
	echo "---"
	exit 126
}
[ "$rc" = 124 ] && fail 124 "it did not end within $limit seconds"
status=$(tr -d '\r\n' <"$run/status" 2>/dev/null)
[[ $status =~ ^[0-9]+$ ]] || fail 125 "it ended without saying how the command ended"
exit "$status"
