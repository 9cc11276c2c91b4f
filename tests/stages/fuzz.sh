#!/usr/bin/env bash
# Every fuzz target on its corpus, THAW_FUZZ_SECONDS each (5), and a line for each; what it found is kept in build/fuzz/findings.
# Named targets alone: tests/stages/fuzz.sh recipe shard. clang, since GCC has no libFuzzer.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
command -v clang++ >/dev/null || { echo "there is no clang++: cluster/setup.sh --tests installs it" && exit 77; }
seconds=5 seed=1 # a test: from the same corpus, the same inputs
if [ -n "${THAW_FUZZ_SECONDS:-}" ]; then seconds=$THAW_FUZZ_SECONDS seed=0; fi # others each time
cmake --preset fuzz
if [ $# -gt 0 ]; then targets=("$@"); else mapfile -t targets < <(ls tests/fuzz/corpus); fi
ninja -C build/fuzz -j "${THAW_FUZZ_JOBS:-$(nproc)}" "${targets[@]/#/fuzz_}"

# What targets write, in memory where it can be; a target that crashes does not clean up.
memory=$([ ! -w /dev/shm ] || echo /dev/shm)
TMPDIR=$(mktemp -d -p "${memory:-/tmp}")
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT

# fuzz TARGET: a line of its executions and findings.
fuzz() {
  local name=$1 status=0 leaks=1 longest=8192 log=build/fuzz/$1.log findings=build/fuzz/findings/$1 grown=build/fuzz/corpus/$1
  rm -rf "$findings" && mkdir -p "$findings" "$grown"
  # HDF5 1.10.8 leaks what it had read of a damaged object header (HDFGroup/hdf5#6386).
  if [ "$name" = shard ] || [ "$name" = speech_shard ]; then leaks=0 longest=16384; fi
  ASAN_OPTIONS=detect_leaks=$leaks build/fuzz/"fuzz_$name" "$grown" "tests/fuzz/corpus/$name" -max_len=$longest -max_total_time="$seconds" -seed="$seed" -timeout=10 -rss_limit_mb=2048 \
    -artifact_prefix="$findings/" -print_final_stats=1 -verbosity=1 >"$log" 2>&1 || status=$?
  printf 'fuzz %-18s %9s executions, %s findings\n' "$name" "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log" | tail -n 1)" \
    "$(find "$findings" -type f | wc -l)"
  if [ "$status" != 0 ]; then
    grep -m 1 -E 'ERROR: |runtime error: |terminate called|what\(\)' "$log" || tail -n 5 "$log"
    find "$findings" -type f -printf '  try: build/fuzz/fuzz_'"$name"' %p\n'
    return 1
  fi
}

# As many at a time as there are cores.
for name in "${targets[@]}"; do
  while [ "$(jobs -rp | wc -l)" -ge "$(nproc)" ]; do wait -n || true; done
  { fuzz "$name" || printf '%s\n' "$name" >>"$TMPDIR/failed"; } &
done
wait
[ ! -e "$TMPDIR/failed" ] || { printf 'findings in: %s\n' "$(tr '\n' ' ' <"$TMPDIR/failed")" && exit 1; }
