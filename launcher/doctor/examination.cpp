#include "launcher/doctor/examination.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <vector>

#include "framework/base/network.h"
#include "framework/base/statistics.h"
#include "framework/base/temporaries.h"
#include "launcher/doctor/environment.h"
#include "launcher/doctor/file_system.h"
#include "launcher/doctor/links.h"
#include "launcher/doctor/network.h"

namespace thaw::doctor {
namespace {

namespace fs = std::filesystem;

constexpr double stage_s = 5;  // that a rank may be waited for
constexpr int most_rounds = 48;
constexpr std::uint64_t file_bytes = std::uint64_t{64} << 20;

struct Hosts {
  std::vector<std::string> names;
  std::vector<std::vector<int>> ranks;
  std::vector<int> leaders;
  std::size_t place(const std::string& name) const {
    return static_cast<std::size_t>(std::find(names.begin(), names.end(), name) - names.begin());
  }
};

double median_of(const Json& list, const std::function<double(const Json&)>& value, double otherwise) {
  std::vector<double> values;
  for (const Json& each : list) values.push_back(value(each));
  return values.empty() ? otherwise : median(std::move(values));
}

// Who is where, and at which addresses. `patient` knows the other hosts from here on.
Hosts introduce(Patient& patient, Communicator& comm, const std::string& host) {
  const Json own{{"host", host}, {"addresses", host_addresses()}, {"port", patient.door().port()}};
  Hosts hosts;
  std::vector<Neighbour> neighbours;
  const std::vector<std::string> all = comm.all_gather_text(own.dump());
  for (int rank = 0; rank < comm.size(); ++rank) {
    const Json each = Json::parse(all[static_cast<std::size_t>(rank)]);
    const std::size_t place = hosts.place(each["host"]);
    if (place < hosts.names.size()) {
      hosts.ranks[place].push_back(rank);
      continue;
    }
    hosts.names.push_back(each["host"]);
    hosts.ranks.push_back({rank});
    hosts.leaders.push_back(rank);
    if (each["host"] != host) neighbours.push_back({each["host"], each["addresses"], each["port"]});
  }
  patient.meet(std::move(neighbours));
  return hosts;
}

constexpr const char* seen_file = "thaw-doctor-seen-";

// Those of examinations that were killed; one of the last minute may be under way.
void remove_abandoned_files() {
  remove_files(".", [](const fs::directory_entry& entry) {
    std::error_code gone;
    const auto age = fs::file_time_type::clock::now() - entry.last_write_time(gone);
    return !gone && entry.path().filename().string().starts_with(seen_file) && age > std::chrono::minutes(1);
  });
}

// The first rank leaves a file there; the others look whether they see it. Network file systems may take a moment.
bool sees_file_of_first(Communicator& comm) {
  char name[64] = {};
  if (comm.rank() == 0) {
    remove_abandoned_files();
    fmt::format_to_n(name, sizeof name - 1, "{}{}", seen_file, Clock::now().time_since_epoch().count());
    std::ofstream(name) << "seen";
  }
  bool seen = false;
  std::error_code error;
  try {
    comm.broadcast(name, sizeof name, 0);
    for (const auto start = Clock::now(); !seen && seconds_since(start) < 1; std::this_thread::sleep_for(std::chrono::milliseconds(20)))
      seen = fs::exists(name, error);
    comm.barrier();
  } catch (...) {  // another rank is lost
    if (comm.rank() == 0) fs::remove(name, error);
    throw;
  }
  if (comm.rank() == 0) seen = fs::remove(name, error);
  return seen;
}

// The working directory by the first rank alone, since all share it; what a node has for itself by a rank of each.
Json file_systems_of(int rank, bool leads, const std::string& host) {
  std::vector<std::pair<std::string, fs::path>> places;
  std::error_code error;
  if (rank == 0) places.emplace_back("working directory", fs::current_path(error));
  if (leads) {
    places.emplace_back("temporary directory", fs::temp_directory_path(error));
    places.emplace_back("shared memory", "/dev/shm");
  }
  Json all = Json::array();
  for (const auto& [role, place] : places) {
    Json measured = json_of(measure_file_system(place, file_bytes, 3));
    measured["role"] = role;
    measured["host"] = host;
    all.push_back(std::move(measured));
  }
  return all;
}

Json json_of(const std::vector<Link>& links, const std::vector<std::string>& hosts) {
  Json all = Json::array();
  for (const Link& link : links)
    all.push_back({{"a", hosts[link.a]},
                   {"b", hosts[link.b]},
                   {"latency_s", link.latency_s},
                   {"there_bytes_per_s", link.there_bytes_per_s},
                   {"back_bytes_per_s", link.back_bytes_per_s},
                   {"bytes_per_s", link.bytes_per_s()}});
  return all;
}

// What each rank has found, put together: `own` of every rank, in rank order.
void gather(Communicator& comm, const Hosts& hosts, const Json& own, Json& report) {
  report["ranks"] = Json::array();
  report["hosts"] = Json::array();
  report["file_systems"] = Json::array();
  const std::vector<std::string> all = comm.all_gather_text(own.dump(-1, ' ', false, Json::error_handler_t::replace));
  std::vector<double> adding;
  for (int rank = 0; rank < comm.size(); ++rank) {
    Json each = Json::parse(all[static_cast<std::size_t>(rank)]);
    const std::size_t place = hosts.place(each["machine"]["host"]);
    for (Json& files : each["file_systems"]) report["file_systems"].push_back(std::move(files));
    if (hosts.leaders[place] == rank) {
      each["of_host"]["host"] = hosts.names[place];
      each["of_host"]["ranks"] = hosts.ranks[place];
      report["hosts"].push_back(std::move(each["of_host"]));
    }
    adding.push_back(each["adding_s_per_byte"]);
    report["ranks"].push_back({{"rank", rank},
                               {"host", hosts.names[place]},
                               {"local_rank", each["local_rank"]},
                               {"ranks_of_host", hosts.ranks[place].size()},
                               {"machine", each["machine"]},
                               {"versions", each["versions"]},
                               {"gpus", each["gpus"]},
                               {"flops", each["flops"]}});
  }
  report["reduce_s_per_byte"] = median(adding);
}

}  // namespace

std::vector<Neighbour> Patient::neighbours() const {
  const std::lock_guard lock(mutex_);
  return neighbours_;
}

void Patient::meet(std::vector<Neighbour> neighbours) {
  const std::lock_guard lock(mutex_);
  neighbours_ = std::move(neighbours);
}

Json examine(Patient& patient, Communicator& comm, Vigil& vigil) {
  const LaunchedWorld& world = patient.world();
  Json own{{"machine", machine_of(world)}, {"versions", versions(world)}, {"gpus", gpus()}, {"local_rank", world.local_rank}};
  const std::string host = own["machine"]["host"];
  const About about = [&](const std::string& whom) { vigil.begin(whom, stage_s); };

  // What a person sees meanwhile; results go to standard output.
  const auto progress = [&](const std::string& what) {
    if (comm.rank() == 0) fmt::print(stderr, "doctor     {}\n", what);
  };

  about("all ranks, at the beginning");
  const Hosts hosts = introduce(patient, comm, host);
  const bool leads = std::find(hosts.leaders.begin(), hosts.leaders.end(), comm.rank()) != hosts.leaders.end();
  Json report{{"launcher", world.launcher}, {"settings", settings()}, {"needs", Json()}, {"clocks", Json::array()}};

  const std::vector<ClockOffset> clocks = measure_clocks(comm, hosts.leaders, about);
  for (std::size_t i = 0; i < clocks.size(); ++i)
    report["clocks"].push_back({{"host", hosts.names[i]}, {"offset_s", clocks[i].offset_s}, {"error_s", clocks[i].error_s}});
  progress(fmt::format("the links of {} host{}", hosts.names.size(), hosts.names.size() == 1 ? "" : "s"));
  report["within"] = json_of(measure_within(comm, hosts.ranks, about), hosts.names);
  report["links"] = json_of(measure_links(comm, hosts.leaders, most_rounds, about, hosts.names), hosts.names);

  std::vector<std::string> others;
  for (const Neighbour& each : patient.neighbours()) others.insert(others.end(), each.addresses.begin(), each.addresses.end());
  own["of_host"] = {
      {"interfaces", interfaces()}, {"infiniband", infiniband()}, {"used_interfaces", interfaces_towards(others)}, {"verbs", uses_verbs()}};
  progress("computing, and file systems");
  about("all ranks, before they compute");
  comm.barrier();
  vigil.end();
  own["flops"] = measure_compute(0.4);
  own["adding_s_per_byte"] = measure_adding();
  about("all ranks, which compute");
  own["of_host"]["sees_working_directory"] = sees_file_of_first(comm);
  vigil.end();
  own["file_systems"] = file_systems_of(comm.rank(), leads, host);
  vigil.begin("all ranks, which write files", 15);  // the slowest file system takes 3 s for each of three
  gather(comm, hosts, own, report);
  vigil.end();
  report["model"] = network_json(network_of_report(report));
  return report;
}

// The better direction of each pair: what else went on meanwhile is not the network's.
NetworkModel network_of_report(const Json& report) {
  NetworkModel model = network_of("10gbit");  // what was not measured stays nominal
  const auto link = [](const Json& links, const LinkCost& otherwise) {
    return LinkCost{
        median_of(
            links, [](const Json& each) { return each["latency_s"].get<double>(); }, otherwise.alpha_s),
        median_of(
            links,
            [](const Json& each) { return 1 / std::max(each["there_bytes_per_s"].get<double>(), each["back_bytes_per_s"].get<double>()); },
            otherwise.beta_s_per_byte)};
  };
  model.name = "measured";
  model.within = link(report["within"], model.within);
  model.between = link(report["links"], model.between);
  model.reduce_s_per_byte = report["reduce_s_per_byte"];
  return model;
}

}  // namespace thaw::doctor
