#!/usr/bin/env bash
# Virtual hosts on one machine: each has its own network, host name, processes, /dev/shm and TMPDIR; files are shared, as on
# a cluster's file system. They hang on a bridge, on which the machine itself has an address, so that `mpirun` and `thaw
# launch` run outside, as on a login node, and hosts can be cut off without them. Needs root.
set -euo pipefail

usage() {
  cat <<'END'
usage: cluster/testbeds/hosts.sh COMMAND

  start NAME COUNT [--rate 10gbit] [--delay 0.05ms] [--cpus 0.5]
                         hosts NAME1, NAME2, …, with the files that the caller sees; each sends and receives at that
                         rate, what it sends takes that long, and its processes together get so many cores
  stop NAME              ends all that runs in them and removes everything, also what a broken start has left
  list NAME              a line a host: name, address
  address NAME           the machine's own address on the bridge, for servers that the hosts shall reach
  exec HOST COMMAND…     in the directory and environment of the caller; HOSTNAME and TMPDIR are the host's
  agent HOST COMMAND…    the same for `mpirun --mca plm_rsh_agent`: with a new session's environment, as by ssh
  cut HOST | mend HOST   the link goes down, and up again
  rate HOST 1gbit        of the link, both ways                 (rate, delay and loss: 0 takes it away)
  delay HOST 5ms         what HOST sends takes so much longer
  loss HOST 20%          so much of what HOST sends is lost
  mpirun-options NAME [RANKS-PER-HOST]
                         what mpirun needs, on one line: the hosts, the agent, the network

Example:
  cluster/testbeds/hosts.sh start lab 4 --rate 1gbit
  mpirun $(cluster/testbeds/hosts.sh mpirun-options lab) -n 4 build/release/thaw doctor
  cluster/testbeds/hosts.sh stop lab
END
}

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
state=/run/thaw-hosts # NAME/{subnet,lock} and NAME/HOST/{pid,address,rate,delay,loss,tmp/}
fail() { printf 'hosts.sh: %s\n' "$*" >&2 && exit 1; }
refuse() { printf 'hosts.sh: %s\n' "$*" >&2 && exit 64; }

# ---- names: NAME ends in a letter, so that no host of one testbed is called like one of another

testbed_of() { printf '%s\n' "${1%%[0-9]*}"; }
check_name() { [[ $1 =~ ^[a-z]{1,8}$ ]] || refuse "expected a name of one to eight small letters, found '$1'"; }
folder_of() {
  local folder
  folder=$state/$(testbed_of "$1")/$1
  [ -e "$folder/pid" ] || fail "no host $1 here; there are: $(cd $state 2>/dev/null && echo */*[0-9])"
  printf '%s\n' "$folder"
}
check_there() {
  check_name "$1"
  [ -e "$state/$1/subnet" ] || fail "no testbed $1 here"
}
hosts_of() { check_there "$1" && (cd "$state/$1" && printf '%s\n' "$1"[0-9]* | sort -V); }
bridge_of() { printf 'br-%s\n' "$1"; }

# ---- inside: the first process of a host, whose end is the end of all its processes

# hold HOST FOLDER: run by unshare in the new namespaces. /proc is still the machine's here, and tells our number there.
hold() {
  local host=$1 folder=$2 pid
  read -r pid _ </proc/self/stat
  hostname "$host"
  mount -t proc proc /proc
  mount -t tmpfs -o mode=1777 tmpfs /dev/shm
  # A view of /sys with this network's interfaces; the cgroups' limits stay in sight.
  mkdir -p "$folder/cgroup"
  mount --rbind /sys/fs/cgroup "$folder/cgroup"
  mount -t sysfs sysfs /sys
  mount --rbind "$folder/cgroup" /sys/fs/cgroup 2>/dev/null || true
  umount -l "$folder/cgroup"
  ip link set lo up
  printf '%s\n' "$pid" >"$folder/pid.new"
  mv "$folder/pid.new" "$folder/pid"
  # Orphans become this process's children; `wait` buries them.
  sleep infinity &
  while :; do wait || true; done
}

