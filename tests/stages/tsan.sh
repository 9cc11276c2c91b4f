#!/usr/bin/env bash
# What has threads of our own, under the thread sanitizer: the watchdog's view, sums of gradients, leases' heartbeats, reading and
# sharding by several threads, and checkpoints written beside the training.
set -euo pipefail
tests=(current gradient_sync lease shards checkpoint)
cmake --preset tsan
ninja -C build/tsan -j "$(nproc)" "${tests[@]/#/test_}"
export OMP_NUM_THREADS=1  # LibTorch is not instrumented: with one thread it starts none of its own
ctest --test-dir build/tsan -j "$(nproc)" --no-tests=error -R "^($(IFS='|' && echo "${tests[*]}"))[.]" -E '[.]Damage[.]' # by one thread, and slow here
