#include "datasets/tokenizers/ctc_vocabulary_builder.h"

#include "datasets/tokenizers/python_text.h"
#include "datasets/tokenizers/utf8.h"
#include "framework/base/error.h"
#include "framework/base/file.h"

namespace thaw {

void CtcVocabularyBuilder::add(std::string_view transcript) {
  std::string text = repair_utf8(transcript);
  if (options_.casing == CtcVocabularyOptions::folded) text = upper_case(text);
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = at;
    const char32_t c = next_code_point(text, at);
    const std::string_view one(text.data() + begin, at - begin);
    const bool blank = c < 0x80 && strip_left(one).empty();  // others, as U+00A0, are spelt as they are
    if (!blank && one != options_.delimiter_token) ++counts_[c];
  }
}

OrderedJson CtcVocabularyBuilder::vocabulary() const {
  OrderedJson ids = {{options_.pad_token, 0}, {options_.unknown_token, 1}, {options_.delimiter_token, 2}};
  if (ids.size() != 3)
    throw DataError("a CTC vocabulary: expected three different tokens for pad, unknown and the delimiter, found {}", ids.dump());
  for (const auto& [c, count] : counts_) {
    if (count < options_.least_count) continue;
    std::string character;
    append_utf8(character, c);
    if (!ids.contains(character)) ids[character] = ids.size();
  }
  if (ids.size() == 3)
    throw DataError("a CTC vocabulary: expected characters that come at least {} times, found none: are the transcripts empty?",
                    options_.least_count);
  return ids;
}

void CtcVocabularyBuilder::write(const fs::path& directory) const {
  const OrderedJson config = {{"tokenizer_class", "Wav2Vec2CTCTokenizer"},
                              {"pad_token", options_.pad_token},
                              {"unk_token", options_.unknown_token},
                              {"bos_token", nullptr},  // else they would get ids that the model does not have
                              {"eos_token", nullptr},
                              {"word_delimiter_token", options_.delimiter_token},
                              {"replace_word_delimiter_char", " "},
                              {"do_lower_case", options_.casing == CtcVocabularyOptions::folded},
                              {"clean_up_tokenization_spaces", false}};
  const OrderedJson special = {{"pad_token", options_.pad_token}, {"unk_token", options_.unknown_token}};
  make_directory(directory);
  write_file_atomically(directory / "vocab.json", vocabulary().dump(2) + "\n");
  write_file_atomically(directory / "tokenizer_config.json", config.dump(2) + "\n");
  write_file_atomically(directory / "special_tokens_map.json", special.dump(2) + "\n");
}

}  // namespace thaw
