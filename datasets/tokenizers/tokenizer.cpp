#include "datasets/tokenizers/tokenizer.h"

#include <algorithm>

#include "datasets/tokenizers/model_tokenizer.h"
#include "datasets/tokenizers/utf8.h"
#include "framework/base/hash.h"

namespace thaw {
namespace {

constexpr std::size_t no_limit = ~std::size_t{0};

// Keys are sorted in the dump, so that it depends on the meaning of the file alone, not on its order and spaces.
std::string fingerprint_of(const JsonView& settings) {
  Hasher hasher;
  for (const char* key : {"added_tokens", "model", "normalizer", "post_processor", "pre_tokenizer"}) {
    hasher.update(part_of(settings, key).raw().dump()).update("\n");
  }
  return hasher.hex();
}

}  // namespace

// What is left out stands for nothing: null.
JsonView part_of(const JsonView& settings, std::string_view key) {
  static const Json null;
  return settings.has(key) ? settings[key] : JsonView(null, settings.where() + ": " + std::string(key));
}

Tokenizer::~Tokenizer() = default;

std::string Tokenizer::decode(std::span<const std::uint32_t> ids, bool skip_special_tokens) const {
  std::string bytes = decode_bytes(ids, skip_special_tokens);
  return is_utf8(bytes) ? bytes : repair_utf8(bytes);
}

ModelTokenizer::ModelTokenizer(const JsonView& settings, std::unique_ptr<const TokenModel> model)
    : Tokenizer(fingerprint_of(settings)),
      model_(std::move(model)),
      normalizer_(part_of(settings, "normalizer")),
      added_tokens_(part_of(settings, "added_tokens"), model_->vocabulary(), normalizer_),
      template_(part_of(settings, "post_processor"), [this](std::uint32_t id) { return knows(id); }) {}

bool ModelTokenizer::knows(std::uint32_t id) const { return model_->vocabulary().has(id) || added_tokens_.content(id) != nullptr; }

std::size_t ModelTokenizer::vocabulary_size() const {
  const auto end = [](const std::vector<std::uint32_t>& ids) { return ids.empty() ? std::size_t{0} : ids.back() + std::size_t{1}; };
  return std::max(end(model_->vocabulary().ids()), end(added_tokens_.new_ids()));
}

std::optional<std::uint32_t> ModelTokenizer::token_id(std::string_view token) const {
  const auto added = added_tokens_.find(token);
  return added ? added : model_->vocabulary().find(token);
}

std::vector<std::uint32_t> ModelTokenizer::encode_text(std::string_view text, std::size_t enough) const {
  std::string repaired;
  if (!is_utf8(text)) text = repaired = repair_utf8(text);
  std::vector<std::uint32_t> ids;
  ids.reserve(std::min(text.size() / 4 + 8, std::size_t{4096}));
  std::vector<AddedTokens::Piece> raw_pieces, pieces;
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
      model_->encode(piece.text, enough, ids);
    }
  }
  return ids;
}

Encoding ModelTokenizer::encode(std::string_view text, std::optional<std::string_view> pair, std::size_t max_length) const {
  // How a pair is cut depends on both whole lengths; a single text can stop at the first id too many.
  std::vector<std::uint32_t> first = encode_text(text, max_length > 0 && !pair ? max_length : no_limit);
  std::optional<std::vector<std::uint32_t>> second;
  if (pair) second = encode_text(*pair, no_limit);
  return template_.assemble(std::move(first), std::move(second), max_length);
}

std::vector<std::uint32_t> ModelTokenizer::encode_plain(std::string_view text) const { return encode_text(text, no_limit); }

std::string ModelTokenizer::decode_bytes(std::span<const std::uint32_t> ids, bool skip_special_tokens) const {
  std::vector<std::string_view> tokens;
  tokens.reserve(ids.size());
  for (const std::uint32_t id : ids) {
    if (const AddedTokens::Content* added = added_tokens_.content(id)) {
      if (!(skip_special_tokens && added->special)) tokens.emplace_back(added->text);
    } else if (const std::string* entry = model_->vocabulary().text(id)) {
      tokens.emplace_back(*entry);
    }
  }
  return model_->decode(tokens);
}

}  // namespace thaw
