// What the supervisor knows of its ranks: when each was heard of last, and what it said. Times are seconds of one clock that
// the caller reads, so that all of this can be tried without waiting.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "framework/base/json.h"
#include "launcher/supervisor/messages.h"

namespace thaw {

struct RankSeen {
  std::optional<Hello> hello;  // nothing: it has not come yet
  Pulse pulse;
  bool connected = false;
  double heard_s = 0;  // when
  double gone_s = 0;   // when its connection ended
  std::optional<LastWords> last_words;
  double last_words_s = 0;
  double own_s = 0;   // its own work a step, without waiting for others: a running mean
  double wait_s = 0;  // what it waits a step
  int measured = 0;   // of so many pulses
  bool well_ended() const { return last_words && (last_words->exit_code == 0 || last_words->exit_code == 75); }
};

class World {
 public:
  World(int ranks, double now_s) : ranks_(static_cast<std::size_t>(ranks)), began_s_(now_s) {}

  void came(const Hello& hello, double now_s);
  void pulse(int rank, const Pulse& pulse, double now_s);
  void last_words(int rank, const LastWords& words, double now_s);
  void gone(int rank, double now_s);

  const std::vector<RankSeen>& ranks() const { return ranks_; }
  double began_s() const { return began_s_; }
  bool all_ended_well() const;
  double last_words_s() const;  // when the last of them came
  int came_so_far() const;
  std::int64_t step() const;                             // the furthest
  double first_step_s() const { return first_step_s_; }  // when a step was first heard of; 0: none was
  double median_own_s() const;
  std::string name(int rank) const;  // "rank 3 on node7 (pid 4711)"
  std::string at(int rank) const;    // "at step 120, in all_reduce number 99 since 2.0 s"
  Json as_json(double now_s) const;  // an object a rank, for the page

 private:
  RankSeen& seen(int rank) { return ranks_.at(static_cast<std::size_t>(rank)); }
  std::vector<RankSeen> ranks_;
  double began_s_, first_step_s_ = 0;
};

}  // namespace thaw
