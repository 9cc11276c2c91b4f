#include "framework/thaw/shared_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

namespace thaw {
namespace {

// NFS, SMB, CIFS, Lustre, BeeGFS, GPFS, Ceph, FUSE (sshfs and others), AFS, Panasas.
constexpr std::array<std::uint64_t, 11> network_file_systems{NFS_SUPER_MAGIC, SMB_SUPER_MAGIC, 0xFF534D42, 0xFE534D42,
                                                             0x0BD00BD0,      0x19830326,      0x47504653, 0x00C36400,
                                                             0x65735546,      0x5346414F,      0xAAD7AAEA};

std::byte* map(int descriptor, std::uint64_t bytes) {
  void* const data = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  return data == MAP_FAILED ? nullptr : static_cast<std::byte*>(data);
}

// The same on all ranks of the node: whether all are well.
bool all_well(Communicator& node, bool well) {
  std::int64_t value = well ? 1 : 0;
  node.all_reduce(&value, 1, CommType::i64, CommOp::min);
  return value == 1;
}

}  // namespace

std::unique_ptr<SharedFile> SharedFile::create(Communicator& node, const std::string& directory, std::uint64_t bytes,
                                               std::string& problem) {
  std::array<char, 1024> name{};
  int descriptor = -1, error = 0;
  if (node.rank() == 0) {
    const std::string pattern = (std::filesystem::path(directory) / "thaw-cache-XXXXXX").string();
    std::copy_n(pattern.data(), std::min(pattern.size(), name.size() - 1), name.data());
    descriptor = ::mkostemp(name.data(), O_CLOEXEC);
    // All of it now: a disk that is full later would end the process by a signal.
    error = descriptor < 0 ? errno : ::posix_fallocate(descriptor, 0, static_cast<off_t>(bytes));
    if (error != 0) problem = fmt::format("{}: {}", directory, std::strerror(error));
  }
  node.broadcast(&error, sizeof error, 0);
  node.broadcast(name.data(), name.size(), 0);
  if (error == 0 && node.rank() != 0) descriptor = ::open(name.data(), O_RDWR | O_CLOEXEC);
  std::byte* const data = error == 0 && descriptor >= 0 ? map(descriptor, bytes) : nullptr;
  if (error == 0 && data == nullptr) problem = fmt::format("{}: cannot be mapped: {}", directory, std::strerror(errno));
  const bool well = all_well(node, data != nullptr);
  if (node.rank() == 0 && descriptor >= 0) ::unlink(name.data());
  if (descriptor >= 0) ::close(descriptor);
  if (well) return std::unique_ptr<SharedFile>(new SharedFile(data, bytes));
  if (data != nullptr) ::munmap(data, bytes);
  if (problem.empty()) problem = fmt::format("{}: another rank of this node cannot use it", directory);
  return nullptr;
}

SharedFile::~SharedFile() { ::munmap(data_, size_); }

LocalDirectory local_directory(const std::string& wished, std::uint64_t memory) {
  LocalDirectory local;
  local.path = wished;
  for (const char* variable : {"SLURM_TMPDIR", "TMPDIR"})
    if (const char* const value = std::getenv(variable); local.path.empty() && value != nullptr) local.path = value;
  if (local.path.empty()) local.path = "/tmp";
  struct statfs info {};
  if (::statfs(local.path.c_str(), &info) != 0) {
    local.refused = fmt::format("{}: {}", local.path, std::strerror(errno));
    return local;
  }
  const auto type = static_cast<std::uint64_t>(info.f_type) & 0xFFFFFFFFu;
  if (wished.empty() && std::find(network_file_systems.begin(), network_file_systems.end(), type) != network_file_systems.end()) {
    local.refused = fmt::format("{} is on a network file system; name a directory of the node's own as cache.dir", local.path);
    return local;
  }
  local.room = static_cast<std::uint64_t>(info.f_bavail) * static_cast<std::uint64_t>(info.f_bsize) / 2;
  if (type == TMPFS_MAGIC || type == RAMFS_MAGIC) local.room = std::min(local.room, memory / 4);
  return local;
}

}  // namespace thaw
