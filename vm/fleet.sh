#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# fleet.sh: boot N guests, roll out versions of a livepatch over them by the Ansible collection, and
# watch them with Prometheus, all on 127.0.0.1. Checks each step of a story: a rollout that is
# interrupted, one that stops because a transition is held up, a livepatch refuses and a machine
# panics, the next one that completes, and hosts on which nothing can be changed. Ends with a table
# of the machines and the line "N passed, N failed".
#
# N in the environment is the number of guests, 6 by default and at least.

# shellcheck source=vm/common.sh
. "$(dirname "$0")/common.sh"

FLEET=$KHOME/fleet
PIDS=$FLEET/pids
REPORT=$FLEET/report
N=${N:-6}
[[ $N =~ ^[0-9]+$ ]] && [ "$N" -ge 6 ] && [ "$N" -le 50 ] || die "N=$N is not a number from 6 to 50"
LIMIT=${TIMEOUT:-14400}		# seconds that a guest may run
PATIENCE=1800			# seconds to wait for what must happen

passed=0 failed=0
machines=() ansible='' prometheus='' control=''
declare -A machine_pid port exporter part first second third

# see WHAT IT MUST_BE: print and count a result. MUST_BE is a pattern
see()
{
	# shellcheck disable=SC2053 # a pattern
	if [[ $2 == $3 ]]; then
		printf '  %-62s %-30s ok\n' "$1" "$2"
		passed=$((passed + 1))
		return
	fi
	printf '  %-62s %-30s FAILED\n' "$1" "$2"
	printf '  %-62s %s\n' "expected" "$3"
	failed=$((failed + 1))
}

say()
{
	printf '\n%s\n' "$*"
}

# end_process PID...: end processes and wait for them
end_process()
{
	kill "$@" 2>/dev/null
	wait "$@" 2>/dev/null
}

