#!/usr/bin/env bash
# What mpirun runs to start its daemon on another host: HOST COMMAND…, run on this one. To Open MPI these are two nodes;
# the second one's daemon needs a temporary directory of its own, as it would have on another machine.
shift
TMPDIR=$(mktemp -d)
export TMPDIR
bash -c "$*"
status=$?
rm -rf "$TMPDIR"
exit "$status"
