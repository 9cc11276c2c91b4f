// Jobs on a real Slurm of two nodes (cluster/testbeds/slurm.sh): preempted, warned of their time limit, on a node that is lost,
// cancelled. What would be lost is a run's bits, or a run that never comes back. All cases share one testbed.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <fstream>
#include <iterator>
#include <memory>
#include <sstream>

#include "framework/base/file.h"
#include "framework/train/checkpoint.h"
#include "tests/launcher/program.h"

namespace thaw::test {
namespace {

const std::string testbed_script = THAW_SOURCE_DIR "/cluster/testbeds/slurm.sh";

// Slurm, a workshop that its jobs work in, and a run that nothing happened to.
class Testbed {
 public:
  Testbed() : folder_(fs::temp_directory_path() / fmt::format("thaw-slurm-{}", ::getpid())) {
    const Ran ran = shell(testbed_script + " start " + folder_.string());
    why_not = ran.exit_code == 0 ? "" : ran.output;
  }
  ~Testbed() {
    const Ran ran = shell(testbed_script + " stop " + folder_.string());
    EXPECT_EQ(ran.exit_code, 0) << ran.output;
    if (!testing::UnitTest::GetInstance()->Failed()) fs::remove_all(folder_);
  }
  // Slurm's commands, and thaw, where the recipe is.
  Ran run(const std::string& command) const {
    shop.write("command.sh", fmt::format("set -e; cd {0}\n. {1}/cluster/mpi.sh\neval \"$({2} env {3})\"\n"
                                         "export OMP_WAIT_POLICY=passive OMPI_MCA_mpi_yield_when_idle=1 THAW={4}/thaw\n{5}\n",
                                         shop.path(), THAW_SOURCE_DIR, testbed_script, folder_.string(), THAW_BINARY_DIR, command));
    return shell("bash " + shop.path("command.sh"));
  }
  const Workshop shop;
  std::string why_not;

 private:
  fs::path folder_;
};

class Slurm : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (shell("PATH=$PATH:/usr/sbin; command -v slurmctld slurmd munged sbatch").exit_code != 0) return;
    testbed = std::make_unique<Testbed>();
    if (!testbed->why_not.empty()) return;
    testbed->shop.write("held.sh", hold_runs + "\n");
    // What waits long: Slurm looks at time limits twice a minute, and lets a requeued job wait. Meanwhile the other cases run.
    testbed->shop.write("gently.sh", "renice -n 19 $$\n");
    timed = submit(
        "timed",
        "epochs=1000000 evaluate.every_steps=240 --nodes 1 --nodelist n1 --partition high --time 1 --signal-ahead 50 --setup gently.sh");
    const std::string briefly = "epochs=1000000 evaluate.every_steps=1000000 max_time=0.3s --nodes 1 --partition high --time 10 ";
    limited = submit("limited", briefly + "--max-requeues 1");
    chain = submit_json("chain", briefly + "--no-requeue --max-requeues 2");
    finished_chain = submit_json("finished-chain", "epochs=1 --nodes 1 --partition high --time 10 --no-requeue");
    const Ran ran = thaw(fmt::format("train {} output_dir={} {}", testbed->shop.path("recipe.yaml"), testbed->shop.path("whole"), usual));
    EXPECT_EQ(ran.exit_code, 0) << ran.output;
  }
  static void TearDownTestSuite() { testbed.reset(); }
  void SetUp() override {
    if (!testbed) GTEST_SKIP() << "no slurmctld, slurmd, munged or sbatch; cluster/setup.sh --tests brings them";
    ASSERT_EQ(testbed->why_not, "");
  }

