#!/usr/bin/env bash
# libthaw_mpi.so against MPICH, and a few training steps with it: the program itself is the one built for any MPI.
set -euo pipefail
cmake -G Ninja -S . -B build/mpich -DCMAKE_BUILD_TYPE=Release -DTHAW_TESTS=OFF -DMPI_CXX_COMPILER=mpicxx.mpich
ninja -C build/mpich libthaw_mpi.so
ldd build/mpich/libthaw_mpi.so | grep libmpich
# The program loads the library that lies beside it.
ln -f build/release/thaw build/mpich/thaw
recipes/data/reviews.sh
rm -rf build/tests/mpich-run
timeout 300 mpiexec.mpich -n 2 build/mpich/thaw train recipes/quickstart.yaml steps=4 data.train=build/data/reviews/dev.tsv \
  data.cache_dir=build/tests/cache output_dir=build/tests/mpich-run
grep '"ranks": *2' build/tests/mpich-run/result.json