inside() { # HOST COMMAND…
  local pid
  pid=$(cat "$(folder_of "$1")/pid")
  shift
  nsenter --target "$pid" --mount --uts --ipc --net --pid -- "$@"
}

# ---- the link

has_netem() {
  ip link add "$1-try" type dummy 2>/dev/null || return 1
  local status=0
  tc qdisc add dev "$1-try" root netem delay 1ms 2>/dev/null || status=1
  ip link del "$1-try"
  return $status
}

setting() { # FOLDER rate|delay|loss
  local value
  value=$(cat "$1/$2" 2>/dev/null || true)
  [[ $value =~ ^0[a-z%.0]*$ ]] || printf '%s\n' "$value"
}

# A burst of 0.1 ms, or ten packets: short messages shall not pass faster than the rate.
bucket() { # RATE
  local bits
  bits=$(numfmt --from=si "$(sed -E 's/gbit$/G/; s/mbit$/M/; s/kbit$/K/; s/bit$//' <<<"$1")" 2>/dev/null) ||
    refuse "expected a rate such as 10gbit or 100mbit, found '$1'"
  printf 'tbf rate %s burst %d limit 1mb\n' "$1" $((bits / 80000 > 15140 ? bits / 80000 : 15140))
}

# Puts the settings of a host's folder into force. Delay and loss are netem's, or relay.py's where the kernel has no netem.
shape() { # HOST
  local host=$1 folder name rate delay loss queue
  folder=$(folder_of "$host")
  name=$(testbed_of "$host")
  rate=$(setting "$folder" rate) delay=$(setting "$folder" delay) loss=$(setting "$folder" loss)
  tc qdisc del dev "$host" root 2>/dev/null || true
  inside "$host" tc qdisc del dev eth0 root 2>/dev/null || true
  if [ -n "$rate" ]; then
    read -ra queue <<<"$(bucket "$rate")"
    tc qdisc add dev "$host" root "${queue[@]}"
    inside "$host" tc qdisc add dev eth0 root handle 1: "${queue[@]}"
  fi
  end_relay "$folder"
  if [ -n "$delay$loss" ] && has_netem "$host"; then
    # Below the rate's queue, where there is one: what waits for its delay has been paid for.
    local place=(root)
    [ -z "$rate" ] || place=(parent 1:1)
    inside "$host" tc qdisc add dev eth0 "${place[@]}" netem limit 100000 ${delay:+delay "$delay"} ${loss:+loss "$loss"}
  elif [ -n "$delay$loss" ]; then
    ip link set "$host" nomaster
    THAW_TESTBED=$name setsid python3 "$here/relay.py" "$host" "$host-r" "${delay:-0}" "${loss:-0}" </dev/null >"$folder/relay.log" 2>&1 9>&- &
    printf '%s\n' $! >"$folder/relay"
    await "the relay of $host" "$folder/relay.log" ip link show "$host-r"
    ip link set "$host-r" master "$(bridge_of "$name")" up
    return
  fi
  ip link set "$host" master "$(bridge_of "$name")"
}

end_relay() { # FOLDER
  local pid
  [ -e "$1/relay" ] || return 0
  pid=$(cat "$1/relay")
  rm -f "$1/relay"
  if grep -qsz relay.py "/proc/$pid/cmdline"; then kill "$pid" 2>/dev/null || true; fi
  while [ -e "/sys/class/net/$(basename "$1")-r" ]; do sleep 0.01; done
}

await() { # WHAT LOG COMMAND…: until it succeeds, ten seconds at most
  local what=$1 log=$2 round
  shift 2
  for ((round = 0; round < 1000; ++round)); do
    if "$@" >/dev/null 2>&1; then return; fi
    sleep 0.01
  done
  fail "$what did not start: $(cat "$log")"
}

# ---- start and stop

