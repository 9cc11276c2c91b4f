// OpenAI's Whisper, where somebody has put it: $THAW_WHISPER or build/models/whisper, with tiny.en/tiny.en.pt and tiny.en/model.bin
// (CTranslate2), base/model.bin, and each one's tokenizer.json. Tests that want it are skipped where it is not there.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

namespace thaw::test {

inline std::filesystem::path whisper_weights(const std::string& file) {
  const char* const given = std::getenv("THAW_WHISPER");
  return std::filesystem::path(given != nullptr ? given : THAW_SOURCE_DIR "/build/models/whisper") / file;
}

}  // namespace thaw::test

#define THAW_NEEDS_WHISPER(file)                                   \
  if (!std::filesystem::exists(thaw::test::whisper_weights(file))) \
  GTEST_SKIP() << thaw::test::whisper_weights(file) << " is not there (see tests/support/whisper_weights.h)"
