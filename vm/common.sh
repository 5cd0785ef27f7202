# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Sourced by each script in vm/: paths and messages.

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
case "${BUILD:=build}" in
/*)	;;
*)	BUILD=$TOP/$BUILD ;;
esac

# -h prints the comment at the top of the script.
if [ "${1-}" = -h ]; then
	sed -n '4,${/^#/!q;s/^# \{0,1\}//p;}' "$0"
	exit
fi

# ARCH in the environment selects the architecture of the guest. The make of the kernel has other
# names for some and must not inherit it, see kmake.
KLP_ARCH=${ARCH:-${KLP_ARCH:-x86_64}}
export KLP_ARCH
unset ARCH CROSS_COMPILE
# shellcheck source=vm/arch.sh
. "$TOP/vm/arch.sh"

# VARIANT in the environment selects a kernel with the options of vm/config/VARIANT. It has a
# directory of its own for its build and its logs.
case " base ours ${ARCHES[*]} " in
*" ${VARIANT:-none} "*)
	echo "$VARIANT is no VARIANT" >&2
	exit 1
	;;
esac
[ -z "$VARIANT" ] || [ -e "$TOP/vm/config/$VARIANT" ] || {
	echo "there is no VARIANT $VARIANT in vm/config" >&2
	exit 1
}

# shellcheck disable=SC2034 # used by those that source this file
{
	VM=$TOP/vm
	AHOME=$BUILD			# what belongs to one architecture
	[ -z "$DEBIAN" ] || AHOME=$BUILD/$KLP_ARCH
	SHARED=$BUILD/linux		# the stock source, with our tree laid over it for x86_64
	LINUX=$AHOME/linux		# the stock source with our tree laid over it
	PRISTINE=$BUILD/pristine	# the stock files that our tree replaces
	DAEMONS=$BUILD/daemons		# unpacked packages of vm/packages.daemons
	GUEST_ROOT=			# the root of the guest, if it is not that of the host
	[ -z "$DEBIAN" ] || GUEST_ROOT=$AHOME/guest-root
	KHOME=$AHOME${VARIANT:+/$VARIANT}	# what belongs to one kernel
	KOBJ=$KHOME/kernel		# the kernel's object folder
	ROOT=$KHOME/root		# where modules_install puts our modules
	LOG=$KHOME/log
	KIMAGE=$KOBJ/$IMAGE
	STAMP=$KHOME/kernel.stamp	# what the kernel was last built from
}

# use_stock: set these paths for the stock kernel, which only `make bench` uses
# shellcheck disable=SC2034
use_stock()
{
	LINUX=$AHOME/stock/linux
	KOBJ=$AHOME/stock/kernel
	ROOT=$AHOME/stock/root
	KIMAGE=$KOBJ/$IMAGE
	STAMP=$AHOME/stock/kernel.stamp
}

# The make that runs this script has flags and a job server that the build of the kernel must not
# use.
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES

# Sorting and matching must not depend on the language of the user.
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

# idle_option: print an option for guest.sh. On a kernel that releases kobjects seconds late, each
# rmmod waits. The clock of its guest skips idle time.
idle_option()
{
	grep -qs '^CONFIG_DEBUG_KOBJECT_RELEASE=y' "$KOBJ/.config" && echo -w
}

# own_scripts: print the names of the tests of this project. Those of stock are called test-*.sh.
# Files that are not executable are libraries. klp-coexist.sh needs a kernel of its own.
own_scripts()
{
	local script

	for script in "$TOP"/tools/testing/selftests/livepatch/klp-*.sh; do
		[ -x "$script" ] || continue
		case "${script##*/} $VARIANT" in
		'klp-coexist.sh coexist')	;;
		klp-coexist.sh*)		continue ;;
		esac
		echo "${script##*/}"
	done
}

# elapsed SECONDS: print a duration in minutes and seconds
elapsed()
{
	printf '%dm%02ds' $(($1 / 60)) $(($1 % 60))
}

locked=

# Lock the build directory until the script ends. The descriptor is closed for children of
# run_step, or a child that outlives its step would keep the lock.
lock_build()
{
	[ -z "$locked" ] || return 0
	locked=y
	mkdir -p "$BUILD" "$LOG"
	exec 9>"$BUILD/.lock"
	flock -n 9 && return
	echo "waiting for another build in $BUILD ..."
	flock 9
}

