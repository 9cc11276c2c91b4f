// What a rank knows without asking others: versions, how it was started, its machine, the settings of MPI, NCCL, UCX and Slurm.
#pragma once

#include <string>

#include "framework/base/json.h"
#include "framework/comm/communicator.h"

namespace thaw::doctor {

Json versions(const LaunchedWorld& world);  // "mpi" is null where no launcher started several ranks
Json settings();                            // variables by name; what may be a secret is there without its value
Json machine_of(const LaunchedWorld& world);
Json gpus();  // names, as the driver tells them; empty without one

}  // namespace thaw::doctor
