// `thaw launch`: ranks that are lost are named, and the run ends with the bits of one that lost none.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "framework/base/file.h"
#include "framework/base/text.h"
#include "tests/launcher/program.h"
#include "tests/support/testbed.h"

namespace thaw::test {
namespace {

class Launch : public ::testing::Test {
 protected:
  const Workshop shop;

  std::string arguments(const std::string& run, const std::string& more = "") const {
    const std::string train = shop.train(run, "epochs=20 reproducible=true batch.grain=4 checkpoint.every_steps=10 " + more);
    return train.substr(std::string("train ").size());
  }
  std::string command(const std::string& run, const std::string& options, const std::string& more) const {
    return fmt::format(". {}/cluster/mpi.sh; {}", THAW_SOURCE_DIR,
                       thaw_command(fmt::format("launch {} {}", options, arguments(run, more))));
  }
  Ran launch(const std::string& run, const std::string& options, const std::string& more = "") const {
    return shell(command(run, options, more));
  }
  // Starts it, strikes once it is held, and gives its exit code. `sup`: the supervisor; `ranks`: its ranks, the last one first.
  Ran struck(const std::string& run, const std::string& options, const std::string& strike, const std::string& more = "") const {
    return shell(
        fmt::format("{3}; {1} & sup=$!; for i in $(seq 2000); do [ -e {0}/held ] && break; sleep 0.01; done; "
                    "ranks() {{ for p in $(pgrep -x thaw | sort -rn); do [ $p != $sup ] && grep -qs output_dir={0} /proc/$p/cmdline && "
                    "echo $p; done; }}; {2}; "
                    "wait $sup",
                    shop.path(run), command(run, options, more), strike, hold_runs));
  }
  std::vector<Json> events(const std::string& run) const {
    std::vector<Json> all;
    for (const std::string& line : split(shop.file(run + "/launch/events.jsonl"), '\n'))
      if (!line.empty()) all.push_back(Json::parse(line));
    return all;
  }
  Json event(const std::string& run, const std::string& kind) const {
    for (const Json& one : events(run))
      if (one["kind"] == kind) return one;
    return {{"message", "there is no event of kind " + kind}, {"at", 0}};
  }
  void expect_as_unharmed(const std::string& run, const std::string& more = "") const {
    ASSERT_EQ(thaw(fmt::format("train {}", arguments("whole", more))).exit_code, 0);
    EXPECT_EQ(shop.file(run + "/best/model.safetensors"), shop.file("whole/best/model.safetensors"));
    EXPECT_EQ(shop.log(run).size(), shop.log("whole").size());
  }
};

TEST_F(Launch, AnUndisturbedRun) {
  const Ran ran = launch("run", "-n 2 --json");
  ASSERT_EQ(ran.exit_code, 0) << ran.output;
  EXPECT_NE(ran.output.find("launch     finished"), std::string::npos) << ran.output;
  EXPECT_EQ(Json::parse(shop.file("run/result.json"))["ranks"], 2);
  EXPECT_NE(ran.output.find("\"task\""), std::string::npos) << "the ranks' standard output is ours";
  expect_as_unharmed("run");
}

TEST_F(Launch, AKilledRankIsNamedAndTheRunGoesOn) {
  const Ran ran = struck("run", "-n 2", fmt::format("kill -KILL $(ranks | head -n 1); date +%s.%N >{}", shop.path("struck")));
  ASSERT_EQ(ran.exit_code, 0) << ran.output;
  // By mpirun, or, where mpirun is slower to tell, by its connection.
  EXPECT_TRUE(ran.output.find("was killed by signal 9") != std::string::npos ||
              ran.output.find("has died: its connection ended") != std::string::npos)
      << ran.output;
  EXPECT_LT(event("run", "restart")["at"].get<double>() - std::stod(shop.file("struck")), 5) << ran.output;
  EXPECT_NE(event("run", "restart")["message"].get<std::string>().find("restart 1 of 3: 2 ranks on localhost:2, from step-"),
            std::string::npos);
  expect_as_unharmed("run");
}

TEST_F(Launch, AStoppedRankIsNamedAndReplaced) {
  const Ran ran = struck("run", "-n 3",
                         fmt::format("r=$(ranks | head -n 1); kill -STOP $r; date +%s.%N >{}; "
                                     "for i in $(seq 300); do kill -0 $r 2>/dev/null || break; sleep 0.1; done; kill -0 $r && echo orphan",
                                     shop.path("struck")));
  ASSERT_EQ(ran.exit_code, 0) << ran.output;
  const Json silent = event("run", "silent");
  EXPECT_NE(silent["message"].get<std::string>().find("is stopped: silent for"), std::string::npos) << silent;
  EXPECT_LT(silent["at"].get<double>() - std::stod(shop.file("struck")), 15);
  EXPECT_EQ(ran.output.find("orphan"), std::string::npos) << ran.output;
  expect_as_unharmed("run");
}

TEST_F(Launch, ALostMpirunIsStartedAgain) {
  const Ran ran = struck("run", "-n 2", "kill -KILL $(pgrep -P $sup)");
  ASSERT_EQ(ran.exit_code, 0) << ran.output;
  EXPECT_NE(ran.output.find("mpirun was ended by signal 9"), std::string::npos) << ran.output;
  expect_as_unharmed("run");
}

TEST_F(Launch, ASignalStopsWithACheckpoint) {
  for (const char* signal : {"TERM", "USR2"}) {
    const std::string run = fmt::format("run{}", signal);
    const Ran ran = struck(run, "-n 2", fmt::format("kill -{} $sup", signal), "epochs=400");
    EXPECT_EQ(ran.exit_code, 75) << ran.output;
    EXPECT_EQ(Json::parse(shop.file(run + "/status.json"))["state"], "stopped");
  }
  ASSERT_EQ(launch("runTERM", "-n 2").exit_code, 65) << "of another length";
}

TEST_F(Launch, WithoutItsSupervisorTheRunFinishes) {
  const Ran ran = struck(
      "run", "-n 2",
      fmt::format("kill -KILL $sup; rm {}/held; for i in $(seq 400); do [ -z \"$(ranks)\" ] && break; sleep 0.1; done", shop.path("run")));
  EXPECT_EQ(ran.exit_code, 137);
  EXPECT_EQ(Json::parse(shop.file("run/status.json"))["state"], "done");
  expect_as_unharmed("run");
}

TEST_F(Launch, OrStopsByRecipe) {
  const Ran ran = struck("run", "-n 2", "kill -KILL $sup; for i in $(seq 400); do [ -z \"$(ranks)\" ] && break; sleep 0.1; done",
                         "without_supervisor=stop epochs=2000");
  EXPECT_EQ(Json::parse(shop.file("run/status.json"))["state"], "stopped") << ran.output;
  EXPECT_EQ(Json::parse(shop.file("run/status.json"))["exit_code"], 75);
}

TEST_F(Launch, WhatWouldFailAgainIsNotStartedAgain) {
  const Ran recipe = launch("run", "-n 2", "learning_rate=3");
  EXPECT_EQ(recipe.exit_code, 65) << recipe.output;
  EXPECT_FALSE(fs::exists(shop.path("run"))) << "nothing was started";

  shop.write("train.tsv", "text\tlabel\nfine\n");
  const Ran data = launch("run", "-n 2");
  EXPECT_EQ(data.exit_code, 65) << data.output;
  EXPECT_EQ(event("run", "restart")["at"], 0) << data.output;
  EXPECT_NE(event("run", "failed")["message"].get<std::string>().find("train.tsv"), std::string::npos) << data.output;
  const Ran many = launch("run", "-n 9 --hosts a:4,b:4");
  EXPECT_EQ(many.exit_code, 64);
  EXPECT_NE(many.output.find("the hosts have 8 slots: a:4,b:4"), std::string::npos) << many.output;
  EXPECT_EQ(launch("run", "-n 2 --mpirun /nowhere/mpirun").exit_code, 64);
}

TEST_F(Launch, AttemptsThatReachNoStepAreNotRepeatedForEver) {
  const Ran ran = launch("run", "-n 2 --mpirun false");
  EXPECT_EQ(ran.exit_code, 69) << ran.output;
  EXPECT_NE(ran.output.find("two attempts in a row ended before their first step"), std::string::npos) << ran.output;
}

// 1,024 ranks that only send pulses: a fifth of a core and 200 MB at the most would do for four times as many.
TEST_F(Launch, ManyRanksCostLittle) {
  const Ran ran =
      shell(fmt::format("MANY_RANKS_SECONDS=8 {0}/thaw launch -n 1024 --hosts sim:1024 --mpirun {0}/many_ranks {1} & sup=$!; "
                        "ticks() {{ set -- $(cat /proc/$sup/stat); echo $(( ${{14}} + ${{15}} )); }}; "
                        "sleep 3; before=$(ticks); sleep 4; echo ticks $(( $(ticks) - before )); grep VmHWM /proc/$sup/status; wait $sup",
                        THAW_BINARY_DIR, arguments("run")));
  ASSERT_EQ(ran.exit_code, 0) << ran.output;
  EXPECT_LT(std::stoi(ran.output.substr(ran.output.find("ticks ") + 6)), 0.2 / 4 * 400 * 2) << ran.output;  // twice the share of a fifth
  EXPECT_LT(std::stoi(ran.output.substr(ran.output.find("VmHWM:") + 6)), 200 * 1024) << ran.output;
}

class LaunchOnHosts : public Launch {
 protected:
  const Testbed testbed{3};

