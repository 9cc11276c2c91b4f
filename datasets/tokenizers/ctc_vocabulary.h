// The characters that a CTC model spells with: transformers' Wav2Vec2CTCTokenizer. One id a character, a delimiter between words, a
// blank (the pad token) that stands for no character. Ids and texts are equal to transformers 5.23's, on any bytes, where those
// that are not UTF-8 count as U+FFFD.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "datasets/tokenizers/byte_trie.h"
#include "datasets/tokenizers/tokenizer.h"

namespace thaw {

struct CtcSettings;  // ctc_vocabulary_files.h

class CtcVocabulary : public Tokenizer {
 public:
  // Throws ModelError.
  explicit CtcVocabulary(CtcSettings settings);

  // A transcript's labels; a pair is a DataError, since a recording has one transcript. Blanks become the delimiter, what the
  // vocabulary cannot spell the unknown token; a DataError that names the character where there is none.
  Encoding encode(std::string_view text, std::optional<std::string_view> pair, std::size_t max_length) const override;
  std::vector<std::uint32_t> encode_plain(std::string_view text) const override { return encode(text, {}, 0).ids; }
  // Of labels, one a character: decode_labels without collapsing. The blank is the only special token, and always left out.
  std::string decode_bytes(std::span<const std::uint32_t> ids, bool skip_special_tokens) const override;
  std::size_t vocabulary_size() const override { return size_; }
  std::optional<std::uint32_t> token_id(std::string_view token) const override;

  std::uint32_t blank() const { return blank_; }
  std::uint32_t delimiter() const { return delimiter_; }
  std::optional<std::uint32_t> unknown() const { return unknown_; }

  // Characters of a transcript that the vocabulary cannot spell: each once, as they come.
  std::vector<std::string> unspellable(std::string_view text) const;

  // The text of labels; with `collapse` of a frame's labels each: repetitions are one, blanks none. Ids that are none of the
  // vocabulary are the unknown token.
  std::string decode_labels(std::span<const std::int64_t> ids, bool collapse = true) const;

  struct Word {
    std::string text;
    std::size_t start, end;  // frames [start, end)
  };
  // Words of the best labels of all frames, and where they stand (transformers' word_offsets, in the case of decode_labels).
  std::vector<Word> words(std::span<const std::int64_t> frames) const;

 private:
  // The parts of a text that are tokens of several characters (or special ones), and what stands between.
  struct Piece {
    std::string_view text;
    std::optional<std::uint32_t> id;
  };
  std::vector<Piece> split(std::string_view text) const;
  // Calls spell(id) or miss(character), in order, until one of them says false.
  template <typename Spell, typename Miss>
  void each_label(std::string_view text, const Spell& spell, const Miss& miss) const;

  const std::string& token(std::int64_t id) const;
  std::string shown(const std::string& token) const;  // the delimiter as what it stands for

  std::map<std::string, std::uint32_t, std::less<>> ids_;  // of the vocabulary
  std::map<std::uint32_t, std::string> tokens_;            // with the added ones
  ByteTrie whole_tokens_;                                  // those that are never split: values are ids
  std::map<std::uint32_t, std::pair<bool, bool>> strips_;  // of those: whether they take white space before and behind them
  std::string pad_token_, unknown_token_, delimiter_token_, delimiter_shown_;
  bool upper_, clean_up_;  // do_lower_case: labels are capitals, texts small letters
  std::uint32_t blank_ = 0, delimiter_ = 0;
  std::optional<std::uint32_t> unknown_;
  std::size_t size_ = 0;
};

// Reads vocab.json and, where they are there, tokenizer_config.json, special_tokens_map.json and added_tokens.json.
std::unique_ptr<CtcVocabulary> load_ctc_vocabulary(const std::filesystem::path& model_directory);

}  // namespace thaw
