// A model directory that has vocab.json and merges.txt and no tokenizer.json: the tokenizer.json that transformers' GPT2Tokenizer or
// WhisperTokenizer makes of it.
#pragma once

#include <filesystem>

#include "framework/base/json.h"

namespace thaw {

// Reads vocab.json, merges.txt and, where they are there, tokenizer_config.json (add_prefix_space, the special tokens,
// added_tokens_decoder, tokenizer_class) and added_tokens.json. A Whisper's text stands between <|startoftranscript|>
// <|notimestamps|> and <|endoftext|>, a GPT-2's alone.
Json tokenizer_from_merges(const std::filesystem::path& directory);

}  // namespace thaw
