// The terminal on which a person sees this process's standard error, if there is one. A rank's is a pipe to mpirun, which
// hands every byte on: where mpirun started us on its own machine, its terminal is ours.
#pragma once

#include <cstddef>

namespace thaw {

class Terminal {
 public:
  Terminal();
  ~Terminal();
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  bool there() const { return descriptor_ >= 0; }
  std::size_t columns() const;  // 100 where it does not tell

 private:
  int descriptor_ = -1;
};

}  // namespace thaw
