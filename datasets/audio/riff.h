// What a WAV header says of itself that cannot be true; libsndfile reads on over it.
#pragma once

#include "datasets/audio/audio.h"

namespace thaw::audio {

// For bytes that start with RIFF or RF64 and WAVE. An AudioError where the format chunk contradicts itself (for PCM: bytes a
// second and a frame against rate, channels and bits), or where the data chunk promises more bytes than follow. The sizes that
// programs write before they know one (0 and what is near 2^31 or 2^32) promise nothing.
void check_riff(AudioBytes wav);

}  // namespace thaw::audio
