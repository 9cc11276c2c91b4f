#include "framework/base/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <random>
#include <utility>

#include "framework/base/error.h"

namespace thaw {
namespace {

[[noreturn]] void fail(const fs::path& path, const char* what, int error, bool writing) {
  const ExitCode code = error == ENOENT && !writing ? ExitCode::input_missing
                        : writing && error != EIO   ? ExitCode::cannot_write
                                                    : ExitCode::io_error;
  const char* remedy = error == ENOSPC || error == EDQUOT ? "; free some space, or write elsewhere (output_dir, --out, data.cache_dir)"
                       : error == EACCES || error == EROFS || error == EPERM
                           ? "; choose a place that you may use, or change its permissions"
                           : "";
  throw FileError(code, "{}: cannot {}: {}{}", path.string(), what, std::strerror(error), remedy);
}

class Descriptor {
 public:
  Descriptor(const fs::path& path, int flags, bool writing, const char* what) : value_(::open(path.c_str(), flags | O_CLOEXEC, 0644)) {
    if (value_ < 0) fail(path, what, errno, writing);
  }
  Descriptor(const Descriptor&) = delete;
  ~Descriptor() { ::close(value_); }
  int get() const { return value_; }

 private:
  int value_;
};

std::string read_all(int descriptor, const fs::path& path) {
  struct stat info {};
  if (::fstat(descriptor, &info) != 0) fail(path, "stat", errno, false);
  if (S_ISDIR(info.st_mode)) fail(path, "read", EISDIR, false);
  std::string content;
  content.resize(static_cast<std::size_t>(info.st_size));
  std::size_t done = 0;
  while (true) {  // reads on past st_size too: pipes and /proc say 0
    if (done == content.size()) content.resize(std::max(done + 65536, done + done / 2));
    const ssize_t got = ::read(descriptor, content.data() + done, content.size() - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail(path, "read", errno, false);
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  content.resize(done);
  return content;
}

}  // namespace

std::string read_file(const fs::path& path) {
  const Descriptor file(path, O_RDONLY, false, "open for reading");
  return read_all(file.get(), path);
}

std::string first_line(const fs::path& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

std::string read_standard_input() { return read_all(STDIN_FILENO, "standard input"); }

void write_file_atomically(const fs::path& path, std::string_view content, const fs::path& workshop) {
  AtomicFile file(path, workshop);
  file.write(content);
  file.commit();
}

// A number that no other process draws, on this host or another: what a killed one left is never written into.
AtomicFile::AtomicFile(fs::path path, const fs::path& workshop) : path_(std::move(path)) {
  std::random_device random;
  temporary_ = workshop.empty() ? path_ : workshop / path_.filename();
  temporary_ += fmt::format(".tmp-{:08x}{:08x}", random(), random());
  descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (descriptor_ < 0) fail(path_, "create", errno, true);
}

AtomicFile::~AtomicFile() {
  if (descriptor_ < 0) return;
  ::close(descriptor_);
  ::unlink(temporary_.c_str());
}

void AtomicFile::write(const void* data, std::size_t bytes) {
  const char* next = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t wrote = ::write(descriptor_, next, bytes);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) fail(path_, "write", errno, true);
    next += wrote;
    bytes -= static_cast<std::size_t>(wrote);
  }
}

void AtomicFile::commit() {
  if (::fsync(descriptor_) != 0) fail(path_, "flush", errno, true);
  const int closed = ::close(std::exchange(descriptor_, -1));
  if (closed != 0 || ::rename(temporary_.c_str(), path_.c_str()) != 0) {
    const int error = errno;
    ::unlink(temporary_.c_str());
    fail(path_, "rename into place", error, true);
  }
  flush_to_disk(path_.has_parent_path() ? path_.parent_path() : fs::path("."));
}

void flush_to_disk(const fs::path& path) {
  const Descriptor file(path, O_RDONLY, true, "open for flushing");
  // Some network file systems refuse to flush a directory (EINVAL): the rename stands all the same.
  if (::fsync(file.get()) != 0 && errno != EINVAL) fail(path, "flush", errno, true);
}

void make_directory(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) fail(path, "create the directory", error.value(), true);
  if (::access(path.c_str(), W_OK | X_OK) != 0) fail(path, "write into the directory", errno, true);
}

MappedFile::MappedFile(const fs::path& path) {
  const Descriptor file(path, O_RDONLY | O_NONBLOCK, false, "open for reading");  // a pipe is refused, not waited for
  struct stat info {};
  if (::fstat(file.get(), &info) != 0) fail(path, "stat", errno, false);
  if (!S_ISREG(info.st_mode)) throw FileError("{}: cannot map: not a regular file", path.string());
  size_ = static_cast<std::size_t>(info.st_size);
  if (size_ == 0) return;
  void* const mapped = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file.get(), 0);
  if (mapped == MAP_FAILED) fail(path, "map", errno, false);
  data_ = static_cast<const std::byte*>(mapped);
}

MappedFile::MappedFile(MappedFile&& other) noexcept : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

void release_pages(std::span<const std::byte> bytes) {
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE)), first = reinterpret_cast<std::uintptr_t>(bytes.data());
  const std::uintptr_t begin = (first + page - 1) / page * page, end = (first + bytes.size()) / page * page;
  if (begin < end) ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

void flush_output() {
  if (std::fflush(stdout) != 0) throw FileError(ExitCode::cannot_write, "standard output: cannot write");
}

}  // namespace thaw
