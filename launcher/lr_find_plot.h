// The picture of a learning-rate range test: smoothed loss against rate.
#pragma once

#include <string>

#include "framework/thaw/lr_range.h"

namespace thaw {

// An SVG of 760 by 460 points: rates on a logarithmic axis, the suggestions marked. The test has two steps or more.
std::string lr_find_svg(const std::string& title, const LrRangeTest& test);

}  // namespace thaw
