#include "launcher/doctor/verdict.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "framework/base/statistics.h"
#include "framework/base/text.h"

namespace thaw::doctor {
namespace {

// Where a measurement is taken for slow. Wide enough for a machine that others use too.
constexpr double slow_host = 0.5, slow_compute = 0.6;  // of the median
constexpr double slow_link = 0.3;                      // of what both ends reach
constexpr double late_factor = 3, late_s = 200e-6;     // a latency of so much more than the median, and by so much
constexpr double clock_s = 1, fsync_s = 0.1, write_bytes_per_s = 30e6;
constexpr double little_space = 1e9;

using Findings = std::vector<Finding>;

void judge_versions(const Json& report, Findings& findings) {
  std::map<std::string, std::set<std::string>> hosts_of;
  for (const Json& rank : report["ranks"]) hosts_of[rank["versions"].dump()].insert(rank["host"].get<std::string>());
  if (hosts_of.size() < 2) return;
  std::string text;
  for (const auto& [version, hosts] : hosts_of)
    text += fmt::format("{}{} on {}", text.empty() ? "" : "; ", version, listed({hosts.begin(), hosts.end()}));
  findings.push_back({Level::stops, "versions", "hosts run different programs: " + text, "install one build where all hosts see it"});
}

// The best that a host reached with anyone, each way: what others did to one pair's messages is not its own.
struct Reach {
  double sends = 0, receives = 0, latency_s = std::numeric_limits<double>::max();
};

std::map<std::string, Reach> reach_of_hosts(const Json& links) {
  std::map<std::string, Reach> reach;
  for (const Json& link : links) {
    Reach &a = reach[link["a"]], &b = reach[link["b"]];
    const double there = link["there_bytes_per_s"], back = link["back_bytes_per_s"], latency_s = link["latency_s"];
    for (double* const best : {&a.sends, &b.receives}) *best = std::max(*best, there);
    for (double* const best : {&b.sends, &a.receives}) *best = std::max(*best, back);
    for (Reach* const end : {&a, &b}) end->latency_s = std::min(end->latency_s, latency_s);
  }
  return reach;
}

// A host that is slow with all is named, else the link.
void judge_links(const Json& report, Findings& findings) {
  std::map<std::string, Reach> reach = reach_of_hosts(report["links"]);
  if (reach.size() < 3) return;  // of two, nobody can say which
  std::vector<double> sending, receiving, latencies;
  for (const auto& [host, each] : reach) {
    sending.push_back(each.sends);
    receiving.push_back(each.receives);
    latencies.push_back(each.latency_s);
  }
  const Reach usual{median(sending), median(receiving), median(latencies)};
  std::set<std::string> named;
  for (const auto& [host, each] : reach) {
    std::vector<std::string> what;
    if (each.sends < slow_host * usual.sends)
      what.push_back(
          fmt::format("slow on the network: sends {} at best, half of the hosts {}", speed_text(each.sends), speed_text(usual.sends)));
    if (each.receives < slow_host * usual.receives)
      what.push_back(fmt::format("slow on the network: receives {} at best, half of the hosts {}", speed_text(each.receives),
                                 speed_text(usual.receives)));
    if (each.latency_s > late_factor * usual.latency_s && each.latency_s > usual.latency_s + late_s)
      what.push_back(fmt::format("late on the network: {} to the nearest host, half of the hosts have {}", time_text(each.latency_s),
                                 time_text(usual.latency_s)));
    if (what.empty()) continue;
    named.insert(host);
    findings.push_back({Level::warning, "host " + host, fmt::format("{}", fmt::join(what, "; ")),
                        fmt::format("leave it out (mpirun --host without it, sbatch --exclude={}), and have its link looked at", host)});
  }
  for (const Json& link : report["links"]) {
    const std::string a = link["a"], b = link["b"];
    if (named.contains(a) || named.contains(b)) continue;
    const double there = link["there_bytes_per_s"], back = link["back_bytes_per_s"];
    const double expected_there = std::min(reach[a].sends, reach[b].receives), expected_back = std::min(reach[b].sends, reach[a].receives);
    const bool slow_there = there / expected_there < back / expected_back;
    const double speed = slow_there ? there : back, expected = slow_there ? expected_there : expected_back;
    if (speed < slow_link * expected)
      findings.push_back({Level::warning, fmt::format("link {} – {}", slow_there ? a : b, slow_there ? b : a),
                          fmt::format("{}, both reach {} with others", speed_text(speed), speed_text(expected)),
                          "have the path between them looked at (cable, switch port)"});
  }
}

void judge_network(const Json& report, Findings& findings) {
  for (const Json& host : report["hosts"]) {
    const std::string name = host["host"];
    if (!host["infiniband"].empty() && !host["used_interfaces"].empty() && !host["verbs"].get<bool>())
      findings.push_back({Level::warning, "host " + name,
                          fmt::format("messages go by TCP on {}, though InfiniBand ({}) is there", host["used_interfaces"].dump(),
                                      host["infiniband"][0]["rate"].get<std::string>()),
                          "use an MPI built with UCX (OMPI_MCA_pml=ucx), and unset OMPI_MCA_btl"});
    double used = 0, fastest = 0;
    std::string fast;
    for (const Json& each : host["interfaces"]) {
      if (each["mbit_per_s"].is_null()) continue;
      const double speed = each["mbit_per_s"];
      for (const Json& name_used : host["used_interfaces"])
        if (name_used == each["name"]) used = std::max(used, speed);
      if (speed > fastest) {
        fastest = speed;
        fast = each["name"];
      }
    }
    if (used > 0 && used * 2 < fastest)
      findings.push_back({Level::warning, "host " + name,
                          fmt::format("messages go by an interface of {:g} Mbit/s, though {} has {:g}", used, fast, fastest),
                          fmt::format("OMPI_MCA_btl_tcp_if_include={}", fast)});
  }
  for (const Json& clock : report["clocks"]) {
    const double offset = clock["offset_s"], error = clock["error_s"];
    if (std::abs(offset) > clock_s + error)
      findings.push_back(
          {Level::warning, "host " + clock["host"].get<std::string>(),
           fmt::format("its clock is {} {} that of the first host", time_text(std::abs(offset)), offset > 0 ? "ahead of" : "behind"),
           "start chronyd or ntpd on it: times in logs and files do not compare"});
  }
}

void judge_compute(const Json& report, Findings& findings) {
  std::vector<double> speeds;
  for (const Json& rank : report["ranks"])
    if (!rank["flops"].is_null()) speeds.push_back(rank["flops"]);
  const double usual = median(speeds);
  std::set<std::string> bound;
  for (const Json& rank : report["ranks"]) {
    const std::string host = rank["host"];
    if (!rank["flops"].is_null() && rank["flops"].get<double>() < slow_compute * usual)
      findings.push_back({Level::warning, fmt::format("rank {} on {}", rank["rank"].get<int>(), host),
                          fmt::format("computes {:.1f} GFLOP/s, half of the ranks {:.1f}: every step waits for it",
                                      rank["flops"].get<double>() / 1e9, usual / 1e9),
                          "look for other processes on it (top), its binding and its clock rate; or leave the host out"});
    const std::string warning = rank["machine"]["binding_warning"];
    if (!warning.empty() && bound.insert(host).second)
      findings.push_back({Level::warning, "host " + host, warning, "change the launcher's binding as said"});
    const std::int64_t gpus = rank["gpus"]["usable"];
    const auto present = static_cast<std::int64_t>(rank["gpus"]["names"].size());
    if (present > 0 && gpus == 0 && bound.insert(host + " gpu").second)
      findings.push_back({Level::advice, "host " + host, fmt::format("has {} GPU(s) that this build of Thaw does not use", present),
                          "cluster/setup.sh --cuda builds it for GPUs; check CUDA_VISIBLE_DEVICES"});
    if (gpus > 0 && rank["local_rank"].get<std::int64_t>() >= gpus)
      findings.push_back({Level::stops, fmt::format("rank {} on {}", rank["rank"].get<int>(), host),
                          fmt::format("has no GPU: the host has {}", gpus), "start one rank a GPU"});
  }
}

void judge_files(const Json& report, Findings& findings) {
  for (const Json& files : report["file_systems"]) {
    const std::string subject = fmt::format("file system of {} ({}, on {})", files["directory"].get<std::string>(),
                                            files["type"].get<std::string>(), files["host"].get<std::string>());
    const bool working = files["role"] == "working directory";
    if (!files["problem"].is_null()) {
      findings.push_back({working ? Level::stops : Level::warning, subject, "cannot be written: " + files["problem"].get<std::string>(),
                          working ? "run in a directory that can be, or set output_dir to one" : "set TMPDIR to a directory that can be"});
      continue;
    }
    if (working && !files["links"].get<bool>())
      findings.push_back({Level::stops, subject, "has no hard links, by which a run directory gets its one owner",
                          "set output_dir to another file system"});
    if (files["fsync_s"].get<double>() > fsync_s)
      findings.push_back({Level::warning, subject,
                          fmt::format("slow: an fsync of 4 KiB takes {}, checkpoints need dozens", time_text(files["fsync_s"])),
                          "set output_dir to a faster file system, or save less often (checkpoint.every_minutes)"});
    const double speed = files["write_bytes_per_s"];
    if (speed < write_bytes_per_s)
      findings.push_back({Level::warning, subject, fmt::format("slow: writes {}", speed_text(speed)),
                          "set output_dir to a faster file system, or save less often (checkpoint.every_minutes)"});
    const double space = files["free_bytes"];
    const double needed = working && !report["needs"].is_null() ? report["needs"]["checkpoint_bytes"].get<double>() : 0;
    if (needed > space)
      findings.push_back({Level::stops, subject, fmt::format("{:.1f} GB are free, checkpoints need {:.1f}", space / 1e9, needed / 1e9),
                          "free some, or set output_dir elsewhere"});
    else if (space < little_space)
      findings.push_back({Level::warning, subject, fmt::format("{:.0f} MB are free", space / 1e6), "free some"});
  }
  for (const Json& host : report["hosts"])
    if (!host["sees_working_directory"].get<bool>())
      findings.push_back({Level::stops, "host " + host["host"].get<std::string>(),
                          "does not see what the first host writes into the working directory", "run in a directory that all hosts share"});
}

void judge_needs(const Json& report, Findings& findings) {
  const Json& needs = report["needs"];
  if (needs.is_null()) return;
  for (const Json& rank : report["ranks"]) {
    const double has = rank["machine"]["memory_bytes"].get<double>() / rank["ranks_of_host"].get<double>();
    if (needs["memory_bytes"].get<double>() <= has) continue;
    findings.push_back({Level::stops, "memory of " + rank["host"].get<std::string>(),
                        fmt::format("{:.1f} GB for each of its ranks, the recipe needs {:.1f} before activations", has / 1e9,
                                    needs["memory_bytes"].get<double>() / 1e9),
                        "fewer ranks a host, optimizer.sharded: true, or thaw fewer layers"});
    break;
  }
  if (needs["sums_s"].is_null()) return;
  const double sums = needs["sums_s"], better = needs["better_sums_s"];
  if (better < 0.7 * sums)
    findings.push_back(
        {Level::advice, "all-reduce",
         fmt::format("{} of gradients a step take {} by Open MPI's {} tree; its {} would take {}",
                     speed_text(needs["network_bytes"]).substr(0, speed_text(needs["network_bytes"]).size() - 2), time_text(sums),
                     needs["all_reduce"].get<std::string>(), needs["better"].get<std::string>(), time_text(better)),
         fmt::format("mpirun -x OMPI_MCA_coll_libnbc_iallreduce_algorithm={}", needs["better"].get<std::string>())});
}

}  // namespace

std::vector<Finding> judge(const Json& report) {
  Findings findings;
  judge_versions(report, findings);
  judge_links(report, findings);
  judge_network(report, findings);
  judge_compute(report, findings);
  judge_files(report, findings);
  judge_needs(report, findings);
  std::stable_sort(findings.begin(), findings.end(), [](const Finding& a, const Finding& b) { return a.level > b.level; });
  return findings;
}

std::string name_of(Level level) {
  switch (level) {
    case Level::advice: return "advice";
    case Level::warning: return "warning";
    case Level::stops: return "stops";
  }
  return "";
}

Json json_of(const std::vector<Finding>& findings) {
  Json out = Json::array();
  for (const Finding& each : findings)
    out.push_back({{"level", name_of(each.level)}, {"subject", each.subject}, {"what", each.what}, {"remedy", each.remedy}});
  return out;
}

std::string speed_text(double bytes_per_s) {
  return bytes_per_s >= 1e9   ? fmt::format("{:.2f} GB/s", bytes_per_s / 1e9)
         : bytes_per_s >= 1e6 ? fmt::format("{:.1f} MB/s", bytes_per_s / 1e6)
                              : fmt::format("{:.0f} kB/s", bytes_per_s / 1e3);
}

std::string time_text(double seconds) {
  return seconds < 1e-3 ? fmt::format("{:.0f} µs", seconds * 1e6)
         : seconds < 1  ? fmt::format("{:.1f} ms", seconds * 1e3)
                        : fmt::format("{:.1f} s", seconds);
}

}  // namespace thaw::doctor
