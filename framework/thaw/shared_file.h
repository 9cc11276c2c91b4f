// Memory that the ranks of a node share: a file in a node-local directory, mapped by all and without a name from the start,
// so that it is gone with the last rank, however it ends, and nothing stale or foreign can ever be in it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "framework/comm/communicator.h"

namespace thaw {

class SharedFile {
 public:
  // Zeros. Collective over `node`. Null, with the reason in `problem`, where there is no room or the directory is no use.
  static std::unique_ptr<SharedFile> create(Communicator& node, const std::string& directory, std::uint64_t bytes, std::string& problem);
  ~SharedFile();
  SharedFile(const SharedFile&) = delete;
  SharedFile& operator=(const SharedFile&) = delete;
  std::byte* data() const { return data_; }
  std::uint64_t size() const { return size_; }

 private:
  SharedFile(std::byte* data, std::uint64_t size) : data_(data), size_(size) {}
  std::byte* data_;
  std::uint64_t size_;
};

struct LocalDirectory {
  std::string path;
  std::uint64_t room = 0;  // bytes that may be taken: half of what is free; of a memory file system also a quarter of `memory`
  std::string refused;     // why it is not taken: it is missing, or on a network file system
};

// `wished`, else $SLURM_TMPDIR, $TMPDIR, the system's temporary directory. A network file system is taken only where wished for.
LocalDirectory local_directory(const std::string& wished, std::uint64_t memory);

}  // namespace thaw