  static Ran slurm(const std::string& command) { return testbed->run(command); }
  static Json submit_json(const std::string& run, const std::string& arguments) {
    const Ran ran = slurm(fmt::format("$THAW submit recipe.yaml --json output_dir={} {}", run, arguments));
    EXPECT_EQ(ran.exit_code, 0) << ran.output;
    return Json::parse(ran.output);
  }
  static std::string submit(const std::string& run, const std::string& arguments) { return submit_json(run, arguments)["job"]; }
  // A field of `scontrol show job`, such as JobState.
  static std::string field(const std::string& job, const std::string& name) {
    std::istringstream words(slurm("scontrol show job --oneliner " + job).output);
    for (std::string word; words >> word;)
      if (word.starts_with(name + "=")) return word.substr(name.size() + 1);
    return "";
  }
  static bool ends(const std::string& job) {
    return wait_until([&] { return slurm("squeue --noheader --jobs=" + job + " || true").output.find(job) == std::string::npos; });
  }
  static std::string read(const std::string& name) { return fs::exists(testbed->shop.path(name)) ? testbed->shop.file(name) : ""; }
  static bool learns(const std::string& run) {
    return wait_until([&] { return read(run + "/log.jsonl").size() > 2000; });
  }
  static std::string output(const std::string& run, const std::string& job) { return read(run + "/slurm/" + job + ".out"); }

  static void expect_whole(const std::string& run, const std::string& job) {
    ASSERT_TRUE(ends(job)) << output(run, job);
    EXPECT_EQ(field(job, "JobState"), "COMPLETED") << output(run, job);
    EXPECT_TRUE(read(run + "/best/model.safetensors") == read("whole/best/model.safetensors")) << output(run, job);
  }
  static std::vector<pid_t> ranks_of(const std::string& run) {
    std::vector<pid_t> ranks;
    for (const auto& process : fs::directory_iterator("/proc")) {
      std::ifstream file(process.path() / "cmdline");
      const std::string words((std::istreambuf_iterator<char>(file)), {});
      const std::string program = words.substr(0, words.find('\0'));
      if (program.ends_with("/thaw") && words.starts_with(program + '\0' + "train" + '\0') &&
          words.find('\0' + fmt::format("output_dir={}", run) + '\0') != std::string::npos &&
          words.find(testbed->shop.path()) == std::string::npos)
        ranks.push_back(static_cast<pid_t>(std::stol(process.path().filename().string())));
    }
    return ranks;
  }
  // It learns, and waits to be struck: see hold_runs.
  static void expect_held(const std::string& run) {
    ASSERT_TRUE(wait_until([&] { return fs::exists(testbed->shop.path(run + "/held")); })) << run;
    ASSERT_EQ(read(run + "/result.json"), "") << "it was over before it was struck";
  }

  // Back in the queue with a checkpoint, and from there to the bits of the run that nothing happened to.
  static void expect_resumed(const std::string& run, const std::string& job) {
    expect_whole(run, job);
    EXPECT_EQ(field(job, "Restarts"), "1") << output(run, job);
    EXPECT_NE(output(run, job).find("resumed    from step-"), std::string::npos) << output(run, job);
  }

  static constexpr const char* usual = "epochs=20 reproducible=true batch.grain=4 checkpoint.every_steps=1000000 evaluate.every_steps=40";
  static constexpr const char* struck = " --setup held.sh";
  static constexpr const char* two_nodes = " --nodes 2 --ntasks-per-node 1 --time 10 ";
  static std::unique_ptr<Testbed> testbed;
  static std::string timed, limited;
  static Json chain, finished_chain;
};
std::unique_ptr<Testbed> Slurm::testbed;
std::string Slurm::timed, Slurm::limited;
Json Slurm::chain, Slurm::finished_chain;

TEST_F(Slurm, ARunOnTwoNodesHasTheSameBits) {
  const std::string mpirun = submit("plain-mpirun", fmt::format("{}{}", usual, two_nodes));
  const std::string srun = submit("plain-srun", fmt::format("{}{}--launcher srun", usual, two_nodes));
  for (const auto& [run, job] : {std::pair{"plain-mpirun", mpirun}, {"plain-srun", srun}}) {
    expect_whole(run, job);
    EXPECT_NE(output(run, job).find("start 1, on n[1-2]"), std::string::npos) << output(run, job);
    EXPECT_EQ(Json::parse(read(std::string(run) + "/result.json"))["ranks"], 2);
  }
}

