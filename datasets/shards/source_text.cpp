#include "datasets/shards/source_text.h"

namespace thaw {

SourceText::SourceText(const fs::path& path) : name_(path == "-" ? "standard input" : path.string()) {
  if (path == "-") owned_ = read_file("/dev/stdin");
  else mapped_.emplace(path);
}

}  // namespace thaw
