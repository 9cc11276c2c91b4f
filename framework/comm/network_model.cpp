#include "framework/comm/network_model.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "framework/base/error.h"

namespace thaw {
namespace {

struct Named {
  AllReduce algorithm;
  std::string_view name;
  std::string_view number;  // in libnbc; "" where it has none
};
constexpr std::array algorithms{Named{AllReduce::binomial, "binomial", "2"},
                                Named{AllReduce::recursive_doubling, "recursive_doubling", "4"}, Named{AllReduce::ring, "ring", "1"},
                                Named{AllReduce::rabenseifner, "rabenseifner", "3"}, Named{AllReduce::two_level, "two_level", ""}};

struct Preset {
  std::string_view name;
  double alpha_s, bytes_per_s;
};
// Latency of a short message as MPI's ranks see it, and 94 to 97 % of the nominal rate: what headers leave.
constexpr std::array presets{Preset{"1gbit", 40e-6, 0.117e9}, Preset{"10gbit", 25e-6, 1.17e9}, Preset{"25gbit", 15e-6, 2.9e9},
                             Preset{"100gbit", 8e-6, 11.6e9}, Preset{"hdr100", 1.5e-6, 12e9},  Preset{"hdr200", 1.3e-6, 24e9},
                             Preset{"ndr400", 1.2e-6, 48e9}};
constexpr LinkCost shared_memory{0.6e-6, 1 / 6e9};
constexpr double usual_reduce = 1 / 5e9;

int rounds_of(int ranks) { return std::bit_width(static_cast<unsigned>(ranks - 1)); }  // log2, rounded up

// The costs of the rounds that an algorithm is made of.
struct Rounds {
  const NetworkModel& network;
  Layout layout;

