#include "framework/tasks/transcription/whisper_language.h"

#include <algorithm>

#include "framework/base/error.h"
#include "framework/base/nearest.h"

namespace thaw {

std::vector<LanguageGuess> detect_language(SpeechDecoder& decoder, const WhisperVocabulary& vocabulary,
                                           const std::vector<std::int64_t>& windows) {
  if (vocabulary.languages.empty())
    throw ModelError("language detection: this model knows English alone; name no language, or take a multilingual model");
  const at::NoGradGuard no_gradients;
  TokenIds ids;
  for (const auto& [code, id] : vocabulary.languages) ids.push_back(id);
  const auto rows = static_cast<std::int64_t>(windows.size());
  decoder.begin(windows);
  const at::Tensor logits = decoder.step(at::full({rows, 1}, vocabulary.sot, at::kLong));
  const at::Tensor probabilities =
      at::softmax(logits.index_select(1, at::tensor(ids, at::kLong).to(logits.device())), 1, at::kFloat).cpu().contiguous();
  std::vector<LanguageGuess> guesses;
  for (std::int64_t row = 0; row < rows; ++row) {
    const float* const first = probabilities[row].data_ptr<float>();
    const auto best = static_cast<std::size_t>(std::max_element(first, first + ids.size()) - first);
    guesses.push_back({vocabulary.languages[best].first, std::vector<double>(first, first + ids.size())});
  }
  return guesses;
}

TokenIds start_of_transcript(const WhisperVocabulary& vocabulary, const std::string& language, bool translate) {
  if (vocabulary.languages.empty()) {
    if (translate || (language != "en" && !language.empty())) {
      throw UsageError("this model transcribes English alone, and was asked for {}; take a multilingual model",
                       translate ? std::string("a translation") : "language " + language);
    }
    return {vocabulary.sot};
  }
  std::vector<std::string> codes;
  for (const auto& [code, id] : vocabulary.languages) {
    if (code == language) return {vocabulary.sot, id, translate ? vocabulary.translate : vocabulary.transcribe};
    codes.push_back(code);
  }
  throw UsageError("language {}: this model does not know it; nearest is {}", language, nearest_of(codes, language));
}

}  // namespace thaw
