// The `normalizer` of tokenizer.json: BertNormalizer, Lowercase, StripAccents, NFC, NFD, NFKC, NFKD, and a Sequence of them.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "framework/base/json.h"

namespace thaw {

class NormalizerStep {
 public:
  virtual ~NormalizerStep() = default;
  virtual std::string apply(std::string_view text) const = 0;  // valid UTF-8 in and out
};

class Normalizer {
 public:
  explicit Normalizer(const JsonView& settings);  // null: none. ModelError for what is not supported
  std::string apply(std::string_view text) const;

 private:
  void add(const JsonView& settings);
  std::vector<std::unique_ptr<const NormalizerStep>> steps_;
};

struct BertNormalizerOptions {
  bool clean_text, handle_chinese_chars, strip_accents, lowercase;
};
std::unique_ptr<const NormalizerStep> make_bert_normalizer(const BertNormalizerOptions& options);

// Where a "type" is not one of ours.
[[noreturn]] void fail_unsupported(const JsonView& type, std::string_view supported);

}  // namespace thaw
