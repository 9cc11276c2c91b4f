// The bytes of a source file: mapped, or read whole where it is standard input ("-") or a pipe, such as the shell's <(…).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "framework/base/file.h"

namespace thaw {

class SourceText {
 public:
  explicit SourceText(const fs::path& path);
  SourceText(std::string name, std::string text) : name_(std::move(name)), owned_(std::move(text)) {}
  static bool can_be_read_again(const fs::path& path);  // not by another rank either, if it is a pipe
  const std::string& name() const { return name_; }     // as errors name it
  std::string_view text() const { return mapped_ ? mapped_->text() : std::string_view(owned_); }

 private:
  std::string name_, owned_;
  std::optional<MappedFile> mapped_;
};

void refuse_other_encodings(const SourceText& source);  // DataError for UTF-16, and for bytes that are no text

}  // namespace thaw
