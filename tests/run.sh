#!/usr/bin/env bash
# Every test, with its own set-up: the README's test command, and what continuous integration runs.
set -euo pipefail

usage() {
  cat <<'END'
usage: tests/run.sh [--only STAGE[,STAGE…]] [options of ctest]

  mpich    libthaw_mpi.so against MPICH, and a few training steps with it
  torch    the program against another LibTorch (2.10.0)
  asan     the tests that need no LibTorch, under the address and undefined-behaviour sanitizers
  tsan     what has threads of our own, under the thread sanitizer
  fuzz     every parser's fuzz target on its corpus, 5 s each (THAW_FUZZ_SECONDS=600: longer)
  cuda     the preset cuda, compiled (skipped where there is no nvcc)
  release  every test; always last, so that ctest's summary closes the output

Options of ctest (-L LABEL, -R NAME, …) choose tests of the stage release, and without --only run that one alone.
The stages' own output is in build/tests/STAGE.log.
END
}

all=(mpich torch asan tsan fuzz cuda release)
stages=$(IFS=, && echo "${all[*]}")
case ${1:-} in
  --help | -h) usage && exit 0 ;;
  --only) stages=${2:?--only needs a stage} && shift 2 ;;
  ?*) stages=release ;;
esac
for name in ${stages//,/ }; do
  [[ " ${all[*]} " == *" $name "* ]] || { printf 'run.sh: no stage %s; expected some of: %s\n' "$name" "${all[*]}" >&2 && exit 64; }
done

cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD
# shellcheck source=cluster/mpi.sh
. cluster/mpi.sh
export THAW_VENV=${THAW_VENV:-$root/build/venv} CTEST_OUTPUT_ON_FAILURE=1 HF_HUB_OFFLINE=1
failed=()

# stage NAME: tests/stages/NAME.sh with its output in a log, and how it ended. Status 77: it cannot run here.
stage() {
  local name=$1 began=$SECONDS status=0 log=build/tests/$1.log
  [[ ,$stages, == *,$name,* ]] || return 0
  bash "tests/stages/$name.sh" >"$log" 2>&1 </dev/null || status=$?
  case $status in
    0) printf 'stage %-8s passed in %d s\n' "$name" $((SECONDS - began)) ;;
    77) printf 'stage %-8s skipped: %s\n' "$name" "$(tail -n 1 "$log")" ;;
    *)
      tail -n 60 "$log"
      printf 'stage %-8s FAILED after %d s; its output is in %s\n' "$name" $((SECONDS - began)) "$log"
      failed+=("$name")
      ;;
  esac
}

began=$SECONDS
cluster/setup.sh --tests --preset release
recipes/data/reviews.sh
recipes/data/whisper.sh
# Whisper in the layout of the hub, too.
for source in tiny.en/tiny.en.pt base; do
  made=build/models/whisper-${source%%/*}
  [ -e "$made" ] || "$THAW_VENV/bin/python" tests/support/whisper_weights.py "build/models/whisper/$source" "$made"
done
mkdir -p build/tests

# References that tests run find a Python that has imported everything already; without it each would, in seconds.
judges=$(mktemp -d)
"$THAW_VENV/bin/python" tests/support/judges.py "$judges/socket" >build/tests/judges.log 2>&1 </dev/null &
server=$!
trap 'kill $server 2>/dev/null; rm -rf "$judges"' EXIT
export THAW_JUDGES=$judges/socket

for name in "${all[@]:0:${#all[@]}-1}"; do stage "$name"; done

status=0
if [[ ,$stages, == *,release,* ]]; then
  ctest --test-dir build/release -j "$(nproc)" --no-tests=error --output-on-failure --timeout 300 "$@" || status=$?
fi
if [ ${#failed[@]} -gt 0 ]; then
  printf 'tests/run.sh: failed after %d s: %s\n' $((SECONDS - began)) "${failed[*]}"
  exit 1
fi
exit "$status"
