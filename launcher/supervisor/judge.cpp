#include "launcher/supervisor/judge.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "framework/base/text.h"

namespace thaw {
namespace {

using Kind = Finding::Kind;

// Of each host: its ranks, and whether any of them can still be heard.
struct HostSeen {
  std::vector<int> ranks;
  bool heard = false;
};

bool connection_lost(const RankSeen& rank, double now_s, const JudgeTimes& times) {
  return rank.hello && !rank.connected && !rank.last_words && now_s - rank.gone_s > times.reconnect_s;
}

bool silent(const RankSeen& rank, double now_s, const JudgeTimes& times) {
  return rank.connected && !rank.last_words && now_s - rank.heard_s > times.silent_s;
}

std::map<std::string, HostSeen> by_host(const World& world, double now_s, const JudgeTimes& times) {
  std::map<std::string, HostSeen> hosts;
  for (std::size_t i = 0; i < world.ranks().size(); ++i) {
    const RankSeen& rank = world.ranks()[i];
    if (!rank.hello) continue;
    HostSeen& host = hosts[rank.hello->host];
    host.ranks.push_back(static_cast<int>(i));
    host.heard = host.heard || (rank.connected && !silent(rank, now_s, times)) || rank.last_words;
  }
  return hosts;
}

std::string numbers(const std::vector<int>& ranks) {
  std::vector<std::string> texts;
  for (const int rank : ranks) texts.push_back(std::to_string(rank));
  return (ranks.size() == 1 ? "rank " : "ranks ") + listed(texts);
}

bool seen_stopped(const World& world, int rank) {
  return std::any_of(world.ranks().begin(), world.ranks().end(), [&](const RankSeen& other) {
    return std::find(other.pulse.stopped.begin(), other.pulse.stopped.end(), rank) != other.pulse.stopped.end();
  });
}

void find_failed(const World& world, double, const JudgeTimes&, std::vector<Finding>& found) {
  for (std::size_t i = 0; i < world.ranks().size(); ++i) {
    const RankSeen& rank = world.ranks()[i];
    if (!rank.last_words || rank.well_ended()) continue;
    found.push_back({Kind::failed,
                     static_cast<int>(i),
                     {},
                     fmt::format("{} failed: {}", world.name(static_cast<int>(i)), rank.last_words->message),
                     true});
  }
  // Their own error comes before what others say of a lost rank (69), then the earliest.
  std::stable_sort(found.begin(), found.end(), [&](const Finding& a, const Finding& b) {
    const auto key = [&](const Finding& f) {
      const RankSeen& rank = world.ranks()[static_cast<std::size_t>(f.rank)];
      return std::pair(rank.last_words->exit_code == 69, rank.last_words_s);
    };
    return key(a) < key(b);
  });
}

void find_lost(const World& world, double now_s, const JudgeTimes& times, std::vector<Finding>& found) {
  for (const auto& [name, host] : by_host(world, now_s, times)) {
    std::vector<int> away;
    bool any_silent = false;
    for (const int i : host.ranks) {
      const RankSeen& rank = world.ranks()[static_cast<std::size_t>(i)];
      any_silent = any_silent || silent(rank, now_s, times);
      if (connection_lost(rank, now_s, times) || silent(rank, now_s, times)) away.push_back(i);
    }
    if (away.empty()) continue;
    if (!host.heard && any_silent && away.size() > 1) {
      const RankSeen& first = world.ranks()[static_cast<std::size_t>(away.front())];
      found.push_back({Kind::silent,
                       away.front(),
                       {name},
                       fmt::format("{} is cut off: nothing was heard of its {} for {:.1f} s, last {}", name, numbers(away),
                                   now_s - first.heard_s, world.at(away.front())),
                       true});
      continue;
    }
    for (const int i : away) {
      const RankSeen& rank = world.ranks()[static_cast<std::size_t>(i)];
      const std::vector<std::string> gone_host = host.heard ? std::vector<std::string>{} : std::vector<std::string>{name};
      if (connection_lost(rank, now_s, times))
        found.push_back({Kind::lost, i, gone_host,
                         fmt::format("{} has died: its connection ended {:.1f} s ago, {}; it held {:.2f} GiB", world.name(i),
                                     now_s - rank.gone_s, world.at(i), static_cast<double>(rank.pulse.memory_bytes) / 1073741824.0),
                         true});
      else
        found.push_back({Kind::silent, i, gone_host,
                         fmt::format("{} {}: silent for {:.1f} s, last {}", world.name(i),
                                     host.heard || seen_stopped(world, i) ? "is stopped" : "is stopped, or its host cut off",
                                     now_s - rank.heard_s, world.at(i)),
                         true});
    }
  }
}

void find_absent(const World& world, double now_s, const JudgeTimes& times, std::vector<Finding>& found) {
  if (now_s - world.began_s() < times.start_s) return;
  std::vector<int> absent;
  for (std::size_t i = 0; i < world.ranks().size(); ++i)
    if (!world.ranks()[i].hello) absent.push_back(static_cast<int>(i));
  if (absent.empty()) return;
  found.push_back({Kind::absent,
                   absent.front(),
                   {},
                   fmt::format("{} of {} did not come within {:.0f} s: is the supervisor's host reachable from theirs?", numbers(absent),
                               world.ranks().size(), times.start_s),
                   true});
}

// Some wait in a collective; the others, who are behind or elsewhere, are who they wait for.
void find_stuck(const World& world, double now_s, const JudgeTimes& times, std::vector<Finding>& found) {
  std::vector<int> waiting, awaited;
  std::uint64_t number = 0;
  double longest_s = 0;
  std::string collective;
  for (std::size_t i = 0; i < world.ranks().size(); ++i) {
    const RankSeen& rank = world.ranks()[i];
    if (!rank.connected) return;  // whoever waits, waits for it
    const double since_s = rank.pulse.since_s + (now_s - rank.heard_s);
    if (rank.pulse.collective.empty() || rank.pulse.since_s < times.waiting_s) continue;
    waiting.push_back(static_cast<int>(i));
    number = std::max(number, rank.pulse.collectives);
    if (since_s > longest_s) {
      longest_s = since_s;
      collective = fmt::format("{} number {} ({} bytes)", rank.pulse.collective, rank.pulse.collectives, rank.pulse.bytes);
    }
  }
  if (waiting.empty()) return;
  for (std::size_t i = 0; i < world.ranks().size(); ++i) {
    const Pulse& pulse = world.ranks()[i].pulse;
    if (pulse.collectives < number || pulse.collective.empty()) awaited.push_back(static_cast<int>(i));
  }
  const bool all = awaited.empty();
  std::string whom = all ? "all of them are in it: is a link between hosts down?" : "";
  if (!all) {
    const RankSeen& first = world.ranks()[static_cast<std::size_t>(awaited.front())];
    whom = fmt::format("for {}{}, {}{}", world.name(awaited.front()),
                       awaited.size() > 1 ? fmt::format(" and {} more", awaited.size() - 1) : "", world.at(awaited.front()),
                       first.pulse.process == 'D' ? ", in a read or write that does not return" : "");
  }
  found.push_back(
      {Kind::stuck,
       all ? waiting.front() : awaited.front(),
       {},
       fmt::format("{} wait{} in {} since {:.1f} s: {}", numbers(waiting), waiting.size() == 1 ? "s" : "", collective, longest_s, whom),
       longest_s > times.stall_s});
}

void find_slow(const World& world, double, const JudgeTimes& times, std::vector<Finding>& found) {
  const double median = world.median_own_s();
  for (std::size_t i = 0; i < world.ranks().size(); ++i) {
    const RankSeen& rank = world.ranks()[i];
    if (rank.measured < times.slow_pulses || rank.own_s - median < times.slow_least_s || rank.own_s < times.slow_factor * median) continue;
    found.push_back(
        {Kind::slow,
         static_cast<int>(i),
         {},
         fmt::format("{} is slow: its own work takes {:.3f} s a step, {:.1f} times the median of {:.3f} s; the others wait for it",
                     world.name(static_cast<int>(i)), rank.own_s, rank.own_s / median, median),
         false});
  }
}

}  // namespace

const char* name_of(Kind kind) {
  switch (kind) {
    case Kind::failed: return "failed";
    case Kind::lost: return "lost";
    case Kind::silent: return "silent";
    case Kind::absent: return "absent";
    case Kind::stuck: return "stuck";
    case Kind::slow: return "slow";
  }
  return "";
}

std::vector<Finding> judge(const World& world, double now_s, const JudgeTimes& times) {
  std::vector<Finding> found;
  for (auto* const look : {find_failed, find_lost, find_absent, find_stuck, find_slow}) look(world, now_s, times, found);
  return found;
}

}  // namespace thaw
