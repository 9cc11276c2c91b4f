#!/usr/bin/env bash
# libthaw_cuda.so, compiled and linked; it takes a GPU to run it.
set -euo pipefail
# shellcheck source=cluster/common.sh
. cluster/common.sh
if ! find_nvcc; then
  echo "no nvcc"
  exit 77
fi
# The tests' Python has all the libraries that LibTorch names on a GPU, and NCCL's header.
VIRTUAL_ENV=$THAW_VENV cmake --preset cuda -DTHAW_TESTS=OFF
ninja -C build/cuda -j "$(nproc)" libthaw_cuda.so