// A job of the higher partition needs their cores: without grace Slurm puts the job back by itself, with grace the script does.
TEST_F(Slurm, APreemptedRunComesBackAndEndsWithTheSameBits) {
  const std::string at_once = submit("preempted", fmt::format("{}{}{} --partition low", usual, two_nodes, struck));
  const std::string grace = submit("grace", fmt::format("{}{}{} --partition grace --launcher srun", usual, two_nodes, struck));
  expect_held("preempted");
  expect_held("grace");
  slurm("sbatch --partition high --nodes 2 --ntasks-per-node 1 --cpus-per-task 3 --time 1 --output /dev/null --wrap 'sleep 1'");
  expect_resumed("preempted", at_once);
  expect_resumed("grace", grace);
}

// As the signal ahead of the time limit comes: to the script where it runs mpirun, to the tasks of srun.
TEST_F(Slurm, AWarnedRunComesBackAndEndsWithTheSameBits) {
  const std::string mpirun = submit("warned-mpirun", fmt::format("{}{}{}", usual, two_nodes, struck));
  const std::string srun = submit("warned-srun", fmt::format("{}{}{} --launcher srun", usual, two_nodes, struck));
  expect_held("warned-mpirun");
  expect_held("warned-srun");
  slurm("scancel --batch --signal=USR2 " + mpirun + "; scancel --signal=USR2 " + srun);
  expect_resumed("warned-mpirun", mpirun);
  expect_resumed("warned-srun", srun);
}

// Drained, a node keeps what runs on it; lost, its jobs go back into the queue and on with the nodes that remain.
TEST_F(Slurm, ALostNodesRunGoesOnOnTheOther) {
  slurm("scontrol update nodename=n1 weight=10");
  const std::string job =
      submit("lost", fmt::format("{} checkpoint.every_steps=10 --nodes 1 --ntasks-per-node 2 --time 10{}", usual, struck));
  ASSERT_TRUE(wait_until([&] { return fs::exists(testbed->shop.path("lost/checkpoints/latest")); }));
  slurm("scontrol update nodename=n2 state=drain reason=test");
  EXPECT_EQ(field(job, "JobState"), "RUNNING");
  EXPECT_EQ(field(job, "NodeList"), "n2");
  expect_held("lost");
  slurm("scontrol update nodename=n2 state=down reason=test");
  expect_resumed("lost", job);
  EXPECT_NE(output("lost", job).find("start 2, on n1\n"), std::string::npos) << output("lost", job);
  slurm("scontrol update nodename=n2 state=resume; scontrol update nodename=n1 weight=1");
}

// With the supervisor in the job, a lost node is not the job's end: on it goes with what is left, in the same job.
TEST_F(Slurm, ASupervisedRunOutlivesANode) {
  const std::string job = submit("supervised", fmt::format("{} checkpoint.every_steps=10{}{} --launcher thaw", usual, two_nodes, struck));
  ASSERT_TRUE(wait_until([&] { return fs::exists(testbed->shop.path("supervised/checkpoints/latest")); })) << output("supervised", job);
  expect_held("supervised");
  slurm("scontrol update nodename=n2 state=down reason=test");
  expect_whole("supervised", job);
  EXPECT_EQ(field(job, "Restarts"), "0") << output("supervised", job);
  const std::string events = read("supervised/launch/events.jsonl");
  EXPECT_NE(events.find("n2 does not answer: left out from here on"), std::string::npos) << events << output("supervised", job);
  EXPECT_NE(events.find(" of 3: 1 rank on n1:1, from step-"), std::string::npos) << events;
  slurm("scontrol update nodename=n2 state=resume");
}

