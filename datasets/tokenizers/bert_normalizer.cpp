// BertNormalizer: drop control characters, set ideographs apart by spaces, strip accents, lower the case.
// Each is a map of single characters, save that stripping first brings the text into NFD, which reorders marks. Marks that get
// stripped make no difference there, so the four run as one pass; only where a mark with a combining class stays, they run one
// after the other.
#include <array>
#include <cstdint>
#include <optional>

#include "datasets/tokenizers/normalizer.h"
#include "datasets/tokenizers/unicode.h"
#include "datasets/tokenizers/utf8.h"

namespace thaw {
namespace {

using namespace unicode;

class BertNormalizer : public NormalizerStep {
 public:
  explicit BertNormalizer(const BertNormalizerOptions& options);
  std::string apply(std::string_view text) const override;

 private:
  static constexpr char32_t cached_end = 0x3000;  // alphabets; ideographs and hangul are worked out as they come
  static constexpr std::uint8_t needs_order = 0xFF;
  struct Cached {
    std::uint32_t at;
    std::uint8_t bytes;
  };

  bool append(std::string& out, char32_t c) const;  // false where the order of marks matters
  std::string apply_in_turn(std::string_view text) const;

  BertNormalizerOptions options_;
  std::array<Cached, cached_end> cached_;
  std::string pool_;
};

BertNormalizer::BertNormalizer(const BertNormalizerOptions& options) : options_(options) {
  for (char32_t c = 0; c < cached_end; ++c) {
    const std::size_t at = pool_.size();
    const bool single = append(pool_, c);
    cached_[c] = {static_cast<std::uint32_t>(at), single ? static_cast<std::uint8_t>(pool_.size() - at) : needs_order};
  }
}

bool BertNormalizer::append(std::string& out, char32_t c) const {
  const std::uint8_t flag = flags(c);
  if (options_.clean_text) {
    if (c == 0 || (flag & control)) return true;
    if (flag & white_space) return out.push_back(' '), true;
  }
  const bool apart = options_.handle_chinese_chars && is_ideograph(c);
  if (apart) out.push_back(' ');
  if (options_.strip_accents && (flag & (decomposes | nonspacing_mark | reorders))) {
    for (const char32_t part : decompose(c)) {
      const std::uint8_t part_flag = flags(part);
      if (part_flag & nonspacing_mark) continue;
      if (part_flag & reorders) return false;
      options_.lowercase ? append_lower(out, part) : append_utf8(out, part);
    }
  } else {
    options_.lowercase ? append_lower(out, c) : append_utf8(out, c);
  }
  if (apart) out.push_back(' ');
  return true;
}

std::string BertNormalizer::apply(std::string_view text) const {
  std::string out;
  out.reserve(text.size() + 16);
  for (std::size_t i = 0; i < text.size();) {
    const char32_t c = next_code_point(text, i);
    if (c < cached_end) {
      const Cached cached = cached_[c];
      if (cached.bytes == 1) {
        out.push_back(pool_[cached.at]);
      } else {
        if (cached.bytes == needs_order) return apply_in_turn(text);
        out.append(pool_, cached.at, cached.bytes);
      }
    } else if (!append(out, c)) {
      return apply_in_turn(text);
    }
  }
  return out;
}

std::string BertNormalizer::apply_in_turn(std::string_view text) const {
  std::string cleaned;
  for (std::size_t i = 0; i < text.size();) {
    const char32_t c = next_code_point(text, i);
    const std::uint8_t flag = flags(c);
    if (options_.clean_text && (c == 0 || (flag & control))) continue;
    const bool apart = options_.handle_chinese_chars && is_ideograph(c);
    if (apart) cleaned.push_back(' ');
    append_utf8(cleaned, options_.clean_text && (flag & white_space) ? U' ' : c);
    if (apart) cleaned.push_back(' ');
  }
  if (options_.strip_accents) cleaned = normalize(cleaned, Form::nfd);
  std::string out;
  for (std::size_t i = 0; i < cleaned.size();) {
    const char32_t c = next_code_point(cleaned, i);
    if (options_.strip_accents && (flags(c) & nonspacing_mark)) continue;
    options_.lowercase ? append_lower(out, c) : append_utf8(out, c);
  }
  return out;
}

}  // namespace

std::unique_ptr<const NormalizerStep> make_bert_normalizer(const BertNormalizerOptions& options) {
  return std::make_unique<BertNormalizer>(options);
}

}  // namespace thaw
