#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# bench.sh: measure the stock kernel and ours in turn. Each round boots each kernel once per group
# of steps, because stock needs minutes for disabling what a reboot ends in seconds. The results
# of klp_bench.c are collected in build/bench/results. bench-table.py makes the table (bench.md,
# bench.rst), bench.json and the data of the chart (bench.svg) from them.
#
# QUICK=1: one round, and fewer functions where stock is slow. ROUNDS: number of rounds.
# ONLY='calls crowd': only these groups and their rows.

# shellcheck source=vm/common.sh
. "$(dirname "$0")/common.sh"

BENCH=$BUILD/bench
SOURCE=$TOP/tools/testing/selftests/livepatch/bench
FUNCTIONS=2000			# of bench_target
VMLINUX=1000
# Functions of vmlinux that are not called without network traffic and new devices. A trace finds
# those that are called nevertheless, and bench_vmlinux warns about the rest.
UNUSED='tcp_* udp_* inet_* ip_* fib_* btf_* pci_* pnp_*'

if [ -n "$QUICK" ]; then
	rounds=${ROUNDS:-1}
else
	rounds=${ROUNDS:-3}
fi
[[ $rounds =~ ^[1-9][0-9]*$ ]] || die "ROUNDS=$rounds is not a number of rounds"

# guest KERNEL NAME LIMIT COMMAND [OPTION...]: run the command in a guest and print its output.
# Both kernels get the same processor, without TIMEOUT, KERNEL_ARGS or SMP of the user.
guest()
{
	local kernel=$1 name=$2 limit=$3 command=$4 options=()
	shift 4

	[ "$kernel" = stock ] && options+=(-s)
	env -u TIMEOUT -u KERNEL_ARGS SMP=2 MEM="$mem" \
		"$VM/guest.sh" -n "bench-$kernel-$name" -t "$limit" "${options[@]}" "$@" -- "$command"
}

# Build the modules and the program, for one of the kernels.
# create_functions DIR: create the sources with the functions to patch
create_functions()
{
	local dir=$1 i

	seq 0 $((FUNCTIONS - 1)) | sed 's/^/bench_fn_/' >"$dir/names"
	"$VM/bench-functions.awk" -v what=old "$dir/names" >"$dir/bench_functions.h"
	"$VM/bench-functions.awk" -v what=new "$dir/names" >"$dir/bench_new.h"
	"$VM/bench-functions.awk" -v what=new <(head -n 1 "$dir/names") >"$dir/bench_new_one.h"
	"$VM/bench-functions.awk" -v what=never "$BENCH/unused" >"$dir/bench_new_vmlinux.h"
	for ((i = 0; i < 16; i++)); do
		printf '#define BENCH_NUMBER %d\n#include "bench_many.h"\n' "$i" \
			>"$dir/bench_many_$i.c"
	done
}

build()
{
	build_modules "$SOURCE" "$BENCH/$1" klp_bench create_functions "$BENCH/$1"
}

# List the functions of UNUSED that a kernel can trace, and those that are called while modules
# are loaded and processes start.
list_unused()
{
	guest "$1" list 120 "cd /sys/kernel/tracing && set -f &&
		for name in $UNUSED; do echo \$name >>set_ftrace_filter; done && set +f &&
		sed 's/^/can /' set_ftrace_filter &&
		echo function >current_tracer || exit
		modprobe kunit; rmmod kunit; ls -lR /proc/self /sys/kernel >/dev/null 2>&1
		cat /proc/[0-9]*/stack >/dev/null 2>&1; sleep 15; echo 0 >tracing_on
		sed -n 's/^.*: \\([a-z0-9_]*\\) <-.*/is \\1/p' trace | sort -u"
}