// The signal ahead of the limit goes to the script, from there to the supervisor, and from it to all ranks.
TEST_F(Slurm, AWarnedSupervisedRunComesBack) {
  const std::string job = submit("warned-supervised", fmt::format("{}{}{} --launcher thaw", usual, two_nodes, struck));
  expect_held("warned-supervised");
  slurm("scancel --batch --signal=USR2 " + job + "; scancel --batch --signal=TERM " + job);
  expect_resumed("warned-supervised", job);
}

TEST_F(Slurm, CancelledLeavesNoProcess) {
  const std::string endless = "epochs=1000000 evaluate.every_steps=1000000";
  const std::string mpirun = submit("cancelled-mpirun", endless + two_nodes);
  const std::string srun = submit("cancelled-srun", endless + two_nodes + "--launcher srun");
  for (const char* run : {"cancelled-mpirun", "cancelled-srun"}) EXPECT_TRUE(learns(run));
  slurm("scancel " + mpirun + " " + srun);
  for (const auto& [run, job] : {std::pair{"cancelled-mpirun", mpirun}, {"cancelled-srun", srun}}) {
    EXPECT_TRUE(ends(job));
    EXPECT_TRUE(wait_until([&] { return ranks_of(run).empty(); }));
    EXPECT_EQ(field(job, "JobState"), "CANCELLED") << output(run, job);
    EXPECT_EQ(field(job, "Restarts"), "0");
    EXPECT_NE(read(std::string(run) + "/status.json").find("stopped"), std::string::npos) << "there was time to save";
  }
}

TEST_F(Slurm, ASweepOfThreeSeedsIsCompared) {
  const std::string job = submit("'sweep-{seed}'", "epochs=2 --sweep seed=1..3 --at-once 1 --nodes 1 --time 10");
  ASSERT_TRUE(ends(job));
  std::vector<double> values;
  for (const char* run : {"sweep-1", "sweep-2", "sweep-3"}) values.push_back(Json::parse(read(std::string(run) + "/result.json"))["value"]);
  double pairs = 0;  // the squared differences of all pairs, over n (n - 1), are the sample's variance
  for (std::size_t i = 0; i < 3; ++i) pairs += std::pow(values[i] - values[(i + 1) % 3], 2);
  const Json report = Json::parse(slurm("$THAW compare --json sweep-[123]").output);
  ASSERT_EQ(report["groups"].size(), 1U) << report;
  EXPECT_EQ(report["groups"][0]["n"], 3);
  EXPECT_NEAR(report["groups"][0]["mean"].get<double>(), (values[0] + values[1] + values[2]) / 3, 1e-12);
  EXPECT_NEAR(report["groups"][0]["std"].get<double>(), std::sqrt(pairs / 6), 1e-12);
}

// Where requeueing is forbidden: each job of the chain goes on where the one before stopped, and success cancels the rest.
TEST_F(Slurm, AChainGoesOnAndStops) {
  ASSERT_EQ(chain["jobs"].size(), 3U);
  for (const std::string job : chain["jobs"]) {
    ASSERT_TRUE(ends(job));
    EXPECT_EQ(field(job, "ExitCode"), "75:0") << output("chain", job);
  }
  EXPECT_NE(output("chain", chain["jobs"][2]).find("resumed    from step-"), std::string::npos);
  for (const std::string job : finished_chain["jobs"]) {
    ASSERT_TRUE(ends(job));
    EXPECT_EQ(field(job, "JobState"), job == finished_chain["job"] ? "COMPLETED" : "CANCELLED");
  }
}

TEST_F(Slurm, NotOftenerThanAsked) {
  ASSERT_TRUE(ends(limited));
  EXPECT_EQ(field(limited, "Restarts"), "1");
  EXPECT_EQ(field(limited, "ExitCode"), "75:0") << output("limited", limited);
}

