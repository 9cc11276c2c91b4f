// From text to token ids, as Hugging Face `tokenizers` 0.23 gives them for the same tokenizer.json: the ids are identical on any
// bytes, where bytes that are not UTF-8 count as Python's bytes.decode("utf-8", "replace") reads them. WordPiece models and
// CTC vocabularies (ctc_vocabulary.h) are supported. A tokenizer is immutable: one serves any number of threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
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

// Reads tokenizer.json; where there is none, builds the same from vocab.txt and (if there) tokenizer_config.json; where there is
// none either, reads a CTC model's vocab.json, which has no merges.txt beside it. The file's own truncation and padding are
// ignored. A ModelError names file, JSON path, what was found and what is supported.
std::unique_ptr<Tokenizer> load_tokenizer(const std::filesystem::path& model_directory);

}  // namespace thaw
