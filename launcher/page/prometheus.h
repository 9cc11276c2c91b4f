// A run's view (run_view.h) as Prometheus reads it: the text format 0.0.4, names as its documentation asks for them.
#pragma once

#include <string>

#include "framework/base/json.h"

namespace thaw {

inline constexpr const char* prometheus_content_type = "text/plain; version=0.0.4; charset=utf-8";

std::string prometheus_text(const Json& view);

}  // namespace thaw
