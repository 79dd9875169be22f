#!/usr/bin/env bash
# Set up SLURM on this machine alone, from Debian's packages: one node, one partition "main". Needs root; made for a
# container or a throw-away machine, as it writes /etc/slurm/slurm.conf.
#
#     tools/slurm_one_node.sh          install, configure, start; prints the node's state
#     tools/slurm_one_node.sh stop     end the daemons that it started
set -euo pipefail

conf=/etc/slurm/slurm.conf
state=/var/lib/slurm-one-node

if [ "${1:-}" = stop ]; then
    for name in slurmd slurmctld; do
        [ -f "$state/$name.pid" ] && kill "$(cat "$state/$name.pid")" 2>/dev/null || true
    done
    exit 0
fi
[ "$(id -u)" = 0 ] || { echo "run it as root (sudo $0)"; exit 1; }
if [ -f "$conf" ] && ! grep -q one-node "$conf"; then
    echo "$conf is there and not from this script: this machine has a SLURM already; nothing was changed"
    exit 1
fi

if ! command -v slurmctld >/dev/null || ! command -v slurmd >/dev/null || ! command -v munged >/dev/null; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    apt-get install -y -qq slurmctld slurmd slurm-client munge
fi

mkdir -p "$state/ctld" "$state/d" /run/munge /etc/slurm
chown munge:munge /run/munge
[ -f /etc/munge/munge.key ] || { dd if=/dev/urandom of=/etc/munge/munge.key bs=1024 count=1 status=none; }
chown munge:munge /etc/munge/munge.key
chmod 400 /etc/munge/munge.key
munge -n >/dev/null 2>&1 || runuser -u munge -- munged

host=$(hostname -s)
memory=$(($(awk '/MemTotal/ {print $2}' /proc/meminfo) / 1024))
cat >"$conf" <<CONF
# one-node SLURM, written by tools/slurm_one_node.sh
ClusterName=one-node
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
StateSaveLocation=$state/ctld
SlurmdSpoolDir=$state/d
SlurmctldPidFile=$state/slurmctld.pid
SlurmdPidFile=$state/slurmd.pid
SlurmctldLogFile=$state/slurmctld.log
SlurmdLogFile=$state/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
SchedulerParameters=batch_sched_delay=1,sched_interval=2
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc) RealMemory=$memory State=UNKNOWN
PartitionName=main Nodes=$host Default=YES MaxTime=INFINITE State=UP
CONF

for name in slurmctld slurmd; do
    if [ -f "$state/$name.pid" ] && kill -0 "$(cat "$state/$name.pid")" 2>/dev/null; then
        kill "$(cat "$state/$name.pid")"
        sleep 1
    fi
done
slurmctld
slurmd
for _ in $(seq 30); do
    if sinfo -h -o %T 2>/dev/null | grep -qE 'idle|mixed|allocated'; then
        sinfo
        exit 0
    fi
    scontrol update "nodename=$host" state=resume 2>/dev/null || true
    sleep 1
done
sinfo || true
tail -n 5 "$state"/*.log
echo "the node did not come up; the logs are in $state"
exit 1
