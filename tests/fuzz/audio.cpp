// A recording in memory: its header, the whole of it, a part, and what features make of it.
#include "datasets/audio/audio.h"

#include <cmath>

#include "datasets/audio/log_mel.h"
#include "tests/fuzz/fuzz.h"

using namespace thaw;
using namespace thaw::audio;

// libsndfile 1.2.0 leaks what it had set up of an OGG whose headers turn out to be damaged.
extern "C" const char* __lsan_default_suppressions() { return "leak:vorbis_\nleak:ogg_\nleak:opus_\n"; }

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const AudioBytes encoded{"input", {reinterpret_cast<const std::byte*>(data), size}};
  fuzz::accepts([&] { inspect_audio(encoded); });
  ReadOptions options;
  options.max_s = 20;  // few bytes of FLAC can be hours of silence
  fuzz::accepts([&] {
    const Audio audio = read_audio(encoded, options);
    fuzz::require(!audio.samples.empty() && audio.seconds() < 21 && audio.clipped_share <= 1);
    for (const float sample : audio.samples) fuzz::require(std::isfinite(sample));
    find_fault(audio);
    static const LogMel log_mel;
    fuzz::require(log_mel(audio.samples, LogMel::Length::actual).frames == static_cast<std::int64_t>(audio.samples.size()) / 160);
  });
  options.begin_s = 0.01;
  options.end_s = 0.3;
  fuzz::accepts([&] { fuzz::require(read_audio(encoded, options).seconds() <= 0.3); });
  return 0;
}
