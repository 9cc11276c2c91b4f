// A model directory that has a vocab.txt and no tokenizer.json: the tokenizer.json that transformers' BertTokenizer makes of it.
#pragma once

#include <filesystem>

#include "framework/base/json.h"

namespace thaw {

// Reads vocab.txt and, where it is there, tokenizer_config.json (do_lower_case, strip_accents, tokenize_chinese_chars, the
// special tokens).
Json tokenizer_from_vocab_txt(const std::filesystem::path& directory);

}  // namespace thaw