close_connections()
{
	local socket

	for socket in "$control"/*; do
		[ ! -S "$socket" ] || ssh -F "$FLEET/ssh_config" -o ControlPath="$socket" -O exit host \
			2>/dev/null
	done
}

# End all processes of this script, in any case.
# shellcheck disable=SC2317 # a trap calls it
cleanup()
{
	trap '' INT TERM HUP EXIT
	if [ -n "$ansible" ]; then
		kill -- -"$ansible" 2>/dev/null
		wait "$ansible" 2>/dev/null
		kill -KILL -- -"$ansible" 2>/dev/null
	fi
	[ -z "$control" ] || close_connections
	end_process $prometheus "${machine_pid[@]}"
	[ -z "$control" ] || rm -rf "$control"
	rm -f "$PIDS"
	exit "$1"
}

# End what a run has left that was killed by SIGKILL.
end_stale()
{
	local pid

	[ -e "$PIDS" ] || return 0
	while read -r pid; do
		! grep -qsF "$FLEET" "/proc/$pid/cmdline" || kill "$pid"
	done <"$PIDS"
	rm -f "$PIDS"
}

# free_ports NUMBER: print ports of 127.0.0.1 that no process uses
free_ports()
{
	python3 -c '
import socket, sys
sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(int(sys.argv[1]))]
print(*(s.getsockname()[1] for s in sockets), sep="\n")' "$1"
}

# machine NAME OPTION...: run a guest, and boot it again after a panic that the story has asked for
machine()
{
	local name=$1 dir=$FLEET/$1 guest boots=0 rc
	shift

	trap 'trap "" TERM INT; kill $guest; wait $guest; exit 143' TERM INT
	while :; do
		boots=$((boots + 1))
		MEM=512M SMP=1 setpriv --pdeathsig TERM "$VM/guest.sh" -n "fleet-$name" \
			-t "$LIMIT" -f "${port[$name]}:22" -f "${exporter[$name]}:9100" -d "$dir" \
			"$@" -- "KLPCTL=$KLPCTL DAEMONS=$DAEMONS $VM/fleet-guest.sh $name $dir" \
			>"$dir/output.$boots" 2>&1 </dev/null &
		guest=$!
		echo $guest >>"$PIDS"
		rc=0
		wait $guest || rc=$?
		rm -f "$dir/up"
		[ $rc -eq 126 ] && [ $boots -eq 1 ] || break
		grep -q 'Kernel panic - not syncing: test_klp_fleet: the parameter panic' \
			"$LOG/fleet-$name.console" || break
		cp "$LOG/fleet-$name.console" "$dir/console.panic"
		echo >"$dir/target"
		# Long enough for Prometheus to find that the machine is down.
		sleep 15 &
		guest=$!
		wait $guest
	done
	echo $rc >"$dir/status"
}

# boot NAME OPTION...: start a machine
boot()
{
	local name=$1

	mkdir -p "$FLEET/$name"
	[ "$name" = stock ] || echo >"$FLEET/$name/target"
	machine "$@" 7>&- &
	machine_pid[$name]=$!
	echo $! >>"$PIDS"
}

# until_true COMMAND...: wait until the command succeeds, with a time limit
until_true()
{
	local end=$((SECONDS + PATIENCE))

	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return
		sleep 1
	done
}

# is_up NAME: succeed if sshd of the machine runs. A machine that has ended is not waited for
is_up()
{
	[ -e "$FLEET/$1/up" ] || ! kill -0 "${machine_pid[$1]}" 2>/dev/null
}

# wait_up NAME: wait until a machine can be reached, and accept its key
wait_up()
{
	until_true is_up "$1"
	[ -e "$FLEET/$1/up" ] || {
		cat "$FLEET/$1"/output.*
		die "$1 does not boot, see $LOG/fleet-$1.console"
	}
	grep -qsF "]:${port[$1]} " "$FLEET/known_hosts" ||
		echo "[127.0.0.1]:${port[$1]} $(cut -d ' ' -f 1,2 "$FLEET/$1/host_key.pub")" \
			>>"$FLEET/known_hosts"
}

# on NAME COMMAND: run a command on a machine
on()
{
	ssh -F "$FLEET/ssh_config" -p "${port[$1]}" root@127.0.0.1 "$2" </dev/null
}

# in_force NAME: print the livepatch that a machine has, without the prefix of its name
in_force()
{
	on "$1" klpctl 2>/dev/null | awk '$2 == "enabled" { sub("test_klp_fleet_", "v"); print $1 }' |
		xargs
}

# report EXPRESSION: evaluate a Python expression about the report r, hosts h and summary s
report()
{
	python3 -c '
import json, sys
r = json.load(open(sys.argv[1]))
h, s = r["hosts"], r["summary"]
print(eval(sys.argv[2]))' "$REPORT.json" "$1"
}

write_ssh_config()
{
	ssh-keygen -q -t ed25519 -N '' -C fleet -f "$FLEET/client_key"
	cat >"$FLEET/ssh_config" <<-END
		Host *
			IdentityFile $FLEET/client_key
			IdentitiesOnly yes
			UserKnownHostsFile $FLEET/known_hosts
			GlobalKnownHostsFile /dev/null
			StrictHostKeyChecking yes
			ControlMaster auto
			ControlPersist 300
			ControlPath $control/%C
			ConnectTimeout 60
			ServerAliveInterval 15
			ServerAliveCountMax 8
			LogLevel ERROR
			BatchMode yes
	END
}

write_ansible_config()
{
	local name

	cat >"$FLEET/ansible.cfg" <<-END
		[defaults]
		home = $FLEET/ansible-home
		collections_path = $FLEET/install/usr/share/ansible/collections
		interpreter_python = /usr/bin/python3
		localhost_warning = False
		nocows = True
		timeout = 90
		[ssh_connection]
		ssh_args = -F $FLEET/ssh_config
		pipelining = True
	END
	{
		echo "[fleet]"
		for name in "${machines[@]}"; do
			echo "$name ansible_port=${port[$name]}"
		done
		printf '%s\n' '[livepatch_canary]' "${machines[0]}" '[fleet:vars]' \
			ansible_host=127.0.0.1 ansible_user=root
	} >"$FLEET/inventory"
	cat >"$FLEET/common.yml" <<-END
		livepatch_hosts: fleet
		livepatch_soak_seconds: 5
		livepatch_timeout: 60
		livepatch_textfile_directory: /var/lib/prometheus/node-exporter
		livepatch_prometheus_url: http://127.0.0.1:$prometheus_port
		livepatch_prometheus_query: up{instance="{{ inventory_hostname }}"} == 1
		livepatch_report_path: $REPORT
	END
}

# The rules of the tree, with seconds for minutes.
write_prometheus_config()
{
	local name

	sed -E 's/for: 10m/for: 15s/; s/for: (5|15)m/for: 10s/; s/for: 1h/for: 20s/' \
		"$TOP/tools/livepatch/prometheus/livepatch.rules.yml" >"$FLEET/rules.yml"
	{
		printf '%s\n' 'global: {scrape_interval: 5s, evaluation_interval: 5s}' \
			"rule_files: [$FLEET/rules.yml]" 'scrape_configs:' \
			'  - job_name: fleet' '    static_configs:'
		for name in "${machines[@]}"; do
			printf '      - {targets: ["127.0.0.1:%s"], labels: {instance: %s}}\n' \
				"${exporter[$name]}" "$name"
		done
	} >"$FLEET/prometheus.yml"
}

start_prometheus()
{
	setpriv --pdeathsig TERM "$DAEMONS/usr/bin/prometheus" \
		--config.file="$FLEET/prometheus.yml" --storage.tsdb.path="$FLEET/prometheus" \
		--web.listen-address="127.0.0.1:$prometheus_port" --log.level=warn \
		>"$LOG/fleet-prometheus.log" 2>&1 </dev/null 7>&- &
	prometheus=$!
	echo $prometheus >>"$PIDS"
}

# ask QUERY: print the instances and values that Prometheus has for a query
ask()
{
	"$DAEMONS/usr/bin/promtool" query instant "http://127.0.0.1:$prometheus_port" "$1" |
		sed -n 's/^.*instance="\([^"]*\)".* => \([^ ]*\) .*/\1 \2/p
			t
			s/^.*=> \([^ ]*\) .*/\1/p'
}

