// Makes a CTC vocabulary out of the characters of training transcripts.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>

#include "framework/base/json.h"

namespace thaw {

struct CtcVocabularyOptions {
  // as_written: capitals and small letters are characters of their own. folded: transcripts are spelled in capitals and read in
  // small letters, whatever they were written in (transformers' do_lower_case).
  enum Casing { as_written, folded } casing = as_written;
  std::int64_t least_count = 1;  // characters that come less often are left to the unknown token
  std::string pad_token = "<pad>", unknown_token = "<unk>", delimiter_token = "|";
};

class CtcVocabularyBuilder {
 public:
  explicit CtcVocabularyBuilder(CtcVocabularyOptions options = {}) : options_(std::move(options)) {}

  void add(std::string_view transcript);

  // How often each character came, by code point; white space and the delimiter are not counted.
  const std::map<char32_t, std::int64_t>& counts() const { return counts_; }

  // Pad 0 (the blank), unknown 1, delimiter 2, then characters by code point. DataError where no character came often enough.
  OrderedJson vocabulary() const;

  // Writes vocab.json, tokenizer_config.json and special_tokens_map.json, as load_ctc_vocabulary and transformers read them.
  void write(const std::filesystem::path& directory) const;

 private:
  CtcVocabularyOptions options_;
  std::map<char32_t, std::int64_t> counts_;
};

}  // namespace thaw
