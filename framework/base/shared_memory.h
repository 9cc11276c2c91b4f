// Room in the memory that processes of a node share.
#pragma once

#include <sys/statvfs.h>

#include <cstddef>

namespace thaw {

inline constexpr const char* shared_memory = "/dev/shm";

// Whether so many bytes are at most half of what is free there. Pages that the node lacks would end a program with SIGBUS at the
// first touch, and MPI needs some too. Inline: libthaw_mpi.so is built without the rest of the framework.
inline bool shared_memory_holds(std::size_t bytes) {
  struct statvfs space {};
  return ::statvfs(shared_memory, &space) == 0 && space.f_bavail * space.f_frsize / 2 >= bytes;
}

}  // namespace thaw
