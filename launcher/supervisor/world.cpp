#include "launcher/supervisor/world.h"

#include <fmt/format.h>

#include <algorithm>

namespace thaw {

void World::came(const Hello& hello, double now_s) {
  RankSeen& rank = seen(hello.rank);
  rank.hello = hello;
  rank.hello->token.clear();
  rank.connected = true;
  rank.heard_s = now_s;
}

// Between two pulses a rank has taken some steps, worked, and waited in collectives.
void World::pulse(int number, const Pulse& pulse, double now_s) {
  RankSeen& rank = seen(number);
  const std::int64_t steps = pulse.step - rank.pulse.step;
  if (steps > 0 && rank.pulse.step > 0 && pulse.state == "training" && rank.pulse.state == "training") {
    ++rank.measured;
    const double wait = (pulse.waited_s - rank.pulse.waited_s) / static_cast<double>(steps);
    const double own = std::max(0.0, (now_s - rank.heard_s) / static_cast<double>(steps) - wait);
    const double keep = rank.measured == 1 ? 0 : 0.9;
    rank.own_s = keep * rank.own_s + (1 - keep) * own;
    rank.wait_s = keep * rank.wait_s + (1 - keep) * wait;
  }
  if (first_step_s_ == 0 && pulse.step > 0) first_step_s_ = now_s;
  rank.pulse = pulse;
  rank.heard_s = now_s;
}

void World::last_words(int number, const LastWords& words, double now_s) {
  RankSeen& rank = seen(number);
  rank.last_words = words;
  rank.last_words_s = rank.heard_s = now_s;
}

void World::gone(int number, double now_s) {
  RankSeen& rank = seen(number);
  rank.connected = false;
  rank.gone_s = now_s;
}

bool World::all_ended_well() const {
  return std::all_of(ranks_.begin(), ranks_.end(), [](const RankSeen& rank) { return rank.well_ended(); });
}

double World::last_words_s() const {
  double last = 0;
  for (const RankSeen& rank : ranks_) last = std::max(last, rank.last_words_s);
  return last;
}

int World::came_so_far() const {
  return static_cast<int>(std::count_if(ranks_.begin(), ranks_.end(), [](const RankSeen& rank) { return rank.hello.has_value(); }));
}

std::int64_t World::step() const {
  std::int64_t most = 0;
  for (const RankSeen& rank : ranks_) most = std::max(most, rank.pulse.step);
  return most;
}

double World::median_own_s() const {
  std::vector<double> all;
  for (const RankSeen& rank : ranks_)
    if (rank.own_s > 0) all.push_back(rank.own_s);
  if (all.empty()) return 0;
  const auto middle = all.begin() + static_cast<std::ptrdiff_t>((all.size() - 1) / 2);
  std::nth_element(all.begin(), middle, all.end());
  return *middle;
}

std::string World::name(int number) const {
  const RankSeen& rank = ranks_.at(static_cast<std::size_t>(number));
  if (!rank.hello) return fmt::format("rank {}", number);
  return fmt::format("rank {} on {} (pid {})", number, rank.hello->host, rank.hello->pid);
}

std::string World::at(int number) const {
  const Pulse& pulse = ranks_.at(static_cast<std::size_t>(number)).pulse;
  const std::string place =
      pulse.state == "training" ? fmt::format("at step {}", pulse.step) : fmt::format("{} at step {}", pulse.state, pulse.step);
  if (pulse.collective.empty()) return place;
  return place + fmt::format(", in {} number {} since {:.1f} s", pulse.collective, pulse.collectives, pulse.since_s);
}

Json World::as_json(double now_s) const {
  const double median = median_own_s();
  Json all = Json::array();
  for (std::size_t i = 0; i < ranks_.size(); ++i) {
    const RankSeen& rank = ranks_[i];
    const Pulse& pulse = rank.pulse;
    Json one{{"rank", i}, {"state", !rank.hello ? "awaited" : rank.last_words ? "ended" : !rank.connected ? "lost" : pulse.state}};
    if (rank.hello) {
      one["host"] = rank.hello->host;
      one["pid"] = rank.hello->pid;
      one["step"] = pulse.step;
      one["phase"] = pulse.phase;
      one["in"] =
          pulse.collective.empty() ? Json() : Json{{"name", pulse.collective}, {"sequence", pulse.collectives}, {"since_s", pulse.since_s}};
      one["memory_bytes"] = pulse.memory_bytes;
      one["step_s"] = rank.own_s + rank.wait_s;
      one["wait_s"] = rank.wait_s;
      one["slow"] = median > 0 && rank.own_s > 0 ? Json(rank.own_s / median) : Json();
      one["seen_s"] = now_s - rank.heard_s;
    }
    all.push_back(std::move(one));
  }
  return all;
}

}  // namespace thaw