start() {
  local name=${1:?NAME} count=${2:?COUNT} rate='' delay='' cpus='' subnet number host folder
  shift 2
  while [ $# -gt 0 ]; do
    case $1 in
      --rate) rate=${2:?} ;;
      --delay) delay=${2:?} ;;
      --cpus) cpus=${2:?} ;;
      *) refuse "unknown option $1" ;;
    esac
    shift 2
  done
  check_name "$name"
  [[ $count =~ ^(1?[0-9]?[1-9]|1?[1-9]0|[12]00)$ ]] || refuse "expected 1 to 200 hosts, found '$count'"
  [ -z "$rate" ] || bucket "$rate" >/dev/null
  mkdir -p $state
  exec 9>$state/lock && flock 9 # over the choice of a network, and /etc/hosts
  [ ! -e "$state/$name" ] || fail "testbed $name is there already: hosts.sh stop $name"
  for ((number = 0; number < 256; ++number)); do
    subnet=10.219.$number
    [ -z "$(ip -4 -o addr show to "$subnet.0/24")$(ip -4 route show root "$subnet.0/24")" ] && break
  done
  mkdir "$state/$name"
  printf '%s\n' "$subnet" >"$state/$name/subnet"
  ip link add "$(bridge_of "$name")" type bridge forward_delay 0
  ip addr add "$subnet.254/24" dev "$(bridge_of "$name")"
  ip link set "$(bridge_of "$name")" up
  for ((number = 1; number <= count; ++number)); do printf '%s %s # thaw testbed %s\n' "$subnet.$number" "$name$number" "$name"; done >>/etc/hosts
  flock -u 9

  for ((number = 1; number <= count; ++number)); do
    host=$name$number folder=$state/$name/$host
    mkdir -p "$folder/tmp"
    printf '%s\n' "$subnet.$number" >"$folder/address"
    printf '%s\n' "$rate" >"$folder/rate"
    printf '%s\n' "$delay" >"$folder/delay"
    THAW_TESTBED=$name setsid unshare --mount --uts --ipc --net --pid --fork --kill-child bash "$here/hosts.sh" hold "$host" "$folder" \
      </dev/null >"$folder/log" 2>&1 9>&- &
  done
  for ((number = 1; number <= count; ++number)); do
    host=$name$number folder=$state/$name/$host
    await "$host" "$folder/log" test -e "$folder/pid"
    ip link add "$host" type veth peer name eth0 netns "$(cat "$folder/pid")"
    ip link set "$host" up
    inside "$host" ip addr add "$subnet.$number/24" dev eth0
    inside "$host" ip link set eth0 up
    [ -z "$cpus" ] || limit_cpus "$host" "$cpus"
    shape "$host"
  done
}

# Its processes' time, by a cgroup of version 2 or 1.
limit_cpus() { # HOST CORES
  local host=$1 group quota
  quota=$(awk -v cores="$2" 'BEGIN {print int(cores * 20000)}')
  if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    echo +cpu >/sys/fs/cgroup/cgroup.subtree_control
    group=/sys/fs/cgroup/thaw-$host && mkdir -p "$group"
    echo "$quota 20000" >"$group/cpu.max"
  else
    group=/sys/fs/cgroup/cpu/thaw-$host && mkdir -p "$group"
    echo 20000 >"$group/cpu.cfs_period_us"
    echo "$quota" >"$group/cpu.cfs_quota_us"
  fi
  printf '%s\n' "$group" >"$(folder_of "$host")/cgroup.path"
}

# Processes that carry THAW_TESTBED=NAME in the environment they began with: the hosts' first ones, relays.
of_testbed() { grep -lsz "^THAW_TESTBED=$1\$" /proc/[0-9]*/environ | cut -d / -f 3; }

stop() {
  local name=${1:?NAME} pid device round group
  check_name "$name"
  for ((round = 0; round < 500; ++round)); do
    [ -n "$(of_testbed "$name")" ] || break
    # shellcheck disable=SC2046
    kill -KILL $(of_testbed "$name") 2>/dev/null || true
    sleep 0.01
  done
  for device in /sys/class/net/*; do
    device=${device##*/}
    if [[ $device =~ ^${name}[0-9]+(-r|-try)?$ ]] || [ "$device" = "$(bridge_of "$name")" ]; then ip link del "$device" 2>/dev/null || true; fi
  done
  for group in /sys/fs/cgroup/{,cpu/}thaw-"$name"[0-9]*; do
    for ((round = 0; round < 100; ++round)); do
      if [ ! -d "$group" ] || rmdir "$group" 2>/dev/null; then break; fi
      sleep 0.01
    done
  done
  mkdir -p $state
  exec 9>$state/lock && flock 9
  # Written in place: in a container /etc/hosts is a mount, which cannot be renamed over.
  if grep -qs "# thaw testbed $name\$" /etc/hosts; then
    local rest
    rest=$(grep -v "# thaw testbed $name\$" /etc/hosts || true)
    printf '%s\n' "$rest" >/etc/hosts
  fi
  rm -rf "${state:?}/$name"
}

