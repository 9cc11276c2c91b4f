// The communicator that the tests of a body run over. The program's main (ranks_main.cpp, gpu_main.cpp) sets it.
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <type_traits>
#include <vector>

#include "framework/comm/communicator.h"

namespace thaw::ranked {

// Where a test's buffers live: host memory, or a GPU's.
class Memory {
 public:
  virtual ~Memory() = default;
  virtual std::shared_ptr<void> allocate(std::size_t bytes) = 0;
  virtual void copy(void* into, const void* from, std::size_t bytes) = 0;  // either way
};

struct World {
  std::shared_ptr<Communicator> comm;
  std::unique_ptr<Memory> memory;
};
World& world();
inline Communicator& comm() { return *world().comm; }
inline int rank() { return comm().rank(); }
inline int size() { return comm().size(); }

// A buffer of the world's memory, filled and read back from the host.
template <typename T>
class Buffer {
 public:
  explicit Buffer(const std::vector<T>& values) : count_(values.size()), memory_(world().memory->allocate(values.size() * sizeof(T) + 1)) {
    world().memory->copy(memory_.get(), values.data(), count_ * sizeof(T));
  }
  T* data() { return static_cast<T*>(memory_.get()); }
  std::size_t bytes() const { return count_ * sizeof(T); }
  std::vector<T> read() const {
    std::vector<T> values(count_);
    world().memory->copy(values.data(), memory_.get(), bytes());
    return values;
  }

 private:
  std::size_t count_;
  std::shared_ptr<void> memory_;
};

}  // namespace thaw::ranked
