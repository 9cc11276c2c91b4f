// Clocks, links and computing speed, measured between ranks. All is collective, and takes a bounded time on any number of hosts.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "framework/comm/communicator.h"

namespace thaw::doctor {

struct Link {
  std::size_t a = 0, b = 0;  // hosts, or a node's two ranks
  double latency_s = 0;      // one way: half of the round trip of eight bytes, which three of four exceed
  double there_bytes_per_s = 0, back_bytes_per_s = 0;
  double bytes_per_s() const { return there_bytes_per_s < back_bytes_per_s ? there_bytes_per_s : back_bytes_per_s; }
};

// `leaders`: a rank of each host. `about` is told what is waited for next.
using About = std::function<void(const std::string&)>;

// By how much each host's clock is ahead of the first one's, seconds, and how sure that is (half the round trip). On every rank.
struct ClockOffset {
  double offset_s = 0, error_s = 0;
};
std::vector<ClockOffset> measure_clocks(Communicator& comm, const std::vector<int>& leaders, const About& about);

// Between hosts, in rounds of a round-robin tournament, so that each host talks to one other at a time; with more than
// `most_rounds` + 1 hosts not every pair meets. On every rank, all links.
std::vector<Link> measure_links(Communicator& comm, const std::vector<int>& leaders, int most_rounds, const About& about,
                                const std::vector<std::string>& hosts);
// Between the first two ranks of each node that has two; a = b = the node.
std::vector<Link> measure_within(Communicator& comm, const std::vector<std::vector<int>>& ranks_of_hosts, const About& about);

// Who plays whom in a round of the tournament of so many; SIZE_MAX for who rests.
std::vector<std::size_t> partners_of(std::size_t count, std::size_t round);

// Products of square matrices by all ranks at once, for about so many seconds: FLOP a second of this rank.
double measure_compute(double seconds);
double measure_adding();  // seconds a byte of adding one array to another

}  // namespace thaw::doctor
