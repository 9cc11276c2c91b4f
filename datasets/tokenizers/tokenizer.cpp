#include "datasets/tokenizers/tokenizer.h"

#include <algorithm>

#include "datasets/tokenizers/utf8.h"
#include "datasets/tokenizers/word_piece_tokenizer.h"
#include "framework/base/hash.h"

namespace thaw {
namespace {

constexpr std::size_t no_limit = ~std::size_t{0};

// What is left out stands for nothing: null.
JsonView part(const JsonView& settings, std::string_view key) {
  static const Json null;
  return settings.has(key) ? settings[key] : JsonView(null, settings.where() + ": " + std::string(key));
}

// Keys are sorted in the dump, so that it depends on the meaning of the file alone, not on its order and spaces.
std::string fingerprint_of(const JsonView& settings) {
  Hasher hasher;
  for (const char* key : {"added_tokens", "model", "normalizer", "post_processor", "pre_tokenizer"}) {
    hasher.update(part(settings, key).raw().dump()).update("\n");
  }
  return hasher.hex();
}

}  // namespace

Tokenizer::~Tokenizer() = default;

WordPieceTokenizer::WordPieceTokenizer(const JsonView& settings)
    : Tokenizer(fingerprint_of(settings)),
      normalizer_(part(settings, "normalizer")),
      pre_tokenizer_(part(settings, "pre_tokenizer")),
      model_(settings["model"]),
      added_tokens_(part(settings, "added_tokens"), model_, normalizer_),
      template_(part(settings, "post_processor"), [this](std::uint32_t id) { return knows(id); }) {}

bool WordPieceTokenizer::knows(std::uint32_t id) const {
  const auto in = [id](const std::vector<std::uint32_t>& ids) { return std::binary_search(ids.begin(), ids.end(), id); };
  return in(model_.ids()) || in(added_tokens_.new_ids());
}

std::size_t WordPieceTokenizer::vocabulary_size() const {
  const auto end = [](const std::vector<std::uint32_t>& ids) { return ids.empty() ? std::size_t{0} : ids.back() + std::size_t{1}; };
  return std::max(end(model_.ids()), end(added_tokens_.new_ids()));
}

std::optional<std::uint32_t> WordPieceTokenizer::token_id(std::string_view token) const {
  const auto added = added_tokens_.find(token);
  return added ? added : model_.find(token);
}

std::vector<std::uint32_t> WordPieceTokenizer::encode_text(std::string_view text, std::size_t enough) const {
  std::string repaired;
  if (!is_utf8(text)) text = repaired = repair_utf8(text);
  std::vector<std::uint32_t> ids;
  ids.reserve(std::min(text.size() / 4 + 8, std::size_t{4096}));
  std::vector<AddedTokens::Piece> raw_pieces, pieces;
  std::vector<std::string_view> words;
  added_tokens_.split(AddedTokens::raw, text, raw_pieces);
  for (const auto& raw_piece : raw_pieces) {
    if (raw_piece.id) {
      ids.push_back(*raw_piece.id);
      continue;
    }
    const std::string normalized = normalizer_.apply(raw_piece.text);
    added_tokens_.split(AddedTokens::normalized, normalized, pieces);
    for (const auto& piece : pieces) {
      if (ids.size() > enough) return ids;
      if (piece.id) {
        ids.push_back(*piece.id);
        continue;
      }
      pre_tokenizer_.split(piece.text, words);
      for (const std::string_view word : words) {
        model_.encode(word, ids);
        if (ids.size() > enough) return ids;
      }
    }
  }
  return ids;
}

Encoding WordPieceTokenizer::encode(std::string_view text, std::optional<std::string_view> pair, std::size_t max_length) const {
  // How a pair is cut depends on both whole lengths; a single text can stop at the first id too many.
  std::vector<std::uint32_t> first = encode_text(text, max_length > 0 && !pair ? max_length : no_limit);
  std::optional<std::vector<std::uint32_t>> second;
  if (pair) second = encode_text(*pair, no_limit);
  return template_.assemble(std::move(first), std::move(second), max_length);
}

}  // namespace thaw
