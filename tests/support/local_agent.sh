#!/usr/bin/env bash
# What mpirun runs to start its daemon on another host: HOST COMMAND…, run on this one. To Open MPI these are two nodes.
shift
exec bash -c "$*"
