#!/usr/bin/env bash
# The program against another LibTorch than the one that set-up brings: headers, link, start.
set -euo pipefail
version=2.10.0
cluster/setup.sh --no-packages --torch "$version"
# Not optimised as it would be: nothing is computed. What needs no LibTorch is the release build's, by ccache.
cmake -G Ninja -S . -B build/torch -DCMAKE_BUILD_TYPE=Release -DTHAW_TESTS=OFF -DTHAW_TORCH_OPTIONS=-O1 "-DTorch_DIR=$PWD/build/libtorch-$version/torch"
ninja -C build/torch -j "$(nproc)" thaw
ldd build/torch/thaw | grep "libtorch-$version/.*libtorch_cpu.so"
build/torch/thaw --version
