#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# guest.sh [-n NAME] [-t SECONDS] [-i] [-s] [-c] [-w] COMMAND: boot our kernel, run COMMAND (a line of
# bash) in it from this folder as root, give its output and its exit status.
#
#	-n NAME		what the logs are called: build/log/NAME.console
#	-t SECONDS	the time limit; TIMEOUT in the environment goes before it
#	-i		attach the terminal
#	-s		boot the host's own kernel, that of kernel.sh --stock
#	-c		one processor whose clock counts one nanosecond for each instruction
#	-w		the same clock, any number of processors: time in which none of them has
#			anything to do passes at once
#
# Status 124: out of time; 125: the guest ended without saying how the command ended; 126: the
# kernel reported something.  In each case what the console said is shown.

# shellcheck source=vm/common.sh
. "$(dirname "$0")/common.sh"

name=vm limit=900 tty='' count='' warp=''
while getopts n:t:iscw opt; do
	case "$opt" in
	n)	name=$OPTARG ;;
	t)	limit=$OPTARG ;;
	i)	tty=y ;;
	s)	use_stock ;;
	c)	count=y ;;
	w)	warp=y ;;
	*)	exit 2 ;;
	esac
done
shift $((OPTIND - 1))
command=$1
limit=${TIMEOUT:-$limit}

[ -e "$BZIMAGE" ] || die "there is no kernel yet: run make kernel"

# With several threads QEMU 7.2 now and then delivers a breakpoint of text patching late, which
# kills the guest; stock kernels too.
accel=${ACCEL:-tcg}
[ -n "$count$warp" ] && accel=tcg
[ -n "$count" ] && SMP=1
[ "$accel" = tcg ] && accel=tcg,thread=single

# What watches every byte takes memory for that.  Where each allocation leaves a trace of its stack,
# ACPI would take minutes to route the interrupts of PCI devices, which the chipset does as well.
memory=1G debug=''
grep -qs '^CONFIG_K[AC]SAN=y' "$KOBJ/.config" && memory=3G debug=pci=noacpi

# Two guests of one name (two terminals) must not share their files.
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
	printf 'TERM=%q\n' "${TERM:-dumb}"
	[ -n "$tty" ] && stty size | sed 's/\(.*\) \(.*\)/KLP_ROWS=\1 KLP_COLUMNS=\2/'
} >"$run/env"

# The emulated time stamp counters agree, which Linux does not believe of its own accord.
# Errors show at once; the rest of the boot is not worth a serial line's time.  guest-init raises
# the level for what follows.
append="console=ttyS0 loglevel=5 panic=-1 oops=panic root=hostfs rootfstype=9p"
append+=" rootflags=trans=virtio,version=9p2000.L,msize=512000,cache=loose ro"
append+=" tsc=reliable watchdog_thresh=60 init=$VM/guest-init.sh KLP_RUN=$run $debug $KERNEL_ARGS"

# Nothing that needs another machine or its operator: no network, no display, no disks.  The two
# network cards are wired to each other and to nothing else; their driver is a module that is loaded
# only by whoever wants it.
# shellcheck disable=SC2054 # the commas are QEMU's, here and below
qemu=(
	qemu-system-x86_64 -accel "$accel" -cpu max -smp "${SMP:-2}" -m "${MEM:-$memory}"
	-nodefaults -no-user-config -display none -no-reboot
	-kernel "$BZIMAGE" -append "$append"
	-fsdev "local,id=root,path=/,readonly=on,multidevs=remap,security_model=none"
	-device virtio-9p-pci,fsdev=root,mount_tag=hostfs
	-chardev "file,id=console,path=$console" -serial chardev:console
	-device virtio-serial-pci
	-chardev "file,id=status,path=$run/status"
	-device virtserialport,chardev=status,name=status
	-netdev hubport,id=wire0,hubid=0 -device virtio-net-pci,netdev=wire0,romfile=
	-netdev hubport,id=wire1,hubid=0 -device virtio-net-pci,netdev=wire1,romfile=
)
# shellcheck disable=SC2054
[ -n "$count$warp" ] && qemu+=(-icount shift=0,sleep=off)
if [ -n "$tty" ]; then
	# shellcheck disable=SC2054
	qemu+=(-chardev stdio,id=stdio -device virtconsole,chardev=stdio)
else
	# Not stdio, which hangs up on the guest when stdin is at its end; and not a pipe, in which
	# the last words of a guest would be lost when the reader is slow.
	# shellcheck disable=SC2054
	qemu+=(-chardev "file,id=output,path=$run/output")
	# shellcheck disable=SC2054
	qemu+=(-device virtserialport,chardev=output,name=output)
fi

# Whatever ends this script ends the guest.
# shellcheck disable=SC2317 # a trap reaches it
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
rc=0
if [ -n "$tty" ]; then
	exec 3<&0
	"${guest[@]}" <&3 2>"$run/qemu" 8>&- &
	pid=$!
	wait "$pid" || rc=$?
else
	: >"$run/output"
	"${guest[@]}" </dev/null >/dev/null 2>"$run/qemu" 8>&- &
	pid=$!
	tail -c +1 -s 0.1 -f --pid=$pid "$run/output" 2>/dev/null 8>&- &
	reader=$!
	wait "$pid" || rc=$?
	wait "$reader"
fi
pid=

# fail STATUS MESSAGE: say it, and show the end of the console
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