# ---- what runs in them

enter() { # HOST COMMAND…
  local host=$1 folder group
  shift
  folder=$(folder_of "$host")
  if [ -e "$folder/cgroup.path" ]; then
    group=$(cat "$folder/cgroup.path")
    echo $$ >"$group/cgroup.procs"
  fi
  # By its path, as the host sees it: a directory of another mount namespace has no name there.
  exec nsenter --target "$(cat "$folder/pid")" --mount --uts --ipc --net --pid -- env --chdir="$PWD" "$@"
}

mpirun_options() {
  local name=${1:?NAME} slots=${2:-1} hosts
  hosts=$(hosts_of "$name" | sed "s/\$/:$slots/" | paste -sd ,)
  # Networks by address, since the interfaces' names differ between machine and hosts. `rtc ^hwloc`: daemons of one machine
  # would write one file of its topology at the same time. The hosts share cores, so a rank that waits gives its own away.
  # Keepalive: mpirun notices after 14 s that a host was cut off, instead of waiting for ever.
  printf '%s ' --host "$hosts" --mca plm_rsh_agent "$here/hosts-agent" --mca plm_rsh_no_tree_spawn 1 --mca rtc ^hwloc \
    --mca btl tcp,vader,self --mca btl_tcp_if_include "$(cat "$state/$name/subnet").0/24" \
    --mca oob_tcp_if_include "$(cat "$state/$name/subnet").0/24" --bind-to none --mca mpi_yield_when_idle 1 \
    --mca oob_tcp_keepalive_time 5 --mca oob_tcp_keepalive_intvl 3 --mca oob_tcp_keepalive_probes 3
  echo
}

[ $# -gt 0 ] || { usage >&2 && exit 64; }
command=$1
shift
case $command in --help | -h) usage && exit 0 ;; esac
[ "$(id -u)" = 0 ] || { echo "hosts.sh: network namespaces need root: run as root" >&2 && exit 77; }
for needed in ip tc nsenter unshare python3; do
  command -v "$needed" >/dev/null || { echo "hosts.sh: $needed is missing: apt-get install -y iproute2 util-linux python3" >&2 && exit 77; }
done
case $command in
  start | stop | hold) "$command" "$@" ;;
  list) for host in $(hosts_of "${1:?NAME}"); do echo "$host $(cat "$state/$1/$host/address")"; done ;;
  address) check_there "${1:?NAME}" && echo "$(cat "$state/$1/subnet").254" ;;
  exec) TMPDIR=$(folder_of "${1:?HOST}")/tmp HOSTNAME=$1 THAW_TESTBED=$(testbed_of "$1") enter "$@" ;;
  agent)
    host=${1:?HOST}
    shift
    enter "$host" -i --chdir="$HOME" PATH="$PATH" HOME="$HOME" USER=root LOGNAME=root SHELL=/bin/bash LANG="${LANG:-C.UTF-8}" HOSTNAME="$host" \
      THAW_TESTBED="$(testbed_of "$host")" TMPDIR="$(folder_of "$host")/tmp" bash -c "$*"
    ;;
  cut) folder_of "${1:?HOST}" >/dev/null && ip link set "$1" down ;;
  mend) folder_of "${1:?HOST}" >/dev/null && ip link set "$1" up ;;
  rate | delay | loss)
    printf '%s\n' "${2:?how much}" >"$(folder_of "${1:?HOST}")/$command"
    shape "$1"
    ;;
  mpirun-options) mpirun_options "$@" ;;
  *) usage >&2 && exit 64 ;;
esac
