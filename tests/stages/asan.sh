#!/usr/bin/env bash
# The tests that need no LibTorch, under the address and undefined-behaviour sanitizers. Sweeps that a reference judges go through
# the same code a hundred thousand times, without sanitizers.
set -euo pipefail
cmake --preset asan
tests=()
for name in $(ninja -C build/asan -t targets all | sed -n 's/^test_\([a-z0-9_]*\): CXX_EXECUTABLE.*/\1/p'); do
  commands=$(ninja -C build/asan -t commands "test_$name")
  [[ $commands == *libtorch_cpu* ]] || tests+=("$name")
done
[ ${#tests[@]} -gt 0 ]
ninja -C build/asan -j "$(nproc)" "${tests[@]/#/test_}"
ctest --test-dir build/asan -j "$(nproc)" --no-tests=error -R "^($(IFS='|' && echo "${tests[*]}"))[.]" -E 'Reference[.]'
