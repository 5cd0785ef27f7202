# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Sourced by every script in vm/: where things are, and how to speak to the user.

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
case "${BUILD:=build}" in
/*)	;;
*)	BUILD=$TOP/$BUILD ;;
esac

# VARIANT in the environment names another kernel of ours: one with the options of vm/config/VARIANT
# as well, and a folder of its own for all that is built and logged.
[ -z "$VARIANT" ] || [ -e "$TOP/vm/config/$VARIANT" ] || {
	echo "there is no VARIANT $VARIANT in vm/config" >&2
	exit 1
}

# shellcheck disable=SC2034 # used by those that source this file
{
	VM=$TOP/vm
	LINUX=$BUILD/linux		# the host's source with our tree laid in
	PRISTINE=$BUILD/pristine	# the host's own copies of all that we lay over
	KHOME=$BUILD${VARIANT:+/$VARIANT}	# what belongs to one kernel
	KOBJ=$KHOME/kernel		# the kernel's object folder
	ROOT=$KHOME/root		# where modules_install puts our modules
	LOG=$KHOME/log
	BZIMAGE=$KOBJ/arch/x86/boot/bzImage
	STAMP=$KHOME/kernel.stamp	# what the kernel was last built from
}

# use_stock: all of these, for the host's own kernel, which only `make bench` needs
# shellcheck disable=SC2034
use_stock()
{
	LINUX=$BUILD/stock/linux
	KOBJ=$BUILD/stock/kernel
	ROOT=$BUILD/stock/root
	BZIMAGE=$KOBJ/arch/x86/boot/bzImage
	STAMP=$BUILD/stock/kernel.stamp
}

# The make that started us has flags and a job server that are none of the kernel build's business.
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES

# Sorting and matching must not depend on the user's language.
export LC_ALL=C.UTF-8

die()
{
	echo "${0##*/}: $*" >&2
	exit 1
}

case "$TOP$BUILD" in
*[[:space:]:]*)
	die "a path with blanks or colons is more than the kernel's build takes: $TOP $BUILD" ;;
esac

# idle_option: for guest.sh.  A kernel that lets go of its objects seconds late, to find out who cannot
# wait, makes every rmmod wait: such time need not be sat out.
idle_option()
{
	grep -qs '^CONFIG_DEBUG_KOBJECT_RELEASE=y' "$KOBJ/.config" && echo -w
}

# own_scripts: the names of our tests.  The stock suite's lie beside ours and are called test-*.sh; what
# cannot be executed is a library.
own_scripts()
{
	local script

	for script in "$TOP"/tools/testing/selftests/livepatch/klp-*.sh; do
		[ -x "$script" ] && echo "${script##*/}"
	done
}

# elapsed SECONDS: as people write it
elapsed()
{
	printf '%dm%02ds' $(($1 / 60)) $(($1 % 60))
}

# Nobody else may change the build folder until this script ends.  The descriptor is closed for
# what outlives a step (see run_step), or a forgotten child would keep the lock.
lock_build()
{
	mkdir -p "$BUILD" "$LOG"
	exec 9>"$BUILD/.lock"
	flock -n 9 && return
	echo "waiting for another build in $BUILD ..."
	flock 9
}

# run_step NAME TITLE COMMAND...: run the command with its output in log/NAME.log and show one
# line that moves (a plain line every 30 s where there is no terminal).  When it fails the last
# 30 lines of the log are shown and the script ends.
run_step()
{
	local title=$2 log=$LOG/$1.log start=$SECONDS said=$SECONDS pid rc=0 count
	shift 2

	mkdir -p "$LOG"
	: >"$log"
	# A process group of its own: one signal then ends make and all its children.
	setsid "$@" >"$log" 2>&1 9>&- </dev/null &
	pid=$!
	trap 'kill -- -$pid 2>/dev/null; echo; exit 130' INT TERM HUP

	while kill -0 "$pid" 2>/dev/null; do
		sleep 0.3
		if [ -t 1 ] || [ $((SECONDS - said)) -ge 30 ]; then
			count=$(grep -c '^  [A-Z]' "$log")
			said=$SECONDS
		else
			continue
		fi
		if [ -t 1 ]; then
			printf '\r%-30s %5d files  %s\033[K' "$title" "$count" \
				"$(elapsed $((SECONDS - start)))"
		else
			printf '%-30s %5d files  %s\n' "$title" "$count" \
				"$(elapsed $((SECONDS - start)))"
		fi
	done
	wait "$pid" || rc=$?
	trap - INT TERM HUP

	[ -t 1 ] && printf '\r'
	if [ "$rc" -ne 0 ]; then
		printf '%-30s FAILED  %s\n' "$title" "$(elapsed $((SECONDS - start)))"
		# With several jobs at work the reason may be far above the end.
		grep -m 8 -E '(^|[ :])(fatal )?error[ :]' "$log"
		echo "--- the last lines of $log:"
		tail -n 30 "$log"
		exit 1
	fi
	printf '%-30s %5d files  %s%s\n' "$title" "$(grep -c '^  [A-Z]' "$log")" \
		"$(elapsed $((SECONDS - start)))" "$([ -t 1 ] && printf '\033[K')"
}

# make in the kernel's object folder.  ccache keeps what it has compiled across `make clean`;
# relative paths let another checkout use it too.
kmake()
{
	make -C "$LINUX" O="$KOBJ" -j"$(nproc)" CC="ccache gcc" HOSTCC="ccache gcc" \
		LOCALVERSION= KBUILD_BUILD_USER=livepatch KBUILD_BUILD_HOST=guest "$@"
}
export CCACHE_BASEDIR=$BUILD CCACHE_NOHASHDIR=1
