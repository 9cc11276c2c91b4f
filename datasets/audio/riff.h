// What a WAV header says of itself that cannot be true; libsndfile reads on over it.
#pragma once

#include "datasets/audio/audio.h"

namespace thaw::audio {

// For bytes that start with RIFF or RF64 and WAVE. An AudioError where the format chunk contradicts itself (for PCM: bytes a
// second and a frame against rate, channels and bits), where the data chunk promises more bytes than follow, or, of RIFF, where
// it promises fewer: what stands behind it is no chunk, no tag, and neither zeros nor little. The sizes that programs write before
// they know one (0 and what is near 2^31 or 2^32) promise nothing; RIFF's own size is never believed.
void check_riff(AudioBytes wav);

}  // namespace thaw::audio
