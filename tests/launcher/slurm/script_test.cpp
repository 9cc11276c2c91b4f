// The batch script's own reasoning, run by bash with stand-ins for mpirun and Slurm's commands: what would be lost is a run that
// stopped with a checkpoint and is not put back into the queue, or one that comes back although it was cancelled.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "framework/base/file.h"
#include "launcher/slurm/script.h"
#include "tests/launcher/program.h"

namespace thaw::test {
namespace {

class Script : public ::testing::Test {
 protected:
  const Workshop shop;
  JobScript job;
  std::string state = "RUNNING", environment = "SLURM_JOB_ID=7 SLURM_JOB_NODELIST=n1";

  Script() {
    job.thaw = "thaw";
    job.recipe = shop.path("recipe.yaml");
    job.run = shop.path("run");
    job.max_requeues = 2;
    job.chain_file = shop.path("chain.txt");
    fs::create_directories(shop.path("run"));
    fs::create_directories(shop.path("bin"));
    program("scontrol", "echo \"$@\" >>" + shop.path("requeued"));
    program("scancel", "echo \"$@\" >>" + shop.path("cancelled"));
    shop.write("chain.txt", "7\n8\n");
  }

  void program(const std::string& name, const std::string& body) const {
    shop.write("bin/" + name, "#!/bin/bash\n" + body + "\n");
    fs::permissions(shop.path("bin/" + name), fs::perms::owner_all);
  }
  // Runs the script; `launcher` is what mpirun does, `strike` what happens meanwhile ($job is the script).
  Ran run(const std::string& launcher, const std::string& strike = "true") const {
    program("mpirun", launcher);
    program("srun", launcher);
    program("squeue", "echo " + state);
    shop.write("job.sbatch", write_script(job));
    shop.write("run.sh", fmt::format("cd {0}\nexport PATH={0}/bin:$PATH {1}\nbash job.sbatch & job=$!\n{2}\nwait $job\n", shop.path(),
                                     environment, strike));
    return shell("bash " + shop.path("run.sh"));
  }
  std::string said(const std::string& file) const { return fs::exists(shop.path(file)) ? shop.file(file) : ""; }
  static std::string says(const std::string& state) { return "printf '{\\n  \"state\": \"" + state + "\"\\n}\\n' >run/status.json; "; }
};

TEST_F(Script, DoneIsDone) {
  EXPECT_EQ(run("[ \"$*\" = \"thaw train --stopped-exit-code 0 " + shop.path("recipe.yaml") + "\" ] && " + says("done")).exit_code, 0);
  EXPECT_EQ(said("requeued"), "");
}

TEST_F(Script, StoppedWithACheckpointGoesBackIntoTheQueue) {
  EXPECT_EQ(run(says("stopped")).exit_code, 75);
  EXPECT_EQ(said("requeued"), "requeue 7\n");
}

TEST_F(Script, ARunOfAnArrayGoesBackByItsOwnNumber) {
  environment += " SLURM_ARRAY_JOB_ID=5 SLURM_ARRAY_TASK_ID=3";
  EXPECT_EQ(run("exit 75").exit_code, 75);
  EXPECT_EQ(said("requeued"), "requeue 5_3\n");
}

TEST_F(Script, TheSupervisorSaysItselfHowItEnded) {
  job.launcher = JobScript::Launcher::thaw;
  job.thaw = shop.path("bin/thaw");
  program("thaw", fmt::format("[ \"$*\" = \"launch --no-page {}\" ] && exit 75", shop.path("recipe.yaml")));
  EXPECT_EQ(run("exit 1").exit_code, 75);
  EXPECT_EQ(said("requeued"), "requeue 7\n");
  EXPECT_NE(write_script(job).find("\n#SBATCH --no-kill\n"), std::string::npos);
}

// mpirun's own codes: 1 after TERM, 137 where a rank was killed.
TEST_F(Script, TheRunsStatusCountsBeforeTheLaunchersCode) {
  EXPECT_EQ(run(says("stopped") + "exit 1").exit_code, 75);
  EXPECT_EQ(said("requeued"), "requeue 7\n");
  EXPECT_EQ(run(says("done") + "exit 137").exit_code, 0);
}

TEST_F(Script, AStatusOfAnEarlierStartDoesNotCount) {
  shop.write("run/status.json", "{\n  \"state\": \"stopped\"\n}\n");
  EXPECT_EQ(run("exit 137").exit_code, 137);
  EXPECT_EQ(said("requeued"), "");
  EXPECT_EQ(run("exit 0").exit_code, 75) << "stopped once more, at the same step and in the same second";
}

TEST_F(Script, AFailureStays) {
  for (const int code : {64, 65, 66, 70, 73, 137}) EXPECT_EQ(run(says("failed") + fmt::format("exit {}", code)).exit_code, code);
  EXPECT_EQ(said("requeued"), "");
}

TEST_F(Script, NotOftenerThanAsked) {
  environment += " SLURM_RESTART_COUNT=2";
  const Ran ran = run("exit 75");
  EXPECT_EQ(ran.exit_code, 75);
  EXPECT_EQ(said("requeued"), "");
  EXPECT_NE(ran.output.find("not once more"), std::string::npos) << ran.output;
}

TEST_F(Script, ACancelledJobDoesNotComeBack) {
  state = "COMPLETING";
  EXPECT_EQ(run(says("stopped") + "exit 75").exit_code, 75);
  EXPECT_EQ(said("requeued"), "");
}

// Both become USR2 to the launcher, which hands that on; the script waits for its end.
TEST_F(Script, SignalsReachTheLauncher) {
  for (const char* signal : {"USR2", "TERM"}) {
    const Ran ran =
        run("trap \"echo got USR2 >>got; sleep 0.3; " + std::string("exit 75\" USR2; touch ready; while :; do sleep 0.05; done"),
            fmt::format("until [ -e ready ]; do sleep 0.02; done; rm ready; kill -{} $job", signal));
    EXPECT_EQ(ran.exit_code, 75) << signal << ran.output;
  }
  EXPECT_EQ(said("got"), "got USR2\ngot USR2\n");
  EXPECT_EQ(said("requeued"), "requeue 7\nrequeue 7\n");
}

// A rank is killed before it listens, or cannot save in time: what the launcher says then is no failure of the run.
TEST_F(Script, StoppedTooEarlyGoesBackToo) {
  EXPECT_EQ(run("touch ready; while :; do sleep 0.05; done", "until [ -e ready ]; do sleep 0.02; done; kill -USR2 $job").exit_code, 75);
  EXPECT_EQ(said("requeued"), "requeue 7\n");
}

TEST_F(Script, SetUpComesFirstAndMayNotEndTheScript) {
  job.setup_file = "modules.sh";
  job.setup = "set -eu\nexport FROM_SETUP=here";
  EXPECT_EQ(run("[ $FROM_SETUP = here ] && exit 75").exit_code, 75);
  EXPECT_EQ(said("requeued"), "requeue 7\n");
}

TEST_F(Script, AChainGoesOnAfterACheckpointAndEndsAfterAnError) {
  job.requeue = false;
  EXPECT_EQ(run("exit 75").exit_code, 75);
  EXPECT_EQ(said("cancelled"), "");
  EXPECT_EQ(run("exit 65").exit_code, 65);
  EXPECT_EQ(said("cancelled"), "--state=PENDING 7 8\n");
  EXPECT_EQ(said("requeued"), "");
}

TEST_F(Script, WhatTheLauncherIsGiven) {
  environment += " SLURM_CPUS_PER_TASK=4 SLURM_EXPORT_ENV=NONE";
  const std::string tell =
      "echo \"$SLURM_EXPORT_ENV/${SRUN_CPUS_PER_TASK-}/${SLURM_CPUS_PER_TASK-}/$OMPI_MCA_odls_base_sigkill_timeout $*\" >told";
  run(tell);
  EXPECT_EQ(said("told"), "///15 thaw train --stopped-exit-code 0 " + job.recipe + "\n")
      << "mpirun's daemons must have all cores of a node";
  job.launcher = JobScript::Launcher::srun;
  job.container = "/images/it's.sif";
  run(tell);
  EXPECT_EQ(said("told"), "/4/4/ --mpi=pmix --kill-on-bad-exit=1 apptainer exec --nv /images/it's.sif thaw train --stopped-exit-code 0 " +
                              job.recipe + "\n");
}

TEST_F(Script, ASweepsRunIsChosenByItsNumber) {
  job.sweep = {{{"seed=1", "output_dir=a"}, "a"}, {{"seed=2", "output_dir='$(touch gone) b'"}, "$(touch gone) b"}};
  environment += " SLURM_ARRAY_JOB_ID=5 SLURM_ARRAY_TASK_ID=1";
  job.overrides = {"model=it's \"here\""};
  EXPECT_EQ(run("printf '%s|' \"$@\" >told").exit_code, 0);
  EXPECT_EQ(said("told"), "thaw|train|--stopped-exit-code|0|" + job.recipe + "|model=it's \"here\"|seed=2|output_dir='$(touch gone) b'|");
  EXPECT_FALSE(fs::exists(shop.path("gone")));
}

}  // namespace
}  // namespace thaw::test
