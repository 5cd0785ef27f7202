#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# fleet-guest.sh NAME DIR: a machine of make fleet, in a guest. Loads the target of the livepatches,
# with the parameters in DIR/target, and the installed livepatches, as livepatch.service does at
# boot. Then runs sshd, node_exporter, and what klpctl-metrics.timer does, until it is told to stop
# by a line in /run/stop. DIR is kept when the machine boots again:
#
#	store		/var/lib/livepatch
#	textfile	the directory of the textfile collector
#	target		parameters of test_klp_fleet
#	host_key	made at the first boot
#	up		written when sshd accepts connections
#
# KLPCTL and DAEMONS are the path of klpctl and the directory with the daemons.

name=$1 dir=$2
collector=/var/lib/prometheus/node-exporter

fail()
{
	echo "fleet-guest: $*" >&2
	exit 1
}

# keep NAME PATH: keep a directory of the guest
keep()
{
	mkdir -p "$dir/$1" "$2" && mount --bind "$dir/$1" "$2" || fail "cannot keep $2"
}

# Users of the guest. Those of this system are hidden: their passwords may be locked, which sshd
# refuses.
create_users()
{
	cat >/etc/passwd <<-END
		root:x:0:0:root:/root:/bin/bash
		sshd:x:100:65534::/run/sshd:/usr/sbin/nologin
		operator:x:1000:1000::/home/operator:/bin/bash
	END
	printf '%s\n' root:x:0: operator:x:1000: nogroup:x:65534: >/etc/group
	sed 's/:.*/:*:19000:0:99999:7:::/' /etc/passwd >/etc/shadow
	rm -f /etc/nologin
	mkdir -p /home/operator
	chown operator:operator /home/operator
}

start_sshd()
{
	mkdir -p /run/sshd
	[ -e "$dir/host_key" ] || ssh-keygen -q -t ed25519 -N '' -C "$name" -f "$dir/host_key" ||
		fail "no host key"
	# sshd refuses a key that others can read, which depends on the file system of the directory.
	install -m 600 "$dir/host_key" /run/host_key
	cat >/run/sshd_config <<-END
		HostKey /run/host_key
		AuthorizedKeysFile $dir/../client_key.pub
		StrictModes no
		PasswordAuthentication no
		KbdInteractiveAuthentication no
		UsePAM no
		UseDNS no
		PidFile none
		Subsystem sftp internal-sftp
		SetEnv PATH=$PATH
	END
	"$DAEMONS/usr/sbin/sshd" -D -e -f /run/sshd_config 2>/run/sshd.log &
	sshd=$!
}

# The work of klpctl-metrics.timer, at an interval for tests.
write_metrics()
{
	while :; do
		"$KLPCTL" metrics --textfile "$collector/livepatch.prom"
		sleep 5
	done
}

export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
echo "$name" >/proc/sys/kernel/hostname
rm -f "$dir/up"
keep store /var/lib/livepatch
keep textfile $collector
create_users
mkdir -p /usr/local/sbin
cp "$KLPCTL" /usr/local/sbin/klpctl || fail "no klpctl"
# shellcheck disable=SC2046 # parameters
[ ! -e "$dir/target" ] || modprobe test_klp_fleet $(cat "$dir/target") || fail "no target"
klpctl load --all
mkfifo /run/stop
start_sshd
write_metrics &
"$DAEMONS/usr/bin/prometheus-node-exporter" --web.listen-address=:9100 --log.level=warn \
	--collector.disable-defaults --collector.textfile \
	--collector.textfile.directory=$collector 2>/run/node_exporter.log &
until ssh-keyscan -t ed25519 127.0.0.1 >/dev/null 2>&1; do
	kill -0 $sshd 2>/dev/null || fail "sshd: $(cat /run/sshd.log)"
	sleep 0.2
done
touch "$dir/up" || fail "cannot write to $dir"
echo "$name runs"
read -r _ </run/stop
echo "$name stops"
