// Jobs on a real Slurm of two nodes (cluster/testbeds/slurm.sh): preempted, warned of their time limit, on a node that is lost,
// cancelled. What would be lost is a run's bits, or a run that never comes back. All cases share one testbed.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <memory>

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
                                         // two daemons of mpirun on one machine would write one file of its topology
                                         "export OMP_WAIT_POLICY=passive OMPI_MCA_rtc=^hwloc THAW={4}/thaw\n{5}\n",
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
    // Slurm looks at time limits twice a minute: meanwhile the other cases run.
    timed = submit("timed", "epochs=1000000 --nodes 1 --ntasks-per-node 2 --partition high --time 1 --signal-ahead 50");
    const Ran ran =
        thaw(fmt::format("train {} output_dir={} {}", testbed->shop.path("recipe.yaml"), testbed->shop.path("whole"), usual), 2);
    EXPECT_EQ(ran.exit_code, 0) << ran.output;
  }
  static void TearDownTestSuite() { testbed.reset(); }
  void SetUp() override {
    if (!testbed) GTEST_SKIP() << "no slurmctld, slurmd, munged or sbatch; cluster/setup.sh --tests brings them";
    ASSERT_EQ(testbed->why_not, "");
  }

  static Ran slurm(const std::string& command) { return testbed->run(command); }
  static std::string submit(const std::string& run, const std::string& arguments) {
    const Ran ran = slurm(fmt::format("$THAW submit recipe.yaml --json output_dir={} {}", run, arguments));
    EXPECT_EQ(ran.exit_code, 0) << ran.output;
    const Json report = Json::parse(ran.output, nullptr, false);
    return report.is_object() ? report["job"].get<std::string>() : "";
  }
  static std::string field(const std::string& job, const std::string& name) {
    const std::string text = " " + slurm("scontrol show job --oneliner " + job).output;
    const std::size_t at = text.find(" " + name + "=");
    return at == std::string::npos ? "" : text.substr(at + name.size() + 2, text.find_first_of(" \n", at + 1) - at - name.size() - 2);
  }
  static bool ends(const std::string& job) {
    return wait_until([&] { return slurm("squeue --noheader --jobs=" + job + " || true").output.find(job) == std::string::npos; });
  }
  static std::string read(const std::string& name) { return fs::exists(testbed->shop.path(name)) ? testbed->shop.file(name) : ""; }
  static bool learns(const std::string& run) {
    return wait_until([&] { return read(run + "/log.jsonl").size() > 4000; });
  }
  static std::string output(const std::string& run, const std::string& job) { return read(run + "/slurm/" + job + ".out"); }

  static void expect_whole(const std::string& run, const std::string& job) {
    ASSERT_TRUE(ends(job)) << output(run, job);
    EXPECT_EQ(field(job, "JobState"), "COMPLETED") << output(run, job);
    EXPECT_EQ(read(run + "/best/model.safetensors"), read("whole/best/model.safetensors")) << output(run, job);
  }
  // Back in the queue with a checkpoint, and from there to the bits of the run that nothing happened to.
  static void expect_resumed(const std::string& run, const std::string& job) {
    expect_whole(run, job);
    EXPECT_EQ(field(job, "Restarts"), "1") << output(run, job);
    EXPECT_NE(output(run, job).find("resumed    from step-"), std::string::npos) << output(run, job);
  }

  static constexpr const char* usual = "epochs=300 reproducible=true batch.grain=4 checkpoint.every_steps=1000000";
  static constexpr const char* two_nodes = " --nodes 2 --ntasks-per-node 1 --time 10 ";
  static std::unique_ptr<Testbed> testbed;
  static std::string timed;
};
std::unique_ptr<Testbed> Slurm::testbed;
std::string Slurm::timed;

TEST_F(Slurm, ARunOnTwoNodesHasTheSameBits) {
  for (const char* launcher : {"mpirun", "srun"}) {
    const std::string run = std::string("plain-") + launcher;
    const std::string job = submit(run, fmt::format("{}{}--launcher {}", usual, two_nodes, launcher));
    expect_whole(run, job);
    EXPECT_NE(output(run, job).find("1 rank on n1"), std::string::npos) << output(run, job);
  }
}

}  // namespace
}  // namespace thaw::test
