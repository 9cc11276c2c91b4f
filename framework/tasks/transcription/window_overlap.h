// Two windows that share some seconds of a recording have said them twice: which of the two keeps what.
#pragma once

#include <vector>

#include "framework/tasks/transcription/transcript.h"

namespace thaw {

// Words before `cut` (s, by their middle) stay with `before`, those after it with `after`; so do segments without words. A segment
// that lost words has the tokens of those that stay, without timestamps; one that lost all is gone.
void settle_overlap(std::vector<Segment>& before, std::vector<Segment>& after, double cut);

}  // namespace thaw
