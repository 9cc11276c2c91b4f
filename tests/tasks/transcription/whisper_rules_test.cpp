// Whisper's decoding rules: the same masks as openai-whisper's logit filters and transformers' processors.
#include "framework/tasks/transcription/whisper_rules.h"

#include <gtest/gtest.h>

#include "framework/base/error.h"
#include "tests/support/reference.h"
#include "tests/tasks/transcription/fake_whisper.h"

namespace thaw {
namespace {

const Json& expected_rules() {
  static const Json read = test::reference("tasks/transcription/whisper_rules_reference.py");
  return read;
}

WhisperVocabulary rule_vocabulary() {
  WhisperVocabulary v;
  v.eot = expected_rules()["eot"];
  v.no_timestamps = expected_rules()["no_timestamps"];
  v.first_timestamp = expected_rules()["first_timestamp"];
  v.blank = expected_rules()["blank"].get<TokenIds>();
  return v;
}

WhisperRuleOptions rule_options(const Json& c) {
  WhisperRuleOptions options;
  options.suppress = expected_rules()["suppress"].get<TokenIds>();
  options.timestamps = c["timestamps"];
  if (!c["limit"].is_null()) options.max_initial_timestamp = c["limit"].get<std::int64_t>();
  return options;
}

at::Tensor logits_of(const Json& c) {
  const std::int64_t size = expected_rules()["size"], first_timestamp = expected_rules()["first_timestamp"];
  at::Tensor logits = at::empty({size});
  for (std::int64_t i = 0; i < size; ++i) logits[i] = static_cast<float>(test::noise(c["seed"], i) * 8);
  logits.slice(0, first_timestamp).add_(c["lift"].get<double>());
  return logits;
}

std::string mask_of(const at::Tensor& logits) {
  std::string hex;
  unsigned nibble = 0;
  const std::int64_t size = logits.size(0), shift = (4 - size % 4) % 4;
  for (std::int64_t i = 0; i < size; ++i) {
    nibble = nibble << 1 | static_cast<unsigned>(at::isneginf(logits[i]).item<bool>());
    if ((i + shift) % 4 != 3) continue;
    if (nibble != 0 || !hex.empty()) hex += fmt::format("{:x}", nibble);
    nibble = 0;
  }
  return hex;
}

TEST(WhisperRules, MasksAsOpenAiAndTransformers) {
  THAW_NEEDS_PYTHON();
  for (const Json& c : expected_rules()["cases"]) {
    at::Tensor logits = logits_of(c).unsqueeze(0);
    WhisperRules(rule_vocabulary(), rule_options(c), logits.size(1)).apply(logits, {c["tokens"].get<TokenIds>()});
    ASSERT_EQ(mask_of(logits[0]), c["openai"]) << c.dump();
    ASSERT_EQ(mask_of(logits[0]), c["transformers"]) << c.dump();
  }
}

// Rows of a batch do not see each other.
TEST(WhisperRules, RowsAreMaskedAlone) {
  THAW_NEEDS_PYTHON();
  std::vector<at::Tensor> rows;
  std::vector<TokenIds> sampled;
  std::vector<std::string> masks;
  const Json& cases = expected_rules()["cases"];
  for (const Json& c : cases) {
    if (c["tokens"].empty() || !c["timestamps"]) continue;
    rows.push_back(logits_of(c));
    sampled.push_back(c["tokens"].get<TokenIds>());
    masks.push_back(c["openai"]);
    if (rows.size() == 64) break;
  }
  at::Tensor logits = at::stack(rows);
  WhisperRuleOptions options = rule_options(cases[0]);
  options.timestamps = true;
  WhisperRules(rule_vocabulary(), options, logits.size(1)).apply(logits, sampled);
  for (std::size_t i = 0; i < rows.size(); ++i) EXPECT_EQ(mask_of(logits[static_cast<std::int64_t>(i)]), masks[i]);
}

TEST(WhisperRules, RefuseAnotherModelsTokens) {
  WhisperVocabulary v;
  v.eot = 4;
  v.no_timestamps = 8;
  v.first_timestamp = 9;
  EXPECT_THROW(WhisperRules(v, {}, 9), ModelError);
  EXPECT_NO_THROW(WhisperRules(v, {}, 10));
  WhisperRuleOptions options;
  options.suppress = {10};
  EXPECT_THROW(WhisperRules(v, options, 10), ModelError);
}

}  // namespace
}  // namespace thaw
