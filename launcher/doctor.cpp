// thaw doctor: looks at everything that a run on several ranks depends on, and says what would slow or stop one.
#include "launcher/doctor/verdict.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>
#include <memory>
#include <optional>

#include "framework/base/file.h"
#include "launcher/commands.h"
#include "launcher/doctor/examination.h"
#include "launcher/doctor/needs.h"
#include "launcher/doctor/vigil.h"

namespace thaw::doctor {
namespace {

struct DoctorOptions {
  std::string recipe, save;
  std::vector<std::string> overrides;
  bool json = false;
};

void print_links(const Json& links, const char* what) {
  if (links.empty()) return;
  const auto slower = [](const Json& a, const Json& b) { return a["bytes_per_s"].get<double>() < b["bytes_per_s"].get<double>(); };
  const auto [slowest, fastest] = std::minmax_element(links.begin(), links.end(), slower);
  const auto late = std::max_element(
      links.begin(), links.end(), [](const Json& a, const Json& b) { return a["latency_s"].get<double>() < b["latency_s"].get<double>(); });
  fmt::print("{:<10} {} pair{}: {} to {}, at most {} one way", what, links.size(), links.size() == 1 ? "" : "s",
             speed_text((*slowest)["bytes_per_s"]), speed_text((*fastest)["bytes_per_s"]), time_text((*late)["latency_s"]));
  if (links.size() > 1)
    fmt::print("; slowest {} – {}, latest {} – {}", (*slowest)["a"].get<std::string>(), (*slowest)["b"].get<std::string>(),
               (*late)["a"].get<std::string>(), (*late)["b"].get<std::string>());
  fmt::print("\n");
}

void print_report(const Json& report) {
  const auto text = [](const Json& value) { return value.is_null() ? std::string("none") : value.get<std::string>(); };
  const Json& versions = report["ranks"][0]["versions"];
  fmt::print("versions   thaw {}, LibTorch {}, HDF5 {}; MPI {}; NCCL {}\n", text(versions["thaw"]), text(versions["libtorch"]),
             text(versions["hdf5"]), text(versions["mpi"]), text(versions["nccl"]));
  std::vector<std::string> hosts;
  for (const Json& host : report["hosts"]) hosts.push_back(fmt::format("{} on {}", host["ranks"].size(), host["host"].get<std::string>()));
  fmt::print("launched   {} rank{} ({}){}\n", report["ranks"].size(), report["ranks"].size() == 1 ? "" : "s", listed(hosts),
             report["launcher"] == "" ? ", no launcher" : ", told by " + report["launcher"].get<std::string>());
  for (const auto& [name, value] : report["settings"].items()) fmt::print("           {}={}\n", name, value.get<std::string>());
  const Json &first = report["hosts"][0], &machine = report["ranks"][0]["machine"];
  fmt::print("machine    {}, {} of {} cores allowed, {:.1f} GiB of memory, GPUs: {}\n", machine["cpu"].get<std::string>(),
             machine["cores_allowed"].get<int>(), machine["cores"].get<int>(), machine["memory_bytes"].get<double>() / (1 << 30),
             report["ranks"][0]["gpus"]["names"].empty() ? "none" : report["ranks"][0]["gpus"]["names"].dump());
  std::vector<std::string> interfaces;
  for (const Json& each : first["interfaces"])
    interfaces.push_back(fmt::format("{} ({}{})", each["name"].get<std::string>(), each["address"].get<std::string>(),
                                     each["mbit_per_s"].is_null() ? "" : fmt::format(", {:g} Mbit/s", each["mbit_per_s"].get<double>())));
  fmt::print("network    {}; InfiniBand: {}; messages between hosts by {}\n", listed(interfaces),
             first["infiniband"].empty() ? "none" : first["infiniband"].dump(),
             first["verbs"].get<bool>()          ? "InfiniBand"
             : !first["used_interfaces"].empty() ? "TCP on " + first["used_interfaces"][0].get<std::string>()
             : report["hosts"].size() > 1        ? "what is neither TCP nor InfiniBand verbs"
                                                 : "nothing: one host");
  print_links(report["links"], "links");
  print_links(report["within"], "in nodes");
  double furthest = 0;
  for (const Json& clock : report["clocks"]) furthest = std::max(furthest, std::abs(clock["offset_s"].get<double>()));
  if (report["clocks"].size() > 1) fmt::print("clocks     within {}\n", time_text(furthest));
  std::vector<double> flops;
  for (const Json& rank : report["ranks"]) flops.push_back(rank["flops"]);
  fmt::print("compute    {:.1f} to {:.1f} GFLOP/s a rank, all at once\n", *std::min_element(flops.begin(), flops.end()) / 1e9,
             *std::max_element(flops.begin(), flops.end()) / 1e9);
  std::size_t shown = 0;
  for (const Json& files : report["file_systems"])
    if (++shown <= 6)
      fmt::print("files      {} on {} ({}): {}\n", files["directory"].get<std::string>(), files["host"].get<std::string>(),
                 files["type"].get<std::string>(),
                 !files["problem"].is_null()
                     ? files["problem"].get<std::string>()
                     : fmt::format("fsync {}, writes {}, reads {}, {:.1f} GB free, {} locks", time_text(files["fsync_s"]),
                                   speed_text(files["write_bytes_per_s"]), speed_text(files["read_bytes_per_s"]),
                                   files["free_bytes"].get<double>() / 1e9, files["locks"].get<bool>() ? "has" : "no"));
  if (const Json& needs = report["needs"]; !needs.is_null())
    fmt::print("recipe     {:.1f} MB to sum a step{}, {:.2f} GB a rank before activations, {:.2f} GB of checkpoints\n",
               needs["network_bytes"].get<double>() / 1e6,
               needs["sums_s"].is_null() ? "" : fmt::format(" ({} on this network)", time_text(needs["sums_s"])),
               needs["memory_bytes"].get<double>() / 1e9, needs["checkpoint_bytes"].get<double>() / 1e9);
}

void print_findings(const std::vector<Finding>& findings) {
  fmt::print("\n");
  for (const Finding& each : findings)
    fmt::print("{:<9}  {}: {}\n           remedy: {}\n", name_of(each.level), printable(each.subject), printable(each.what), each.remedy);
  const bool stops = !findings.empty() && findings.front().level == Level::stops;
  fmt::print("verdict    {}\n", stops              ? "a run will not go through: see above"
                                : findings.empty() ? "all well"
                                                   : "a run will go through; see above");
}

int conclude(Json report, const DoctorOptions& options) {
  const std::vector<Finding> findings = judge(report);
  const bool stops = !findings.empty() && findings.front().level == Level::stops;
  const ExitCode code = stops ? ExitCode::bad_data : ExitCode::done;
  if (!options.save.empty()) write_file_atomically(options.save, report["model"].dump(2) + "\n");
  if (options.json) {
    report["findings"] = json_of(findings);
    report["verdict"] = stops ? "stops" : findings.empty() ? "well" : "warnings";
    fmt::print("{}\n", report.dump(-1, ' ', false, Json::error_handler_t::replace));
  } else {
    print_report(report);
    print_findings(findings);
  }
  return static_cast<int>(code);
}

// On the vigil's thread: the rank's own waits for somebody who may never come.
void end_lost(const Patient& patient, const std::string& stage, const DoctorOptions& options, int rank) {
  if (rank != 0) {
    // The first rank speaks; where it cannot, because it is the one that is lost, each says for itself.
    ::sleep(20);
    fmt::print(stderr, "thaw doctor: rank {}: no answer from {}\n", rank, stage);
    std::_Exit(static_cast<int>(ExitCode::peer_lost));
  }
  const std::vector<std::string> silent = unreachable(patient.neighbours(), 1.5);
  Finding finding{
      Level::stops, silent.empty() ? "ranks" : "host " + listed(silent),
      silent.empty() ? "no answer from " + stage + ", though every host's network answers"
                     : "cut off: nothing answers at its addresses (noticed while waiting for " + stage + ")",
      silent.empty()
          ? "look at that rank's process: stopped, or stuck"
          : "have it looked at, and start without it; with --mca oob_tcp_keepalive_time 5 mpirun notices too, else end it by hand"};
  if (options.json) {
    const Json out{{"findings", json_of({finding})}, {"verdict", "stops"}, {"lost_hosts", silent}, {"stage", stage}};
    fmt::print("{}\n", out.dump(-1, ' ', false, Json::error_handler_t::replace));
  } else {
    print_findings({finding});
  }
  std::fflush(stdout);
  // mpirun that is told to end while a host is cut off waits for it for ever; before, its keepalive would end it. So it comes first.
  if (!silent.empty()) ::sleep(15);
  std::_Exit(static_cast<int>(ExitCode::peer_lost));
}

int run_doctor(const DoctorOptions& options) {
  const LaunchedWorld world = launched_world();
  Patient patient(world);
  Vigil vigil([&](const std::string& stage) { end_lost(patient, stage, options, world.rank); });
  vigil.begin("all ranks, in MPI's start", 20);
  return run_on_ranks(
      [&](Ranks& ranks) {
        Json report = examine(patient, *ranks.comm, vigil);
        if (!options.recipe.empty()) {
          vigil.begin("all ranks, reading the recipe", 300);  // its data may have to be sharded first
          report["needs"] = needs_of(options.recipe, options.overrides, ranks, network_of_report(report));
        }
        const int code = ranks.first() ? conclude(std::move(report), options) : 0;
        std::fflush(stdout);
        vigil.begin("all ranks, at the end", 10);
        std::int64_t agreed = code;
        ranks.comm->broadcast(&agreed, sizeof agreed, 0);
        ranks.comm->barrier();
        vigil.begin("all ranks, leaving MPI", 10);
        return static_cast<int>(agreed);
      },
      [&](const Error&) { vigil.end(); });
}

}  // namespace
}  // namespace thaw::doctor

void thaw::add_doctor(CLI::App& app, int& exit_code) {
  CLI::App* command =
      app.add_subcommand("doctor", "Look at versions, network, file systems and machines, and say what would slow or stop a run");
  auto options = std::make_shared<doctor::DoctorOptions>();
  command->add_option("recipe", options->recipe, "A recipe, whose needs are compared with what is there");
  command->add_option("overrides", options->overrides, "key.sub=value: changes to the recipe");
  command->add_option("--save", options->save, "Write the measured network constants into this file, for thaw plan --network");
  command->add_flag("--json", options->json, "One JSON object; bytes and seconds");
  command->footer(
      "Example:  mpirun -n 4 thaw doctor --save network.json\nExit code: 0, or 65 where something would stop a run, 69 where a rank does "
      "not answer.");
  command->callback([=, &exit_code] { exit_code = doctor::run_doctor(*options); });
}
