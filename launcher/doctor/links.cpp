#include "launcher/doctor/links.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>

#include "framework/base/clock.h"
#include "framework/base/json.h"
#include "framework/base/statistics.h"

namespace thaw::doctor {
namespace {

constexpr int tag = 4711;
constexpr std::size_t least_bytes = std::size_t{64} << 10, most_bytes = std::size_t{8} << 20;
constexpr double transfer_s = 0.03;  // long enough to be past a slow start, short enough for many pairs

// Two ranks, of which one leads: both run the same messages in the same order.
struct Pair {
  Communicator& comm;
  int peer;
  bool leads;
  std::vector<char> buffer = std::vector<char>(most_bytes);

  void send(const void* data, std::size_t bytes) { comm.send(data, bytes, peer, tag); }
  void receive(void* data, std::size_t bytes) { comm.receive(data, bytes, peer, tag); }

  double round_trip_s() {
    std::vector<double> times;
    for (int i = 0; i < 16; ++i) {
      double value = 0;
      const auto start = Clock::now();
      if (leads) send(&value, sizeof value);
      receive(&value, sizeof value);
      if (!leads) send(&value, sizeof value);
      if (i > 0) times.push_back(seconds_since(start));  // the first one may open the connection
    }
    // A quarter of them are faster: what else runs on a machine makes some late.
    std::nth_element(times.begin(), times.begin() + static_cast<std::ptrdiff_t>(times.size() / 4), times.end());
    return times[times.size() / 4];
  }
  // Until the other one has said that all is there. Both know the seconds afterwards.
  double transfer(std::size_t bytes, bool from_leader) {
    double seconds = 0;
    char done = 0;
    if (leads == from_leader) {
      const auto start = Clock::now();
      send(buffer.data(), bytes);
      receive(&done, 1);
      seconds = seconds_since(start);
      send(&seconds, sizeof seconds);
    } else {
      receive(buffer.data(), bytes);
      send(&done, 1);
      receive(&seconds, sizeof seconds);
    }
    return seconds;
  }
  // The best of some tries: what else runs on a machine makes some of them late.
  double speed(double trip_s, bool from_leader, int tries) {
    double per_s = 0;
    std::size_t bytes = least_bytes;
    for (int i = 0; i <= tries; ++i) {
      const double net_s = std::max(1e-9, transfer(bytes, from_leader) - trip_s);
      // The first one says how much fits into the time.
      if (i == 0) bytes = std::clamp(static_cast<std::size_t>(transfer_s / net_s * static_cast<double>(bytes)), least_bytes, most_bytes);
      else per_s = std::max(per_s, static_cast<double>(bytes) / net_s);
    }
    return per_s;
  }
};

Link measure(Communicator& comm, int peer, int tries = 4) {
  Pair pair{comm, peer, comm.rank() < peer};
  Link link;
  double trip_s = pair.round_trip_s();
  // The sizes of what is sent depend on it: the leader's counts.
  if (pair.leads) pair.send(&trip_s, sizeof trip_s);
  else pair.receive(&trip_s, sizeof trip_s);
  link.latency_s = trip_s / 2;
  link.there_bytes_per_s = pair.speed(trip_s, true, tries);
  link.back_bytes_per_s = pair.speed(trip_s, false, tries);
  return link;
}

std::vector<Link> share(Communicator& comm, const std::vector<Link>& own) {
  std::string mine;
  for (const Link& link : own) mine.append(reinterpret_cast<const char*>(&link), sizeof link);
  std::vector<Link> all;
  for (const std::string& text : comm.all_gather_text(mine))
    for (std::size_t at = 0; at + sizeof(Link) <= text.size(); at += sizeof(Link)) {
      Link& link = all.emplace_back();
      std::copy_n(text.data() + at, sizeof link, reinterpret_cast<char*>(&link));
    }
  return all;
}

std::optional<std::size_t> place_in(const std::vector<int>& ranks, int rank) {
  const auto found = std::find(ranks.begin(), ranks.end(), rank);
  return found == ranks.end() ? std::nullopt : std::optional(static_cast<std::size_t>(found - ranks.begin()));
}

}  // namespace

// The circle method: the last one stays, the others move on by one each round.
std::vector<std::size_t> partners_of(std::size_t count, std::size_t round) {
  const std::size_t seats = count + count % 2;
  std::vector<std::size_t> partner(count, std::numeric_limits<std::size_t>::max());
  const auto meet = [&](std::size_t a, std::size_t b) {
    if (a >= count || b >= count) return;
    partner[a] = b;
    partner[b] = a;
  };
  if (seats < 2) return partner;
  meet(round % (seats - 1), seats - 1);
  for (std::size_t k = 1; k < seats / 2; ++k) meet((round + k) % (seats - 1), (round + seats - 1 - k) % (seats - 1));
  return partner;
}

std::vector<ClockOffset> measure_clocks(Communicator& comm, const std::vector<int>& leaders, const About& about) {
  constexpr int exchanges = 8;
  std::vector<ClockOffset> offsets(leaders.size());
  const int first = leaders.front();
  if (comm.rank() == first) {
    for (std::size_t host = 1; host < leaders.size(); ++host) {
      about(fmt::format("the clock of rank {}", leaders[host]));
      double best_trip = std::numeric_limits<double>::max();
      for (int i = 0; i < exchanges; ++i) {
        double theirs = 0;
        const double before = unix_now();
        const auto start = Clock::now();
        comm.send(&theirs, sizeof theirs, leaders[host], tag);
        comm.receive(&theirs, sizeof theirs, leaders[host], tag);
        const double trip = seconds_since(start);
        if (trip >= best_trip) continue;
        best_trip = trip;
        offsets[host] = {theirs - (before + trip / 2), trip / 2};
      }
    }
  } else if (place_in(leaders, comm.rank())) {
    about("the first host's clock");
    for (int i = 0; i < exchanges; ++i) {
      double time = 0;
      comm.receive(&time, sizeof time, first, tag);
      time = unix_now();
      comm.send(&time, sizeof time, first, tag);
    }
  }
  about("all ranks, after the clocks");
  comm.broadcast(offsets.data(), offsets.size() * sizeof(ClockOffset), first);
  return offsets;
}

std::vector<Link> measure_links(Communicator& comm, const std::vector<int>& leaders, int most_rounds, const About& about,
                                const std::vector<std::string>& hosts) {
  std::vector<Link> own;
  const std::size_t rounds = leaders.size() < 2 ? 0 : leaders.size() - 1 + leaders.size() % 2;
  if (const auto me = place_in(leaders, comm.rank()))
    for (std::size_t round = 0; round < std::min(rounds, static_cast<std::size_t>(most_rounds)); ++round) {
      const std::size_t other = partners_of(leaders.size(), round)[*me];
      if (other >= leaders.size()) continue;
      about(fmt::format("host {}", hosts[other]));
      Link link = measure(comm, leaders[other], rounds > 8 ? 2 : 4);
      link.a = *me;
      link.b = other;
      if (comm.rank() < leaders[other]) own.push_back(link);
    }
  about("all ranks, after the links");
  return share(comm, own);
}

std::vector<Link> measure_within(Communicator& comm, const std::vector<std::vector<int>>& ranks_of_hosts, const About& about) {
  std::vector<Link> own;
  for (std::size_t host = 0; host < ranks_of_hosts.size(); ++host) {
    const std::vector<int>& ranks = ranks_of_hosts[host];
    if (ranks.size() < 2 || (comm.rank() != ranks[0] && comm.rank() != ranks[1])) continue;
    about(fmt::format("rank {}, of the same node", comm.rank() == ranks[0] ? ranks[1] : ranks[0]));
    Link link = measure(comm, comm.rank() == ranks[0] ? ranks[1] : ranks[0]);
    link.a = link.b = host;
    if (comm.rank() == ranks[0]) own.push_back(link);
  }
  about("all ranks, after the links within nodes");
  return share(comm, own);
}

double measure_compute(double seconds) {
  const std::int64_t size = 512;
  const at::Tensor a = at::ones({size, size}), b = at::ones({size, size});
  at::Tensor c = at::mm(a, b);  // memory is found, kernels are chosen
  std::int64_t products = 0;
  const auto start = Clock::now();
  for (; products == 0 || seconds_since(start) < seconds; ++products) at::mm_out(c, a, b);
  return 2.0 * static_cast<double>(size * size * size * products) / seconds_since(start);
}

double measure_adding() {
  std::vector<float> into(std::size_t{2} << 20, 1.0F);
  const std::vector<float> from(into.size(), 0.5F);
  std::vector<double> times;
  for (int round = 0; round < 5; ++round) {
    const auto start = Clock::now();
    for (std::size_t i = 0; i < into.size(); ++i) into[i] += from[i];
    times.push_back(seconds_since(start));
  }
  return median(times) / static_cast<double>(into.size() * sizeof(float));
}

}  // namespace thaw::doctor