# Select names that are unique and traceable in both kernels and are not called.
choose_unused()
{
	local kernel

	: >"$BENCH/unused.new"
	for kernel in stock ours; do
		list_unused "$kernel" >"$BENCH/$kernel.traceable" || return
		awk '$2 ~ /^[tT]$/ { print $3 }' "$(object_folder "$kernel")/System.map" |
			sort | uniq -u >"$BENCH/$kernel.once"
	done
	comm -12 "$BENCH/stock.once" "$BENCH/ours.once" >"$BENCH/once"
	comm -12 <(traceable stock) <(traceable ours) | comm -12 - "$BENCH/once" |
		comm -23 - <(sed -n 's/^is //p' "$BENCH"/*.traceable | sort -u) |
		grep -v '^bpf_dispatcher' |
		head -n "$VMLINUX" >"$BENCH/unused.new"
	[ "$(wc -l <"$BENCH/unused.new")" -eq "$VMLINUX" ] || return
	mv "$BENCH/unused.new" "$BENCH/unused"
}

traceable()
{
	sed -n 's/^can \([a-z0-9_]*\)$/\1/p' "$BENCH/$1.traceable" | sort -u
}

object_folder()
{
	[ "$1" = stock ] && use_stock
	echo "$KOBJ"
}

# plan KERNEL: print a line for each guest of a round: name, memory, time limit, - or an option of
# guest.sh, steps of klp_bench. Patches are left enabled at the end: stock would need minutes to
# disable them.
plan()
{
	local slow=1000 crowd=1000 times=5 one=10 long=y left='' late='' sets=''

	if [ -n "$QUICK" ]; then
		slow=100 crowd=400 times=2 one=5 left=enable:vmlinux:1000
		[ "$1" = stock ] && long=''
	fi
	# With the spinner, stock holds klp_mutex for minutes.
	[ "$1" = ours ] && late="spin:1 late:1:$one late:30:$times" sets="sets:2000 klpctl:20"
	cat <<-EOF
	functions 1G 1800 - both:one:1:$one both:module:1 both:module:10 both:module:100 \
		${long:+both:module:300 both:module:1000 both:module:2000} \
		$sets memory:2000
	vmlinux 1G 900 - both:vmlinux:$slow $left
	replace 1G 1800 - load:$slow none:$slow all:1000
	threads 1G 900 - threads:100 both:one:1:$times threads:1000 both:one:1:$times \
		threads:5000 both:one:1:$times enable:module:1000
	crowd 2G 1800 - threads:20000 both:one:1:$times fork:$times enable:module:$crowd
	late 1G 1800 - late:1:$one late:10:$times ${long:+late:30:$times} $late
	calls 1G 1800 -c many:$one calls:1 calls:1000
	EOF
}

# run_guests ROUND KERNEL: append the results to the file of results, after the round and the
# kernel
run_guests()
{
	local name limit option steps start log=$BENCH/guest.out

	while read -r name mem limit option steps <&4; do
		[[ -z $ONLY || " $ONLY " = *" $name "* ]] || continue
		start=$SECONDS
		# shellcheck disable=SC2086 # an option or none
		guest "$2" "$name" "$limit" "$BENCH/$2/klp_bench $BENCH/$2 $steps" \
			${option%-} >"$log" || {
			cat "$log"
			die "round $1, $2, $name: the guest failed"
		}
		sed -n "s/^result /$1 $2 /p" "$log" >>"$BENCH/results"
		printf 'round %d of %d  %-5s  %-9s  %s\n' "$1" "$rounds" "$2" "$name" \
			"$(elapsed $((SECONDS - start)))"
	done 4< <(plan "$2")
}

mkdir -p "$BENCH"
mem=1G
begin=$SECONDS
modules_of=$(cat "$BUILD/kernel.stamp" "$BUILD/stock/kernel.stamp" "$SOURCE"/* \
	"$SOURCE"/../klp_util.[ch] "$0" | sha256sum)
if [ "$modules_of" != "$(cat "$BENCH/.stamp" 2>/dev/null)" ]; then
	echo "choosing functions of vmlinux that nothing calls ..."
	choose_unused || die "there are not enough of them: see $BENCH/unused.new"
	for kernel in stock ours; do
		(
			[ $kernel = stock ] && use_stock
			export -f build create_functions build_modules build_program kmake
			export LINUX KOBJ BENCH SOURCE VM FUNCTIONS TOP
			run_step "bench-$kernel" "building modules for $kernel" \
				bash -ec "build $kernel"
		) || exit
	done
	echo "$modules_of" >"$BENCH/.stamp"
fi

build_klpctl
cp "$KLPCTL" "$BENCH/ours"
: >"$BENCH/results"
for ((round = 1; round <= rounds; round++)); do
	for kernel in stock ours; do
		run_guests "$round" "$kernel"
	done
done

{
	echo "release=$(cat "$KOBJ/include/config/kernel.release")"
	echo "commit=$(git -C "$TOP" describe --always --dirty 2>/dev/null)"
	echo "qemu=$(qemu-system-x86_64 --version | sed -n '1s/^QEMU emulator version //p')"
	echo "processor=$(sed -n 's/^model name[[:space:]]*: //p' /proc/cpuinfo | head -n 1)"
	echo "accelerator=${ACCEL:-tcg}"
	echo "date=$(date -u +%F)"
	echo "rounds=$rounds"
	echo "quick=${QUICK:+yes}"
	echo "only=$ONLY"
	echo "seconds=$((SECONDS - begin))"
} >"$BENCH/about"
"$VM/bench-table.py" "$BENCH" || die "no table"
if [ -z "$ONLY" ]; then
	gnuplot -e "dir='$BENCH'" "$VM/bench.gnuplot" || die "no chart"
fi
echo
cat "$BENCH/bench.md"
echo
echo "$BENCH: bench.md, bench.rst, bench.json$([ -n "$ONLY" ] || echo , bench.svg)"
