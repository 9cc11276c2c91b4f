// preprocessor_config.json of every kind of feature extractor; one that is accepted builds its features, or is refused again.
#include "datasets/audio/fbank.h"
#include "datasets/audio/log_mel.h"
#include "datasets/audio/normalize.h"
#include "tests/fuzz/fuzz.h"

using namespace thaw;
using namespace thaw::audio;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::folder().put("preprocessor_config.json", fuzz::text_of(data, size));
  const auto& path = fuzz::folder().path();
  const std::vector<float> samples(500, 0.1f);
  fuzz::accepts([&] { LogMel(LogMelConfig::read(path))(samples, LogMel::Length::actual); });
  fuzz::accepts([&] { Fbank(FbankConfig::read(path))(samples); });
  fuzz::accepts([&] { WaveformConfig::read(path); });
  return 0;
}