# run_step NAME TITLE COMMAND...: run the command with its output in log/NAME.log and show one
# progress line (a line every 30 s without a terminal). After an error print the last 30 lines of
# the log and exit.
run_step()
{
	local title=$2 log=$LOG/$1.log start=$SECONDS said=$SECONDS pid rc=0 count
	shift 2

	mkdir -p "$LOG"
	: >"$log"
	# A separate process group: one signal ends make and all its children.
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
		# With several jobs the error may be far above the end.
		grep -m 8 -E '(^|[ :])(fatal )?error[ :]' "$log"
		echo "--- the last lines of $log:"
		tail -n 30 "$log"
		exit 1
	fi
	printf '%-30s %5d files  %s%s\n' "$title" "$(grep -c '^  [A-Z]' "$log")" \
		"$(elapsed $((SECONDS - start)))" "$([ -t 1 ] && printf '\033[K')"
}

# Run make in the object directory of the kernel. ccache keeps compiled files after `make clean`.
# Relative paths make them valid in other checkouts.
kmake()
{
	make -C "$LINUX" O="$KOBJ" -j"$(nproc)" ARCH="$SRCARCH" CROSS_COMPILE="$CROSS" \
		CC="ccache ${CROSS}gcc" HOSTCC="ccache gcc" LOCALVERSION= \
		KBUILD_BUILD_USER=livepatch KBUILD_BUILD_HOST=guest "$@"
}

# merge_options FILE...: print the options of these files. The last setting of an option is valid.
merge_options()
{
	sed '/^# CONFIG_/!{/^#/d}; /^$/d' "$@" |
		tac | awk '{ match($0, /CONFIG_[A-Z0-9_]+/) } !seen[substr($0, RSTART, RLENGTH)]++'
}

# build_program OUTPUT SOURCE...: build a program for the guest, with the common functions.
build_program()
{
	"${CROSS}gcc" -O2 -Wall -pthread -o "$1" "${@:2}" \
		"$TOP/tools/testing/selftests/livepatch/klp_util.c"
}

# build_klpctl [checked]: build klpctl for the guest, with the libraries of its root. Sets KLPCTL to
# its path. "checked" is a build with the address and undefined behavior sanitizers, which only this
# system has.
build_klpctl()
{
	local flags=() libraries libc dir=$KHOME/klpctl

	if [ -n "$GUEST_ROOT" ]; then
		"$VM/guest-root.sh" || exit
		libraries=lib/$("${CROSS}gcc" -print-multiarch)
		# The libc of the compiler comes first: that of the root has absolute links.
		libc=$(dirname "$("${CROSS}gcc" -print-file-name=libc.so)")
		flags=(
			CC="${CROSS}gcc"
			LDFLAGS="-L$libc -Wl,-rpath-link,$GUEST_ROOT/usr/$libraries:$GUEST_ROOT/$libraries"
			PKG_CONFIG="env PKG_CONFIG_SYSROOT_DIR=$GUEST_ROOT \
				PKG_CONFIG_LIBDIR=$GUEST_ROOT/usr/$libraries/pkgconfig pkg-config"
		)
	elif [ "$1" = checked ]; then
		dir+=-checked
		flags=(CFLAGS="-O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined")
	fi
	# shellcheck disable=SC2034 # used by those that source this file
	KLPCTL=$dir/klpctl
	mkdir -p "$LOG"
	(
		lock_build
		make -s -C "$TOP/tools/livepatch" OUTPUT="$dir" "${flags[@]}"
	) >"$LOG/klpctl.log" 2>&1 || die "cannot build klpctl, see $LOG/klpctl.log"
}

# build_bpf_program OUTPUT SOURCE: do what build_program does, with libbpf. Without libbpf, and
# for a guest of another architecture, build nothing
build_bpf_program()
{
	rm -f "$1"
	[ -z "$DEBIAN" ] && pkg-config --exists libbpf || return 0
	# shellcheck disable=SC2046 # a list of options
	build_program "$1" "$2" $(pkg-config --cflags --libs libbpf)
}

# build_modules SOURCE DIR PROGRAM [COMMAND...]: copy the modules of SOURCE to DIR and build them,
# and the program SOURCE/PROGRAM*.c. The command creates further sources in DIR before.
build_modules()
{
	local source=$1 dir=$2 program=$3

	rm -rf "$dir"
	mkdir -p "$dir"
	cp "$source"/{Makefile,*.[ch]} "$dir"
	"${@:4}"
	build_program "$dir/$program" "$source/$program"*.c
	kmake M="$dir" modules
}
# kmake and build_program also run in other shells.
export SRCARCH CROSS
export CCACHE_BASEDIR=$BUILD CCACHE_NOHASHDIR=1