# has QUERY: succeed if Prometheus has a result
has()
{
	[ -n "$(ask "$1")" ]
}

lacks()
{
	! has "$1"
}

# alert NAME [LABELS]: print the query for an alert that fires
alert()
{
	echo "ALERTS{alertname=\"$1\",alertstate=\"firing\"${2:+,$2}}"
}

# fired NAME LABELS: print the query for an alert that has fired in this story
fired()
{
	echo "max_over_time($(alert "$1" "$2")[1h])"
}

# see_query WHAT QUERY: check that Prometheus has a result, or will have one
see_query()
{
	until_true has "$2"
	see "$1" "$(has "$2" && echo yes || echo no)" yes
}

# see_no_query WHAT QUERY: check that Prometheus has none, or will have none
see_no_query()
{
	until_true lacks "$2"
	see "$1" "$(has "$2" && echo yes || echo no)" no
}

# start_rollout VERSION NAME=VALUE...: start the playbook. The values are YAML
start_rollout()
{
	local version=$1 arguments=() value module
	shift

	module="$ROOT/lib/modules/{{ livepatch_release }}/kernel/lib/livepatch"
	set -- livepatch_name="test_klp_fleet_$version" \
		livepatch_file="\"$module/test_klp_fleet_$version.ko\"" \
		livepatch_health_command="grep -q ^$version /proc/test_klp_fleet" "$@"

	for value; do
		arguments+=(-e "{${value%%=*}: ${value#*=}}")
	done
	rollouts=$((rollouts + 1))
	log=$LOG/fleet-rollout-$rollouts.log
	# A process group of its own, which can be interrupted as a terminal does it.
	ANSIBLE_CONFIG=$FLEET/ansible.cfg PYTHONDONTWRITEBYTECODE=1 setsid \
		env --default-signal=INT --default-signal=TERM \
		ansible-playbook linux.livepatch.rollout -i "${inventory:-$FLEET/inventory}" \
		-e "@$FLEET/common.yml" "${arguments[@]}" >"$log" 2>&1 </dev/null 7>&- &
	ansible=$!
	echo $ansible >>"$PIDS"
}

