#!/usr/bin/env bash
# Open MPI's settings for one machine, as environment variables, so that the command stays `mpirun -n 2 thaw …`. Sourced.
# A container's user is root, and a test may start more ranks than there are cores; MPICH asks for none of this.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1
# mpirun would bind each of two ranks to one core: with more cores than that, let them share the machine.
if [ "$(nproc)" -gt 2 ]; then export OMPI_MCA_hwloc_base_binding_policy=none; fi
