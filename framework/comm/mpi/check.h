// The one check of MPI's return codes: they become CommErrors with MPI's own words.
#pragma once

#include <mpi.h>

#include <string>

#include "framework/base/error.h"

namespace thaw {

inline void check_mpi(int code, const char* what) {
  if (code == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING];
  int length = 0;
  MPI_Error_string(code, text, &length);
  throw CommError("{}: {}; look at the other ranks' messages, one of them may have ended first", what,
                  std::string(text, static_cast<std::size_t>(length)));
}

}  // namespace thaw
