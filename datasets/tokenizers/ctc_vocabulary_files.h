// What the files of a CTC vocabulary say, before it is put to use.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "framework/base/json.h"

namespace thaw {

struct CtcAddedToken {
  std::string content;
  bool lstrip = false, rstrip = false;  // takes white space before and behind it
};

struct CtcSettings {
  std::map<std::string, std::uint32_t> vocabulary;
  std::map<std::uint32_t, CtcAddedToken> added;  // added_tokens_decoder, or added_tokens.json
  std::vector<CtcAddedToken> special;            // all special tokens, in the order in which those that have no id get one
  std::string pad_token = "<pad>", unknown_token = "<unk>", delimiter_token = "|", delimiter_shown = " ";
  bool do_lower_case = false, clean_up_spaces = false;
};

// ModelError names file, JSON path, what was expected and found.
CtcSettings read_ctc_settings(const std::filesystem::path& model_directory);

}  // namespace thaw
