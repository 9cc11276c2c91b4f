// Slurm's way of writing a time limit.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace thaw {

// Seconds of "90" (minutes), "90:30", "4:00:00", "2-12", "2-12:30" or "2-12:30:00"; nothing where it is another word
// (UNLIMITED), which is sbatch's to judge.
std::optional<std::int64_t> time_limit_s(const std::string& text);

}  // namespace thaw
