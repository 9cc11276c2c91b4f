#include "launcher/supervisor/decision.h"

#include <fmt/format.h>

#include "framework/base/error.h"

namespace thaw {
namespace {

// The same input would fail in the same way again.
bool final(int exit_code) {
  for (const ExitCode code : {ExitCode::usage, ExitCode::bad_data, ExitCode::input_missing, ExitCode::cannot_write})
    if (exit_code == static_cast<int>(code)) return true;
  return false;
}

// What the program itself ends with where ranks were lost: mpirun's codes, 137 or 1, say less.
int our_code(int exit_code) {
  const bool ours = exit_code >= static_cast<int>(ExitCode::usage) && exit_code <= static_cast<int>(ExitCode::requeue);
  return ours ? exit_code : static_cast<int>(ExitCode::peer_lost);
}

}  // namespace

Decision decide(const AttemptEnd& end, const Restarts& restarts, bool asked_to_stop) {
  if (end.exit_code == 0) return {false, 0, "finished"};
  if (end.exit_code == static_cast<int>(ExitCode::requeue) && end.all_ended_well)
    return {false, end.exit_code, "stopped with a checkpoint saved"};
  const int code = our_code(end.exit_code);
  if (final(end.exit_code)) return {false, code, "another attempt would end the same way"};
  if (asked_to_stop) return {false, code, "it was to stop"};
  if (restarts.done >= restarts.max)
    return {false, code,
            restarts.max == 0 ? "no restarts are allowed (--max-restarts)"
                              : fmt::format("it was restarted {} times (--max-restarts)", restarts.done)};
  if (restarts.without_a_step >= 2) return {false, code, "two attempts in a row ended before their first step"};
  if (slots_of(end.left) < restarts.min_ranks)
    return {
        false, code,
        fmt::format("the hosts that are left have room for {} ranks, fewer than --min-ranks {}", slots_of(end.left), restarts.min_ranks)};
  return {true, 0, end.cause};
}

}  // namespace thaw