# end_rollout: wait for the end of the playbook. Sets rc
end_rollout()
{
	rc=0
	wait $ansible || rc=$?
	ansible=''
	echo "  # the playbook ended with $rc after $(elapsed $((SECONDS - began))), $log"
	[ ! -e "$REPORT.txt" ] || sed 's/^/  # /' "$REPORT.txt"
}

# children_cpu: set cpu to the seconds of a processor that ended children of this shell have used
children_cpu()
{
	times >"$FLEET/times"
	cpu=$(sed -n '2s/[ms]/ /gp' "$FLEET/times" | awk '{ print $1 * 60 + $2 + $3 * 60 + $4 }')
}

# rollout VERSION NAME=VALUE...: run the playbook. Sets engine_cpu to the seconds of a processor that
# it has used for each machine
rollout()
{
	local before cpu

	began=$SECONDS
	children_cpu
	before=$cpu
	start_rollout "$@"
	end_rollout
	children_cpu
	engine_cpu=$(awk "BEGIN { printf \"%.1f\", ($cpu - $before) / $N }")
	python3 -c '
import json, sys
for name, host in json.load(open(sys.argv[1]))["hosts"].items():
    if host["outcome"] == "protected" and host["seconds"] is not None:
        print(host["seconds"])' "$REPORT.json" >>"$FLEET/rollout-times"
}

# changes NAME: print how many tasks of the last rollout have changed a host
changes()
{
	sed -n "s/^$1 .*changed=\([0-9]*\) .*/\1/p" "$log"
}

# param NAME PARAMETER VALUE: set a parameter of the target on a machine
param()
{
	on "$1" "echo $3 >/sys/module/test_klp_fleet/parameters/$2"
}

# canary_is_done: succeed if the report says that the canary host is protected
canary_is_done()
{
	[ "$(report 'h["m1"]["outcome"]')" = protected ]
}

boot_all()
{
	local name

	say "Boot $N machines."
	for name in "${machines[@]}"; do
		boot "$name"
		# Boot the machines one by one: a boot needs a processor.
		wait_up "$name"
	done
	see "machines that run" "$(find "$FLEET" -name up | wc -l)" "$N"
	start_prometheus
	see_query "machines that Prometheus sees: all" "count(up == 1) == $N"
}

story_first()
{
	local name

	say "Version 1, everywhere. The run is interrupted after the canary, and repeated."
	began=$SECONDS
	start_rollout 1 livepatch_serial='[3, "100%"]'
	until_true canary_is_done
	kill -INT -- -$ansible
	end_rollout
	see "exit status of the interrupted run" "$rc" "[1-9]*"
	see "hosts that the interrupted run has left" "$(report 's["outcomes"]["pending"]')" "[1-9]*"
	rollout 1 livepatch_serial='[3, "100%"]'
	see "exit status of the repeated run" "$rc" 0
	see "protected hosts" "$(report 's["outcomes"]["protected"]')" "$N"
	see "changes of the canary, which was done already" "$(changes m1)" 0
	for name in "${machines[@]}"; do
		first[$name]=$(in_force "$name")
		see "$name: /proc/test_klp_fleet" "$(on "$name" 'cat /proc/test_klp_fleet')" "1 1"
	done
	see_query "Prometheus: version 1 on all" \
		"count(livepatch_patch_enabled{patch=\"test_klp_fleet_1\"} == 1) == $N"
}

