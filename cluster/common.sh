#!/usr/bin/env bash
# What the set-up scripts share: wheels and source archives from PyPI, fetched by pip and unpacked without being installed
# (the tags of the wheels are given, so that any Python will do), and nvcc. Sourced; the caller stands in Thaw's root.

fail() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

# Sets `python`: Debian's own where the first one on the path (a user's, a module's) comes without pip.
find_python() {
  for python in python3 /usr/bin/python3; do
    if "$python" -m pip --version >/dev/null 2>&1; then return; fi
  done
  fail "a python3 with pip was not found. On Debian: apt-get install -y python3-pip"
}

# pip_download OPTION… NAME==VERSION…: into build/wheels, nothing else with them.
pip_download() {
  local quiet=(-q)
  [ ! -t 1 ] || quiet=()
  find_python
  mkdir -p build/wheels
  "$python" -m pip download "${quiet[@]}" --disable-pip-version-check --no-deps --dest build/wheels "$@" ||
    fail "pip could not download ${*: -1}. Without a network: put the files into build/wheels, set PIP_NO_INDEX=1 and PIP_FIND_LINKS=build/wheels, and run this again"
}

fetch_wheels() {
  local tags=(--only-binary :all: --python-version 3.11 --implementation cp --abi cp311) arch glibc
  arch=$(uname -m)
  for glibc in 2_28 2_27 2_26 2_25 2_24 2_17; do tags+=(--platform "manylinux_${glibc}_$arch"); done
  pip_download "${tags[@]}" --platform "manylinux2014_$arch" "$@"
}

# unpack_wheels FOLDER PREFIX[,PREFIX…] NAME==VERSION…: the members under those prefixes; the wheels are deleted afterwards,
# since what is unpacked takes the place of half a gigabyte.
unpack_wheels() {
  find_python
  "$python" - "$@" <<'END'
import glob, os, sys, zipfile

folder, prefixes, *names = sys.argv[1:]
for name in names:
    distribution, version = name.split("==")
    found = glob.glob(f"build/wheels/{distribution.replace('-', '_')}-{version}-*.whl")
    if len(found) != 1:
        sys.exit(f"expected one wheel of {name} in build/wheels, found {found}")
    with zipfile.ZipFile(found[0]) as wheel:
        wheel.extractall(folder, [member for member in wheel.namelist() if member.startswith(tuple(prefixes.split(",")))])
    os.remove(found[0])
END
}

# Exports CUDACXX, which CMake reads; status 1 where there is no nvcc.
find_nvcc() {
  local nvcc
  for nvcc in "${CUDACXX:-}" "$(command -v nvcc || true)" "${CUDA_HOME:-}/bin/nvcc" /usr/local/cuda/bin/nvcc; do
    if [ -x "$nvcc" ]; then
      export CUDACXX=$nvcc
      return 0
    fi
  done
  return 1
}
