// From text to token ids, as Hugging Face `tokenizers` 0.23 gives them for the same tokenizer.json: the ids are identical on any
// bytes, where bytes that are not UTF-8 count as Python's bytes.decode("utf-8", "replace") reads them. WordPiece (BERT), byte-level BPE
// (GPT-2, Whisper) and CTC vocabularies (ctc_vocabulary.h) are supported. A tokenizer is immutable: one serves any number of threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace thaw {

struct Encoding {
  std::vector<std::uint32_t> ids;
  std::uint32_t second_start = 0;  // where token type 1 starts; ids.size() where there is none, as for a single text
  bool truncated = false;
};

class Tokenizer {
 public:
  virtual ~Tokenizer();

  // One text, or a pair, with the special tokens of the model's template. At most `max_length` ids (0: no limit): the end of the
  // longer text goes first, as in the strategy `longest_first`. A DataError where not even the special tokens fit.
  virtual Encoding encode(std::string_view text, std::optional<std::string_view> pair, std::size_t max_length) const = 0;

  // The ids of a text alone, without the template's special tokens; added tokens that stand in the text are found all the same.
  virtual std::vector<std::uint32_t> encode_plain(std::string_view text) const = 0;

  // The text that ids stand for, as `tokenizers` gives it. Ids that nobody has are left out, and special tokens if asked. The bytes
  // of byte-level models may end within a character; `decode` puts U+FFFD for such a piece, as Python's decode("utf-8", "replace").
  std::string decode(std::span<const std::uint32_t> ids, bool skip_special_tokens) const;
  virtual std::string decode_bytes(std::span<const std::uint32_t> ids, bool skip_special_tokens) const = 0;

  // One past the largest id: the rows that an embedding needs.
  virtual std::size_t vocabulary_size() const = 0;

  // The id of a vocabulary entry or added token, such as "[PAD]"; nothing where there is no such token.
  virtual std::optional<std::uint32_t> token_id(std::string_view token) const = 0;

  // XXH3 of all that decides the ids: equal for a tokenizer.json and a vocab.txt that mean the same.
  const std::string& fingerprint() const { return fingerprint_; }

 protected:
  explicit Tokenizer(std::string fingerprint) : fingerprint_(std::move(fingerprint)) {}

 private:
  std::string fingerprint_;
};

// Reads tokenizer.json; where there is none, builds the same from vocab.txt (BERT), or vocab.json and merges.txt (GPT-2, Whisper), with
// (if there) tokenizer_config.json and added_tokens.json; where there is none of them, reads a CTC model's vocab.json. The file's own
// truncation and padding are ignored. A ModelError names file, JSON path, what was found and what is supported.
std::unique_ptr<Tokenizer> load_tokenizer(const std::filesystem::path& model_directory);

}  // namespace thaw