story_second()
{
	local name

	say "Version 2: m3 is held up, m4 refuses, m5 panics. Half of a batch may fail."
	part=([m1]=canary [m3]=held [m4]=veto [m5]=panic [m6]=reversed)
	param m3 hold 1
	on m3 'setsid cat /proc/test_klp_fleet >/dev/null 2>&1 &'
	until_true on m3 'grep -qx 1 /sys/module/test_klp_fleet/parameters/held'
	param m4 veto 2
	param m5 panic 2
	rollout 2 livepatch_serial='[2, 3, "100%"]' livepatch_max_fail_percentage=50 \
		livepatch_replaces='["test_klp_fleet_1"]'
	see "exit status" "$rc" "[1-9]*"
	see "why the rollout has stopped" "$(report 'r["stopped"][:26]')" "2 of 3 hosts *"
	see "m3: reason" "$(report 'h["m3"]["reason"]')" reversed
	see "m3: what held it up" "$(report 'h["m3"]["blockers"][0]["comm"]') in \
$(report 'h["m3"]["blockers"][0]["function"]')" "cat in test_klp_fleet_wait"
	see "m4: reason" "$(report 'h["m4"]["reason"]')" refused
	see "m5: reason" "$(report 'h["m5"]["reason"]')" unreachable
	see "m6: reason" "$(report 'h["m6"]["reason"]')" batch_reversed
	see "m5: has panicked" "$([ -e "$FLEET/m5/console.panic" ] && echo yes || echo no)" yes
	wait_up m5
	for name in "${machines[@]}"; do
		second[$name]=$(in_force "$name")
	done
	see "m1, m2" "${second[m1]} ${second[m2]}" "v2 v2"
	see "m3, m4, m6: reversed" "${second[m3]} ${second[m4]} ${second[m6]}" "v1 v1 v1"
	see "m5: has booted with the installed version" "${second[m5]}" v1
	see "m2: its state was introduced by version 1" "$(on m2 'cat /proc/test_klp_fleet')" "2 1"
	see "m2: version 1 is unloaded and uninstalled" \
		"$(on m2 'grep -c ^test_klp_fleet_1 /proc/modules; ls /var/lib/livepatch/*' | xargs)" \
		"0 test_klp_fleet_2.ko"
	see_query "LivepatchTransitionLong has fired for m3" \
		"$(fired LivepatchTransitionLong 'instance="m3"')"
	see_query "Prometheus has seen the sleeping task of m3" \
		'max_over_time(livepatch_held_tasks{instance="m3",reason="sleeping"}[1h]) == 1'
	see_query "Prometheus has seen that m5 was down" 'min_over_time(up{instance="m5"}[1h]) == 0'
	see_query "LivepatchMissing fires for m5" "$(alert LivepatchMissing 'instance="m5"')"
	see_query "LivepatchMixedVersions fires" "$(alert LivepatchMixedVersions)"
	see "LivepatchMissing for other machines" \
		"$(ask "$(alert LivepatchMissing 'instance!="m5"')" | xargs)" ""
	see "LivepatchForced" "$(ask "$(alert LivepatchForced)" | xargs)" ""
}