  // Whether ranks that lie `distance` apart (a power of two, pairs aligned to it) are on different nodes, some of them.
  bool crosses(int distance) const { return layout.nodes() > 1 && layout.ranks_per_node % (2 * distance) != 0; }
  // One message of a node at a time.
  double lone(int distance, double bytes) const { return (crosses(distance) ? network.between : network.within).message_s(bytes); }
  // Every rank sends, or `senders` of them: those of a node share its link.
  double shared(int distance, double bytes, int senders = std::numeric_limits<int>::max()) const {
    if (!crosses(distance)) return network.within.message_s(bytes);
    return network.between.message_s(bytes * std::min({layout.ranks_per_node, distance, senders}));
  }
  double add(double bytes) const { return bytes * network.reduce_s_per_byte; }
};

// Up: whole sums, from 2^i to 0, 2^i apart. Down: the same, but the near ranks first, so that later all ranks of a node send at once.
double binomial(const Rounds& rounds, double bytes) {
  const int ranks = rounds.layout.ranks;
  double seconds = 0;
  for (int distance = 1; distance < ranks; distance *= 2)
    seconds += rounds.lone(distance, bytes) + rounds.add(bytes) + rounds.shared(distance, bytes, ranks - distance);
  return seconds;
}

// Where the ranks are no power of two, some give theirs to their neighbours before, and get the sum after.
bool uneven(int ranks) { return !std::has_single_bit(static_cast<unsigned>(ranks)); }
int even_rounds(int ranks) { return std::bit_width(static_cast<unsigned>(ranks)) - 1; }

// Pairs of those that are left, who lie up to twice as far apart, and no longer in line with the nodes.
double exchange(const Rounds& rounds, int distance, double bytes) {
  const Layout& layout = rounds.layout;
  if (!uneven(layout.ranks)) return rounds.shared(distance, bytes);
  if (layout.nodes() == 1) return rounds.network.within.message_s(bytes);
  return rounds.network.between.message_s(bytes * std::min(layout.ranks_per_node, 2 * distance));
}

double recursive_doubling(const Rounds& rounds, double bytes) {
  double seconds = 0;
  for (int i = 0; i < even_rounds(rounds.layout.ranks); ++i) seconds += exchange(rounds, 1 << i, bytes) + rounds.add(bytes);
  if (uneven(rounds.layout.ranks)) seconds += 2 * rounds.lone(1, bytes) + rounds.add(bytes);
  return seconds;
}

double ring(const Rounds& rounds, double bytes) {
  const int ranks = rounds.layout.ranks;
  const double part = bytes / ranks;
  const LinkCost& link = rounds.layout.nodes() > 1 ? rounds.network.between : rounds.network.within;
  return (ranks - 1) * (2 * link.message_s(part) + rounds.add(part));
}

double rabenseifner(const Rounds& rounds, double bytes) {
  double seconds = 0, part = bytes / 2;
  for (int i = 0; i < even_rounds(rounds.layout.ranks); ++i, part /= 2) seconds += 2 * exchange(rounds, 1 << i, part) + rounds.add(part);
  if (uneven(rounds.layout.ranks)) seconds += 2 * rounds.lone(1, bytes / 2) + rounds.add(bytes / 2) + rounds.lone(1, bytes);
  return seconds;
}

double two_level(const Rounds& rounds, double bytes) {
  const NetworkModel& network = rounds.network;
  const Layout nodes{rounds.layout.nodes(), 1};
  // Every rank writes its terms where the others see them, adds a share of each, and reads the sum.
  const double node = rounds.layout.ranks_per_node > 1 ? 2 * network.within.message_s(bytes) + rounds.add(bytes) : 0;
  return node + (nodes.ranks > 1 ? rabenseifner({network, nodes}, bytes) : 0);
}

}  // namespace

std::string_view name_of(AllReduce algorithm) {
  return std::find_if(algorithms.begin(), algorithms.end(), [&](const Named& each) { return each.algorithm == algorithm; })->name;
}

AllReduce all_reduce_named(std::string_view name) {
  std::vector<std::string_view> names;
  for (const Named& each : algorithms) {
    if (each.name == name) return each.algorithm;
    names.push_back(each.name);
  }
  throw UsageError("expected an all-reduce of {}, found '{}'", fmt::join(names, ", "), name);
}

AllReduce all_reduce_of_open_mpi(const char* setting) {
  for (const Named& each : algorithms)
    if (setting != nullptr && !each.number.empty() && (each.number == setting || each.name == setting)) return each.algorithm;
  return AllReduce::binomial;
}

double all_reduce_s(const NetworkModel& network, Layout layout, AllReduce algorithm, double bytes) {
  if (layout.ranks <= 1) return 0;
  const Rounds rounds{network, layout};
  switch (algorithm) {
    case AllReduce::binomial: return binomial(rounds, bytes);
    case AllReduce::recursive_doubling: return recursive_doubling(rounds, bytes);
    case AllReduce::ring: return ring(rounds, bytes);
    case AllReduce::rabenseifner: return rabenseifner(rounds, bytes);
    case AllReduce::two_level: return two_level(rounds, bytes);
  }
  return 0;
}

double all_gather_s(const NetworkModel& network, Layout layout, double bytes) {
  if (layout.ranks <= 1) return 0;
  const LinkCost& link = layout.nodes() > 1 ? network.between : network.within;
  // Bruck's: in round i from the rank 2^i further on, so of a node min(2^i, its ranks) cross; all that is there already is sent.
  double bruck = 0;
  for (int i = 0; i < rounds_of(layout.ranks); ++i) {
    const int sharing = layout.nodes() > 1 ? std::min(1 << i, layout.ranks_per_node) : 1;
    bruck += link.message_s(bytes * sharing * std::min(1 << i, layout.ranks - (1 << i)));
  }
  return std::min(bruck, (layout.ranks - 1) * link.message_s(bytes));
}

NetworkModel network_of(const std::string& name_or_file) {
  std::vector<std::string_view> names;
  for (const Preset& preset : presets) {
    names.push_back(preset.name);
    if (preset.name == name_or_file) return {name_or_file, shared_memory, {preset.alpha_s, 1 / preset.bytes_per_s}, usual_reduce};
  }
  if (!std::filesystem::exists(name_or_file))
    throw UsageError(ExitCode::input_missing,
                     fmt::format("{}: neither a file that `thaw doctor --save` wrote nor one of {}", name_or_file, fmt::join(names, ", ")));
  const JsonFile file(name_or_file);
  const auto link = [](const JsonView& view) {
    const LinkCost cost{view["alpha_s"].number(), view["beta_s_per_byte"].number()};
    if (!(cost.alpha_s >= 0) || !(cost.beta_s_per_byte >= 0) || !std::isfinite(cost.alpha_s + cost.beta_s_per_byte))
      view.fail("latency and seconds a byte that are not negative");
    return cost;
  };
  const JsonView view = file.view();
  return {name_or_file, view.has("within") ? link(view["within"]) : shared_memory, link(view["between"]),
          view.number_or("reduce_s_per_byte", usual_reduce)};
}

Json network_json(const NetworkModel& network) {
  const auto link = [](const LinkCost& cost) { return Json{{"alpha_s", cost.alpha_s}, {"beta_s_per_byte", cost.beta_s_per_byte}}; };
  return {{"within", link(network.within)}, {"between", link(network.between)}, {"reduce_s_per_byte", network.reduce_s_per_byte}};
}

}  // namespace thaw
