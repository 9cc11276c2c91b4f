// A file of JSON objects, one a line, that another process appends to: each `read` parses only what is new. Half a last line is
// left until it is whole. A file that was replaced or cut (a resumed run drops what it had logged after its checkpoint) is
// noticed, and read anew from its beginning. Lines that are no object are passed over and counted.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "framework/base/json.h"

namespace thaw {

class JsonLines {
 public:
  // `entry` gets each object; `restart` is called before the file is read anew: what came so far no longer counts.
  JsonLines(std::filesystem::path path, std::function<void(const Json&)> entry, std::function<void()> restart);

  // Parses at most about `budget_bytes`; whether the end was reached. A missing file is an empty one.
  bool read(std::size_t budget_bytes);

  std::uint64_t bytes() const { return offset_; }  // parsed so far
  std::uint64_t refused() const { return refused_; }

 private:
  void begin_anew();
  bool same_file(int descriptor) const;
  void take(std::string_view line);

  std::filesystem::path path_;
  std::function<void(const Json&)> entry_;
  std::function<void()> restart_;
  std::uint64_t offset_ = 0, refused_ = 0;  // offset_: of the first byte not parsed
  ino_t inode_ = 0;
  dev_t device_ = 0;
  std::string last_;       // the end of what was parsed: a file that says otherwise there is another one
  bool skipping_ = false;  // inside a line that is too long to be ours
};

}  // namespace thaw