story_third()
{
	local name

	say "Version 2 again, after the causes are gone."
	param m3 hold 0
	param m4 veto 0
	rollout 2 livepatch_serial='[2, 3, "100%"]' livepatch_max_fail_percentage=0 \
		livepatch_replaces='["test_klp_fleet_1"]'
	see "exit status" "$rc" 0
	host_cpu=$engine_cpu
	see "protected hosts" "$(report 's["outcomes"]["protected"]')" "$N"
	see "times to protection in the report" "$(report 's["seconds"]["measured"]')" "$N"
	see "changes of m1 and m2, which were done already" "$(changes m1) $(changes m2)" "0 0"
	for name in "${machines[@]}"; do
		third[$name]=$(in_force "$name")
		see "$name: /proc/test_klp_fleet" "$(on "$name" 'cat /proc/test_klp_fleet')" "2 1"
	done
	see_query "Prometheus: version 2 on all" \
		"count(livepatch_patch_enabled{patch=\"test_klp_fleet_2\"} == 1) == $N"
	see_no_query "LivepatchMissing fires" "$(alert LivepatchMissing)"
	see_no_query "LivepatchMixedVersions fires" "$(alert LivepatchMixedVersions)"
	see_no_query "LivepatchTransitionLong fires" "$(alert LivepatchTransitionLong)"
}

# Hosts on which version 3 cannot be enabled. The policy stops the rollout before the last one.
story_bad()
{
	local other=$FLEET/other-kernel.ko inventory=$FLEET/inventory-bad closed release

	say "Version 3 on hosts that cannot have it."
	boot stock -s
	wait_up stock
	release=$(cat "$KOBJ/include/config/kernel.release")
	sed "s/vermagic=$release/vermagic=${release//[0-9]/9}/" \
		"$ROOT/lib/modules/$release/kernel/lib/livepatch/test_klp_fleet_3.ko" >"$other"
	closed=$(free_ports 1)
	cat >"$inventory" <<-END
		[fleet]
		m1 ansible_port=${port[m1]}
		away ansible_port=$closed
		user ansible_port=${port[m2]} ansible_user=operator ansible_become=false
		stock ansible_port=${port[stock]}
		bare ansible_port=${port[m3]}
		other ansible_port=${port[m4]} fleet_file=$other
		last ansible_port=${port[m6]}
		[livepatch_canary]
		m1
		[fleet:vars]
		ansible_host=127.0.0.1
		ansible_user=root
		fleet_file=$ROOT/lib/modules/$release/kernel/lib/livepatch/test_klp_fleet_3.ko
	END
	on m3 'mv /usr/local/sbin/klpctl /usr/local/sbin/klpctl.away'
	rollout 3 livepatch_serial='[5, "100%"]' livepatch_max_fail_percentage=40 \
		livepatch_file='"{{ fleet_file }}"'
	on m3 'mv /usr/local/sbin/klpctl.away /usr/local/sbin/klpctl'
	see "exit status" "$rc" "[1-9]*"
	see "why the rollout has stopped" "$(report 'r["stopped"][:26]')" "5 of 5 hosts *"
	see "m1: the canary" "$(in_force m1)" v3
	see "unreachable: $(report 'h["away"]["message"]' | cut -c 1-52)" \
		"$(report 'h["away"]["reason"]')" unreachable
	see "no root: $(report 'h["user"]["message"]')" "$(report 'h["user"]["reason"]')" no_root
	see "stock: $(report 'h["stock"]["message"]' | cut -c 1-58)" \
		"$(report 'h["stock"]["reason"]')" stock_core
	see "no klpctl: $(report 'h["bare"]["message"]' | cut -c 1-54)" \
		"$(report 'h["bare"]["reason"]')" no_klpctl
	see "other kernel: $(report 'h["other"]["message"]' | sed 's/.*: //' | cut -c 1-50)" \
		"$(report 'h["other"]["reason"]')" wrong_kernel
	see "a host of the next batch" "$(report 'h["last"]["outcome"]')" pending
	see "m2, m3, m4, m6 are as before" \
		"$(in_force m2) $(in_force m3) $(in_force m4) $(in_force m6)" "v2 v2 v2 v2"
}

