#include "launcher/doctor/file_system.h"

#include <fcntl.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include "framework/base/clock.h"
#include "framework/base/statistics.h"

namespace thaw::doctor {
namespace {

struct Magic {
  unsigned long number;
  const char* name;
};
// linux/magic.h, and those of parallel file systems outside the kernel
constexpr std::array magics{Magic{0xEF53, "ext4"},       Magic{0x58465342, "xfs"},       Magic{0x9123683E, "btrfs"},
                            Magic{0x01021994, "tmpfs"},  Magic{0x794c7630, "overlayfs"}, Magic{0x6969, "nfs"},
                            Magic{0x0BD00BD0, "lustre"}, Magic{0x47504653, "gpfs"},      Magic{0x19830326, "beegfs"},
                            Magic{0x00c36400, "ceph"},   Magic{0x65735546, "fuse"},      Magic{0xFF534D42, "cifs"},
                            Magic{0x2FC12FC1, "zfs"},    Magic{0xfe534d42, "smb2"},      Magic{0x01021997, "9p"},
                            Magic{0xAAD7AAEA, "panfs"},  Magic{0x20030528, "pvfs2"},     Magic{0x858458f6, "ramfs"}};

std::string type_of(const std::filesystem::path& directory) {
  struct statfs system {};
  if (::statfs(directory.c_str(), &system) != 0) return "";
  const auto number = static_cast<unsigned long>(system.f_type) & 0xFFFFFFFFUL;
  const auto found = std::find_if(magics.begin(), magics.end(), [&](const Magic& each) { return each.number == number; });
  return found == magics.end() ? fmt::format("{:#x}", number) : found->name;
}

struct Descriptor {
  int number;
  ~Descriptor() {
    if (number >= 0) ::close(number);
  }
};

bool can_lock(int file) {
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  return ::fcntl(file, F_SETLK, &lock) == 0;
}

double median_fsync(int file, double seconds) {
  const std::vector<char> block(4096, 't');
  std::vector<double> times;
  for (const auto start = Clock::now(); times.size() < 9 && (times.empty() || seconds_since(start) < seconds);) {
    const auto one = Clock::now();
    if (::write(file, block.data(), block.size()) < 0 || ::fsync(file) != 0) break;
    times.push_back(seconds_since(one));
  }
  return median(std::move(times));
}

// Bytes a second until they are on the disk.
double write_speed(int file, std::uint64_t bytes, double seconds, std::uint64_t& written) {
  std::vector<char> block(std::size_t{1} << 20);
  for (std::size_t i = 0; i < block.size(); ++i) block[i] = static_cast<char>(i * 2654435761U >> 13);  // nothing to compress
  const auto start = Clock::now();
  while (written < bytes && seconds_since(start) < seconds) {
    const ssize_t done = ::write(file, block.data(), block.size());
    if (done <= 0) break;
    written += static_cast<std::uint64_t>(done);
  }
  ::fsync(file);
  return static_cast<double>(written) / seconds_since(start);
}

// With the kernel's copy dropped where it lets itself be dropped.
double read_speed(int file, std::uint64_t bytes, double seconds) {
  ::posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
  std::vector<char> block(std::size_t{1} << 20);
  const auto start = Clock::now();
  std::uint64_t got = 0;
  while (got < bytes && seconds_since(start) < seconds) {
    const ssize_t done = ::pread(file, block.data(), block.size(), static_cast<off_t>(got));
    if (done <= 0) break;
    got += static_cast<std::uint64_t>(done);
  }
  return static_cast<double>(got) / seconds_since(start);
}

}  // namespace

FileSystem measure_file_system(const std::filesystem::path& directory, std::uint64_t bytes, double seconds) {
  FileSystem measured;
  measured.directory = directory.string();
  measured.type = type_of(directory);
  struct statvfs space {};
  if (::statvfs(directory.c_str(), &space) == 0) measured.free_bytes = static_cast<std::uint64_t>(space.f_bavail) * space.f_frsize;
  const std::string name = (directory / fmt::format("thaw-doctor-{}-{}", ::getpid(), Clock::now().time_since_epoch().count())).string();
  const Descriptor file{::open(name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600)};
  if (file.number < 0) {
    measured.problem = std::strerror(errno);
    return measured;
  }
  const std::string second = name + "-2";
  measured.links = ::link(name.c_str(), second.c_str()) == 0;
  ::unlink(second.c_str());
  ::unlink(name.c_str());
  measured.locks = can_lock(file.number);
  measured.fsync_s = median_fsync(file.number, seconds / 3);
  if (measured.fsync_s == 0) measured.problem = std::strerror(errno);
  std::uint64_t written = 0;
  bytes = std::min(bytes, measured.free_bytes / 4);
  measured.write_bytes_per_s = write_speed(file.number, bytes, seconds / 3, written);
  measured.read_bytes_per_s = read_speed(file.number, written, seconds / 3);
  return measured;
}

Json json_of(const FileSystem& m) {
  return {{"directory", m.directory},
          {"type", m.type},
          {"problem", m.problem.empty() ? Json() : Json(m.problem)},
          {"free_bytes", m.free_bytes},
          {"locks", m.locks},
          {"links", m.links},
          {"fsync_s", m.fsync_s},
          {"write_bytes_per_s", m.write_bytes_per_s},
          {"read_bytes_per_s", m.read_bytes_per_s}};
}

}  // namespace thaw::doctor
