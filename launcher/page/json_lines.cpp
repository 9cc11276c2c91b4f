#include "launcher/page/json_lines.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

namespace thaw {
namespace {

constexpr std::size_t chunk_bytes = 1 << 20;
constexpr std::size_t longest_line = 16 << 20;  // a step is 250 bytes; an evaluation of ten thousand labels is a megabyte
constexpr std::size_t remembered = 64;

class Descriptor {
 public:
  explicit Descriptor(const std::filesystem::path& path) : value_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}
  Descriptor(const Descriptor&) = delete;
  ~Descriptor() {
    if (value_ >= 0) ::close(value_);
  }
  int get() const { return value_; }

 private:
  int value_;
};

std::string bytes_at(int descriptor, std::uint64_t offset, std::size_t size) {
  std::string bytes(size, '\0');
  std::size_t done = 0;
  while (done < size) {
    const ssize_t got = ::pread(descriptor, bytes.data() + done, size - done, static_cast<off_t>(offset + done));
    if (got <= 0) break;
    done += static_cast<std::size_t>(got);
  }
  bytes.resize(done);
  return bytes;
}

}  // namespace

JsonLines::JsonLines(std::filesystem::path path, std::function<void(const Json&)> entry, std::function<void()> restart)
    : path_(std::move(path)), entry_(std::move(entry)), restart_(std::move(restart)) {}

void JsonLines::begin_anew() {
  if (offset_ > 0) restart_();
  offset_ = refused_ = 0;
  last_.clear();
  skipping_ = false;
}

bool JsonLines::same_file(int descriptor) const {
  struct stat info {};
  if (::fstat(descriptor, &info) != 0 || info.st_ino != inode_ || info.st_dev != device_) return false;
  return static_cast<std::uint64_t>(info.st_size) >= offset_ && bytes_at(descriptor, offset_ - last_.size(), last_.size()) == last_;
}

bool JsonLines::read(std::size_t budget_bytes) {
  const Descriptor file(path_);
  struct stat info {};
  if (file.get() < 0 || ::fstat(file.get(), &info) != 0 || !S_ISREG(info.st_mode)) {
    begin_anew();
    return true;
  }
  if (!same_file(file.get())) begin_anew();
  inode_ = info.st_ino;
  device_ = info.st_dev;

  std::string pending;
  for (std::size_t spent = 0; spent < budget_bytes;) {
    const std::string chunk = bytes_at(file.get(), offset_ + pending.size(), chunk_bytes);
    spent += chunk.size();
    pending += chunk;
    std::size_t start = 0;
    for (std::size_t end = 0; (end = pending.find('\n', start)) != std::string::npos; start = end + 1) {
      if (!std::exchange(skipping_, false)) take(std::string_view(pending).substr(start, end - start));
    }
    if (start == 0 && pending.size() > longest_line) {
      refused_ += skipping_ ? 0 : 1;
      skipping_ = true;
      start = pending.size();
    }
    if (start > 0) {
      const std::size_t from = start > remembered ? start - remembered : 0;
      last_ = pending.substr(from, start - from);
      offset_ += start;
      pending.erase(0, start);
    }
    if (chunk.size() < chunk_bytes) return true;
  }
  return false;
}

void JsonLines::take(std::string_view line) {
  // Depth is bounded by hand: the parser recurses when it destroys what it built.
  std::size_t depth = 0, deepest = 0;
  for (const char c : line) {
    if (c == '{' || c == '[') deepest = std::max(deepest, ++depth);
    else if ((c == '}' || c == ']') && depth > 0) --depth;
  }
  const Json entry = deepest > 100 ? Json() : Json::parse(line.begin(), line.end(), nullptr, false);
  if (entry.is_object()) entry_(entry);
  else if (!line.empty()) ++refused_;
}

}  // namespace thaw
