// thaw doctor: its report has what it promises, it names what is slow, and it ends when a host is cut off.
#include "launcher/doctor/verdict.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <set>

#include "framework/base/text.h"
#include "framework/comm/network_model.h"
#include "launcher/doctor/links.h"
#include "tests/support/testbed.h"

namespace thaw::test {
namespace {

// The object in a program's output, which other lines of standard error and mpirun may surround.
Json report_in(const std::string& output) {
  for (const std::string& line : split(output, '\n'))
    if (line.starts_with("{\"")) return Json::parse(line);
  return Json();
}

bool names(const Json& report, const std::string& subject, const std::string& what) {
  for (const Json& finding : report["findings"])
    if (finding["subject"].get<std::string>().find(subject) != std::string::npos &&
        finding["what"].get<std::string>().find(what) != std::string::npos && !finding["remedy"].get<std::string>().empty())
      return true;
  return false;
}

TEST(Doctor, ReportsOnOneProcess) {
  const Workshop shop;
  const Ran ran = thaw(fmt::format("doctor {} --json --save {}", shop.path("recipe.yaml"), shop.path("network.json")));
  ASSERT_EQ(ran.exit_code, 0) << ran.output;
  const Json report = report_in(ran.output);
  for (const char* key : {"libtorch", "thaw", "hdf5"}) EXPECT_FALSE(report["ranks"][0]["versions"][key].get<std::string>().empty()) << key;
  EXPECT_EQ(report["hosts"].size(), 1U);
  EXPECT_EQ(report["links"].size(), 0U);
  EXPECT_GT(report["ranks"][0]["flops"], 1e8);
  ASSERT_EQ(report["file_systems"].size(), 3U);
  for (const Json& files : report["file_systems"]) {
    EXPECT_TRUE(files["problem"].is_null()) << files;
    EXPECT_TRUE(files["locks"].get<bool>() && files["links"].get<bool>()) << files;
    EXPECT_GT(files["write_bytes_per_s"], 1e6) << files;
    EXPECT_FALSE(files["type"].get<std::string>().empty());
  }
  EXPECT_GT(report["needs"]["network_bytes"], 1e4);
  EXPECT_GT(network_of(shop.path("network.json")).between.beta_s_per_byte, 0);
}

TEST(Doctor, SettingsAreShownAndSecretsAreNot) {
  const Ran ran = shell(fmt::format("export NCCL_DEBUG=WARN SLURM_JWT=sesame; {}", thaw_command("doctor --json")));
  const Json report = report_in(ran.output);
  EXPECT_EQ(report["settings"]["NCCL_DEBUG"], "WARN");
  EXPECT_EQ(report["settings"]["SLURM_JWT"], "(set)");
  EXPECT_EQ(ran.output.find("sesame"), std::string::npos);
}

TEST(Doctor, TwoRanksOfANodeMeasureTheirMemory) {
  const Ran ran = thaw("doctor --json", 2);
  ASSERT_EQ(ran.exit_code, 0) << ran.output;
  const Json report = report_in(ran.output);
  EXPECT_EQ(report["ranks"].size(), 2U);
  EXPECT_NE(report["ranks"][1]["versions"]["mpi"].get<std::string>().find("MPI"), std::string::npos);
  ASSERT_EQ(report["within"].size(), 1U);
  EXPECT_GT(report["within"][0]["bytes_per_s"], 1e7);
  EXPECT_FALSE(report["launcher"].get<std::string>().empty());
}

// The working directory's: what an examination left that was killed goes with the next one, not what may be under way.
TEST(Doctor, NoFileStays) {
  const Workshop shop;
  for (const char* name : {"thaw-doctor-seen-1", "thaw-doctor-seen-2"}) shop.write(name, "seen");
  std::filesystem::last_write_time(shop.path("thaw-doctor-seen-1"),
                                   std::filesystem::file_time_type::clock::now() - std::chrono::minutes(2));
  const Ran ran = shell(fmt::format("cd {}; {}", shop.path(), thaw_command("doctor --json", 2)));
  ASSERT_EQ(ran.exit_code, 0) << ran.output;
  EXPECT_EQ(shell("ls " + shop.path() + " | grep doctor").output, "thaw-doctor-seen-2\n");
}

TEST(Doctor, ASlowFileSystemIsNamed) {
  const Ran ran = shell(fmt::format("export LD_PRELOAD={}; {}", THAW_SLOW_FSYNC, thaw_command("doctor --json")));
  EXPECT_EQ(ran.exit_code, 0) << ran.output;
  EXPECT_TRUE(names(report_in(ran.output), "file system of", "slow: an fsync of 4 KiB takes 2")) << ran.output;
}

TEST(Doctor, ADirectoryThatCannotBeWrittenStops) {
  const Ran ran = shell(fmt::format("cd /proc && {}", thaw_command("doctor --json")));
  EXPECT_EQ(ran.exit_code, 65) << ran.output;
  EXPECT_TRUE(names(report_in(ran.output), "file system of /proc", "cannot be written")) << ran.output;
}

TEST(Doctor, SlowAndLateHostsAreNamed) {
  const Testbed bed(4, "--rate 500mbit");
  if (!bed.missing().empty()) GTEST_SKIP() << bed.missing();
  ASSERT_EQ(bed.set("rate", 3, "50mbit").exit_code, 0);
  ASSERT_EQ(bed.set("delay", 2, "20ms").exit_code, 0);
  const Ran ran = shell(bed.command("doctor --json", 4));
  EXPECT_EQ(ran.exit_code, 0) << ran.output;
  EXPECT_LT(ran.seconds, 20);
  const Json report = report_in(ran.output);
  EXPECT_EQ(report["links"].size(), 6U);
  EXPECT_EQ(report["clocks"].size(), 4U);
  EXPECT_EQ(report["hosts"][0]["used_interfaces"], Json::array({"eth0"})) << report["hosts"];
  EXPECT_TRUE(names(report, fmt::format("host {}", bed.host(3)), "slow on the network")) << ran.output;
  EXPECT_TRUE(names(report, fmt::format("host {}", bed.host(2)), "late on the network")) << ran.output;
  for (const int well : {1, 4}) EXPECT_FALSE(names(report, fmt::format("host {}", bed.host(well)), "on the network")) << ran.output;
}

TEST(Doctor, ACutHostIsNamedAndNobodyWaits) {
  const Testbed bed(3, "--rate 5mbit");  // slow enough to be cut while links are measured
  if (!bed.missing().empty()) GTEST_SKIP() << bed.missing();
  const Ran ran = shell(fmt::format(
      "({}) 2>&1 | while read -r line; do echo \"$line\"; case $line in *links*) {} cut {};; esac; done; exit ${{PIPESTATUS[0]}}",
      bed.command("doctor --json", 3), Testbed::script, bed.host(3)));
  EXPECT_NE(ran.exit_code, 0);
  EXPECT_LT(ran.seconds, 30);
  const Json report = report_in(ran.output);
  ASSERT_TRUE(report.is_object()) << ran.output;
  EXPECT_EQ(report["lost_hosts"], Json::array({bed.host(3)})) << ran.output;
  EXPECT_EQ(report["verdict"], "stops");
}

TEST(Doctor, EveryPairMeetsOnceInATournament) {
  for (const std::size_t hosts : {2, 3, 4, 7, 8, 33}) {
    std::set<std::pair<std::size_t, std::size_t>> met;
    const std::size_t rounds = hosts - 1 + hosts % 2;
    for (std::size_t round = 0; round < rounds; ++round) {
      const std::vector<std::size_t> partner = doctor::partners_of(hosts, round);
      for (std::size_t a = 0; a < hosts; ++a) {
        if (partner[a] >= hosts) continue;
        EXPECT_EQ(partner[partner[a]], a);
        if (a < partner[a]) {
          EXPECT_TRUE(met.emplace(a, partner[a]).second);
        }
      }
    }
    EXPECT_EQ(met.size(), hosts * (hosts - 1) / 2);
  }
}

// A report of so many well hosts, whose parts tests make ill.
Json well(int hosts) {
  Json report{{"needs", Json()}, {"links", Json::array()}, {"clocks", Json::array()}, {"file_systems", Json::array()}};
  for (int host = 0; host < hosts; ++host) {
    const std::string name = fmt::format("h{}", host);
    report["hosts"].push_back({{"host", name},
                               {"infiniband", Json::array()},
                               {"used_interfaces", Json::array({"eth0"})},
                               {"verbs", false},
                               {"interfaces", Json::array({{{"name", "eth0"}, {"mbit_per_s", 10000}}})},
                               {"sees_working_directory", true}});
    report["ranks"].push_back({{"rank", host},
                               {"host", name},
                               {"local_rank", 0},
                               {"ranks_of_host", 1},
                               {"machine", {{"binding_warning", ""}, {"memory_bytes", 16e9}}},
                               {"versions", {{"thaw", "1"}}},
                               {"gpus", {{"names", Json::array()}, {"usable", 0}}},
                               {"flops", 1e11}});
    report["clocks"].push_back({{"host", name}, {"offset_s", 0.0}, {"error_s", 1e-4}});
    for (int other = 0; other < host; ++other)
      report["links"].push_back(
          {{"a", fmt::format("h{}", other)}, {"b", name}, {"latency_s", 2e-5}, {"there_bytes_per_s", 1e9}, {"back_bytes_per_s", 1e9}});
  }
  return report;
}

bool judged(const Json& report, const std::string& subject, const std::string& what) {
  return names({{"findings", doctor::json_of(doctor::judge(report))}}, subject, what);
}

TEST(Verdict, NamesWhatIsIll) {
  EXPECT_TRUE(doctor::judge(well(4)).empty());
  Json report = well(4);
  report["links"][4]["there_bytes_per_s"] = 1e8;
  EXPECT_TRUE(judged(report, "link h1 – h3", "100.0 MB/s, both reach 1.00 GB/s"));
  report = well(4);
  report["ranks"][2]["flops"] = 4e10;
  EXPECT_TRUE(judged(report, "rank 2 on h2", "40.0 GFLOP/s"));
  report = well(4);
  report["clocks"][1]["offset_s"] = -90;
  EXPECT_TRUE(judged(report, "host h1", "90.0 s behind"));
  report = well(4);
  report["ranks"][3]["versions"]["thaw"] = "2";
  EXPECT_EQ(doctor::judge(report).front().level, doctor::Level::stops);
  report = well(4);
  report["hosts"][2]["sees_working_directory"] = false;
  EXPECT_EQ(doctor::judge(report).front().level, doctor::Level::stops);
  report = well(4);
  report["hosts"][0]["infiniband"] = Json::array({{{"name", "mlx5_0"}, {"rate", "200 Gb/sec"}}});
  EXPECT_TRUE(judged(report, "host h0", "though InfiniBand (200 Gb/sec) is there"));
  report = well(4);
  report["needs"] = {{"memory_bytes", 17e9}, {"sums_s", Json()}};
  EXPECT_TRUE(judged(report, "memory of h0", "16.0 GB"));
}

}  // namespace
}  // namespace thaw::test
