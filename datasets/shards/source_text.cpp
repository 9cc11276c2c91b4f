#include "datasets/shards/source_text.h"

#include "framework/base/error.h"

namespace thaw {

SourceText::SourceText(const fs::path& path) : name_(path == "-" ? "standard input" : path.string()) {
  std::error_code error;  // shows when it is read
  if (path == "-") owned_ = read_standard_input();
  else if (fs::is_directory(path, error)) throw DataError("{}: expected a file, found a directory: name the files in it", name_);
  else if (can_be_read_again(path)) mapped_.emplace(path);
  else owned_ = read_file(path);
}

bool SourceText::can_be_read_again(const fs::path& path) {
  std::error_code error;
  return path != "-" && (!fs::exists(path, error) || fs::is_regular_file(path, error));
}

void refuse_other_encodings(const SourceText& source) {
  const std::string_view text = source.text(), first_line = text.substr(0, text.find('\n'));
  if (text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF") || first_line.find('\0') != std::string_view::npos)
    throw DataError("{}:1: expected UTF-8, found UTF-16 or bytes that are no text: save it as UTF-8", source.name());
}

}  // namespace thaw
