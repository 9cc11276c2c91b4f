#!/usr/bin/env bash
# A real Slurm of two nodes, n1 and n2, on this one machine, for tests and for trying a job out: its own munged, slurmctld and
# two slurmd. Keys, sockets, state and logs lie in DIR, ports are free ones: several run beside one another, and beside a
# Slurm that the machine belongs to. Root or not, jobs run as the user who started it.
set -euo pipefail

usage() {
  cat <<'END'
usage: cluster/testbeds/slurm.sh start DIR | stop DIR | env DIR

  start   makes DIR and starts Slurm in it; done once both nodes are idle
  stop    ends its jobs and daemons, also those of a start that was killed half-way; DIR stays, for its logs
  env     prints what a shell needs:  eval "$(cluster/testbeds/slurm.sh env DIR)"; sinfo

Partitions: low (the default; preempted and requeued at once), grace (the same after 20 s of grace), high (preempts both).
Each node pretends to have 4 cores and 2 GPUs. Packages on Debian: slurmctld slurmd slurm-client munge
END
}

fail() {
  printf 'slurm.sh: %s\n' "$*" >&2
  exit 1
}

case ${1:-} in
  --help | -h) usage && exit 0 ;;
  start | stop | env) [ $# = 2 ] || { usage >&2 && exit 64; } ;;
  *) usage >&2 && exit 64 ;;
esac
PATH=$PATH:/usr/sbin:/sbin
command=$1
dir=$(realpath -m "$2")
# Sockets lie below it, and a socket's path has at most 107 bytes.
[ ${#dir} -le 70 ] || fail "$dir: expected a path of at most 70 characters, found ${#dir}"
[[ $dir =~ ^[A-Za-z0-9/._+-]+$ ]] || fail "$dir: slurm.conf takes letters, digits and / . _ + - alone"

# The processes of DIR's Slurm: daemons and steps have THAW_TESTBED, jobs have what Slurm gives them. A shell in which `env`
# was evaluated has neither.
processes() {
  local place
  for place in /proc/[0-9]*; do
    if grep -qaz "^THAW_TESTBED=$dir\$" "$place/environ" 2>/dev/null ||
      { grep -qaz "^SLURM_CONF=$dir/slurm.conf\$" "$place/environ" && grep -qaz '^SLURM_JOB_ID=' "$place/environ"; } 2>/dev/null; then
      echo "${place#/proc/}"
    fi
  done
}

stop() {
  local round found signal=TERM # first, so that mpirun removes its files
  for round in $(seq 100); do
    mapfile -t found < <(processes)
    [ ${#found[@]} != 0 ] || return 0
    kill -$signal "${found[@]}" 2>/dev/null || true
    [ "$round" -lt 5 ] || signal=KILL
    sleep 0.1
  done
  fail "processes of $dir are still there: ${found[*]}"
}

# Open MPI's two nodes are one machine: their ranks would take the same names in /dev/shm, and mpirun's daemons write one file of
# the machine's topology at the same time.
environment() {
  printf 'export SLURM_CONF=%s/slurm.conf OMPI_MCA_btl=tcp,self OMPI_MCA_btl_tcp_if_include=lo OMPI_MCA_rtc=^hwloc\n' "$dir"
}

# A port on which nobody listens now. Another start may take it before we do: then ours begins again with others.
free_port() {
  local port
  while :; do
    port=$((20000 + RANDOM % 12000)) # below those that the kernel hands out
    grep -qi ":$(printf %04X $port) [0-9A-F]*:0000 0A" /proc/net/tcp /proc/net/tcp6 2>/dev/null || break
  done
  echo $port
}

configure() {
  local user host
  user=$(id -un) host=$(hostname -s)
  mkdir -p "$dir"/{state,log,munge} "$dir"/{spool,tmp}/{n1,n2}
  chmod 755 "$dir" "$dir/munge"
  [ -s "$dir/munge/key" ] || (umask 077 && head -c 128 /dev/urandom >"$dir/munge/key")
  cat >"$dir/slurm.conf" <<END
ClusterName=thaw
SlurmctldHost=$host(127.0.0.1)
SlurmUser=$user
SlurmdUser=$user
AuthInfo=socket=$dir/munge/socket,cred_expire=5
SlurmctldPort=$(free_port)
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool/%n
TmpFS=$dir/tmp/%n
SlurmctldPidFile=$dir/slurmctld.pid
SlurmdPidFile=$dir/slurmd-%n.pid
SlurmctldLogFile=$dir/log/slurmctld
SlurmdLogFile=$dir/log/%n
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=1,sched_min_interval=0,batch_sched_delay=0,bf_interval=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
KillWait=5
MinJobAge=300
SlurmdTimeout=10
ReturnToService=2
SlurmdParameters=config_overrides
GresTypes=gpu
NodeName=n1 NodeHostname=$host NodeAddr=127.0.0.1 Port=$(free_port) CPUs=4 CoresPerSocket=4 RealMemory=8000 Gres=gpu:2
NodeName=n2 NodeHostname=$host NodeAddr=127.0.0.1 Port=$(free_port) CPUs=4 CoresPerSocket=4 RealMemory=8000 Gres=gpu:2
PartitionName=low Nodes=n1,n2 Default=YES PriorityTier=1
PartitionName=grace Nodes=n1,n2 PriorityTier=1 GraceTime=20
PartitionName=high Nodes=n1,n2 PriorityTier=10 PreemptMode=OFF
END
  # Slurm wants device files of its GPUs; any will do.
  printf 'NodeName=n[1-2] Name=gpu File=/dev/%s\n' zero full >"$dir/gres.conf"
}

# Daemons leave our session and our files: nobody who started us waits for them.
daemon() { setsid env THAW_TESTBED="$dir" "$@" </dev/null >>"$dir/log/start" 2>&1; }

# Whether both nodes are idle within ten seconds; at once not where a daemon has ended.
up() {
  local round
  for round in $(seq 100); do
    [ "$(timeout 5 sinfo --noheader --partition low --format '%T %D' 2>/dev/null)" != 'idle 2' ] || return 0
    [ $((round % 10)) != 0 ] || [ "$(processes | wc -l)" -ge 4 ] || return 1
    sleep 0.1
  done
  return 1
}

start() {
  local program
  for program in munged slurmctld slurmd sbatch; do
    command -v $program >/dev/null || fail "$program was not found. On Debian: apt-get install slurmctld slurmd slurm-client munge"
  done
  stop
  eval "$(environment)"
  for _ in 1 2 3; do
    configure
    : >"$dir/log/start"
    daemon munged --force --key-file="$dir/munge/key" --socket="$dir/munge/socket" --pid-file="$dir/munge/pid" \
      --log-file="$dir/log/munged" --seed-file="$dir/munge/seed" --num-threads=2
    daemon slurmctld -c
    daemon slurmd -N n1
    daemon slurmd -N n2
    if up; then return; fi
    stop
  done
  tail -n 3 "$dir"/log/* >&2
  fail "Slurm did not come up in $dir; its logs are in $dir/log"
}

case $command in
  start) start ;;
  stop) stop ;;
  env) environment ;;
esac
