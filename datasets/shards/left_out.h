// A row that is not in the shards, and why: bad input is counted and listed, never silently dropped.
#pragma once

#include <cstdint>
#include <string>

#include "framework/base/json.h"

namespace thaw {

struct LeftOut {
  std::string reason;        // one word, such as "silent"
  std::string where;         // FILE:LINE of the source, or the path of what no source speaks of
  std::string id, detail;    // may be empty
  std::uint64_t source = 0;  // which of the sources

  OrderedJson to_json() const;
  static LeftOut read(const JsonView& view);  // DataError
};

}  // namespace thaw