  void SetUp() override {
    if (!testbed.missing().empty()) GTEST_SKIP() << "virtual hosts cannot be started here: " << testbed.missing();
  }
  std::string cut(int number) const { return fmt::format("{} cut {}", Testbed::script, testbed.host(number)); }
  std::string options() const {
    const std::string all = testbed.mpirun_options(1);
    std::string text;
    bool is_hosts = false;
    for (const std::string& word : split(std::string(trim(all)), ' ')) {
      if (word.empty()) continue;
      if (word == "--host") text += " --hosts ";
      else text += is_hosts ? word : " --mpirun-option=" + word;
      is_hosts = word == "--host";
    }
    return text;
  }
};

TEST_F(LaunchOnHosts, AHostThatIsCutOffIsLeftOut) {
  const Ran ran = struck("run", "-n 3" + options(), fmt::format("{}; date +%s.%N >{}", cut(3), shop.path("struck")));
  ASSERT_EQ(ran.exit_code, 0) << ran.output;
  const Json silent = event("run", "silent");
  EXPECT_NE(silent["message"].get<std::string>().find(testbed.host(3)), std::string::npos) << silent;
  EXPECT_LT(silent["at"].get<double>() - std::stod(shop.file("struck")), 15);
  EXPECT_NE(event("run", "restart")["message"].get<std::string>().find(
                fmt::format("2 ranks on {}:1,{}:1, from step-", testbed.host(1), testbed.host(2))),
            std::string::npos)
      << event("run", "restart");
  // What ran on it ends there by itself.
  EXPECT_TRUE(wait_until([&] { return testbed.exec(3, "pgrep -x thaw").exit_code != 0; }));
  expect_as_unharmed("run");
}

TEST_F(LaunchOnHosts, ASpareHostTakesThePlace) {
  const Ran ran = struck("run", "-n 2" + options(), cut(2));
  ASSERT_EQ(ran.exit_code, 0) << ran.output;
  EXPECT_NE(
      event("run", "restart")["message"].get<std::string>().find(fmt::format("2 ranks on {}:1,{}:1", testbed.host(1), testbed.host(3))),
      std::string::npos)
      << event("run", "restart");
  expect_as_unharmed("run");
}

}  // namespace
}  // namespace thaw::test
