// What libthaw_mpi.so exports; the program itself is linked without MPI and loads it where a launcher started it.
#pragma once

#include "framework/comm/communicator.h"

namespace thaw {
inline constexpr int mpi_factory_abi = 3;  // one more with every change of Communicator or of what stands below
}

extern "C" {
int thaw_mpi_abi();                                // mpi_factory_abi when it was built; asked first
thaw::Communicator* thaw_make_mpi_communicator();  // initialises MPI; the world; owned by the caller; throws CommError
const char* thaw_mpi_library_version();            // "Open MPI v4.1.4"
}