# Measure transitions of a livepatch of one function, for the simulation of a rollout.
measure()
{
	local name pids=() number

	say "Measure transitions on all machines at once."
	for name in "${machines[@]}"; do
		on "$name" 'klpctl unload --all >/dev/null
			klpctl watch --json >/run/watch &
			sleep 5
			for i in $(seq 20); do
				klpctl load test_klp_fleet_1 && klpctl unload test_klp_fleet_1
			done >/dev/null
			kill -INT $!
			wait
			cat /run/watch' >"$FLEET/$name/transitions" &
		pids+=($!)
	done
	wait "${pids[@]}"
	python3 -c '
import json, sys
for path in sys.argv[1:]:
    for line in open(path):
        event = json.loads(line)
        if event["event"] == "request_done" and event["request"] == "enable":
            print(event["duration_ns"] / 1e9)' "$FLEET"/m*/transitions | sort -n \
		>"$FLEET/transition-times"
	number=$(wc -l <"$FLEET/transition-times")
	# The first ones may have come before klpctl watch was ready.
	see "at least $((10 * N)) transitions are measured: $number" \
		"$([ "$number" -ge $((10 * N)) ] && echo yes || echo no)" yes
	echo "  # Ansible needs $host_cpu s of a processor for each machine"
	rc=0
	"$TOP/tools/livepatch/rollout-simulate.py" "$FLEET/transition-times" "$FLEET/simulation" \
		--host-cpu "$host_cpu" >"$LOG/fleet-simulation.log" 2>&1 &&
		gnuplot -e "dir='$FLEET/simulation'" "$VM/fleet.gnuplot" || rc=$?
	sed 's/^/  # /' "$LOG/fleet-simulation.log"
	see "a rollout over 100,000 machines is simulated: exit status" "$rc" 0
	echo "  # $FLEET/simulation: simulation.rst, simulation.json, fleet.svg"
}

stop_all()
{
	local name said=''

	say "Stop all machines."
	close_connections
	for name in "${machines[@]}" stock; do
		on "$name" 'echo >/run/stop'
	done
	close_connections
	for name in "${machines[@]}" stock; do
		wait "${machine_pid[$name]}"
		said+=" $(cat "$FLEET/$name/status")"
	done
	see "exit statuses of the guests: no report of a kernel" "$(xargs -n 1 <<<"$said" | sort -u)" 0
}

table()
{
	local name

	printf '\n%-8s %-10s %-12s %-18s %s\n' machine part "version 1" "version 2" "version 2 again"
	for name in "${machines[@]}"; do
		printf '%-8s %-10s %-12s %-18s %s\n' "$name" "${part[$name]}" "${first[$name]}" \
			"${second[$name]}" "${third[$name]}"
	done
	echo
}

mkdir -p "$FLEET" "$LOG"
exec 7>"$BUILD/.fleet.lock"
flock -n 7 || die "another make fleet runs in $BUILD"
end_stale
rm -rf "$FLEET"
mkdir -p "$FLEET"
: >"$PIDS"
trap 'cleanup 130' INT
trap 'cleanup 143' TERM HUP
trap 'cleanup $?' EXIT
# The path of a socket must be short.
control=$(mktemp -d)
began=$SECONDS rollouts=0

build_klpctl
make -s -C "$TOP/tools/livepatch" OUTPUT="$KHOME/klpctl" DESTDIR="$FLEET/install" install \
	>>"$LOG/klpctl.log" 2>&1 || die "the collection cannot be installed, see $LOG/klpctl.log"
for ((i = 1; i <= N; i++)); do
	machines+=("m$i")
done
mapfile -t ports < <(free_ports $((2 * N + 3)))
for name in "${machines[@]}" stock; do
	port[$name]=${ports[0]} exporter[$name]=${ports[1]}
	ports=("${ports[@]:2}")
done
prometheus_port=${ports[0]}
write_ssh_config
write_ansible_config
write_prometheus_config

boot_all
story_first
story_second
story_third
story_bad
measure
stop_all
table
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