// Nothing in a path or an override is taken for a command, by Slurm or by bash.
TEST_F(Slurm, OddPathsAreOnlyPaths) {
  const std::string odd = "odd 'it`s' \"$HOME\" $(touch hit) #1 100% ;touch hit";
  const Json written = odd;  // JSON's quotes are YAML's
  testbed->shop.write("override.txt", "output_dir=" + written.dump());
  const Ran ran =
      slurm("$THAW submit recipe.yaml epochs=1 --json --nodes 1 --time 10 --comment \"$(cat override.txt)\" \"$(cat override.txt)\"");
  ASSERT_EQ(ran.exit_code, 0) << ran.output;
  const std::string job = Json::parse(ran.output)["job"];
  ASSERT_TRUE(ends(job));
  EXPECT_EQ(field(job, "JobState"), "COMPLETED");
  EXPECT_NE(read(odd + "/status.json").find("done"), std::string::npos) << output(odd, job);
  EXPECT_NE(output(odd, job).find("start 1"), std::string::npos);
  EXPECT_FALSE(fs::exists(testbed->shop.path("hit")));
  EXPECT_FALSE(fs::exists(testbed->shop.path(odd + "/hit")));
}

// Beside the other testbed: a start that is killed at any moment leaves nothing that `stop` does not find.
TEST_F(Slurm, ATestbedKilledHalfWayIsStoppedAndStartsAgain) {
  const fs::path folder = fs::temp_directory_path() / fmt::format("thaw-second-{}", ::getpid());
  const auto processes = [&] {
    std::size_t count = 0;
    for (const auto& process : fs::directory_iterator("/proc")) {
      std::ifstream file(process.path() / "environ");
      const std::string text((std::istreambuf_iterator<char>(file)), {});
      count += text.find("THAW_TESTBED=" + folder.string() + '\0') != std::string::npos ? 1 : 0;
    }
    return count;
  };
  {
    Background start(testbed_script + " start " + folder.string());
    EXPECT_TRUE(wait_until([&] { return processes() > 0; }));
  }
  EXPECT_EQ(shell(testbed_script + " stop " + folder.string()).exit_code, 0);
  EXPECT_EQ(processes(), 0U);
  const Ran again = shell(testbed_script + " start " + folder.string());
  EXPECT_EQ(again.exit_code, 0) << again.output;
  EXPECT_LT(again.seconds, 15);
  EXPECT_NE(slurm("sinfo").output.find("low*"), std::string::npos) << "the other one is there still";
  EXPECT_EQ(shell(testbed_script + " stop " + folder.string()).exit_code, 0);
  EXPECT_EQ(processes(), 0U);
  fs::remove_all(folder);
}

TEST_F(Slurm, WhatSbatchRefusesIsSaid) {
  const Ran ran = slurm("$THAW submit recipe.yaml output_dir=refused --partition nowhere --nodes 1 --time 10");
  EXPECT_EQ(ran.exit_code, 64);
  EXPECT_NE(ran.output.find("invalid partition"), std::string::npos) << ran.output;
}

// Of the job that was submitted before all others: a minute long, told 50 s ahead, as soon as Slurm looks at the time.
TEST_F(Slurm, AtTheTimeLimitARunSavesAndComesBack) {
  const auto says = [](const char* what) { return output("timed", timed).find(what) != std::string::npos; };
  for (int halves = 0; halves < 2 && !says("resumed    from step-"); ++halves) wait_until([&] { return says("resumed    from step-"); });
  EXPECT_TRUE(says("(signal")) << output("timed", timed);
  EXPECT_TRUE(says("goes back into the queue")) << output("timed", timed);
  EXPECT_TRUE(says("resumed    from step-")) << output("timed", timed);
  slurm("scancel " + timed);
  EXPECT_TRUE(ends(timed));
}

}  // namespace
}  // namespace thaw::test
