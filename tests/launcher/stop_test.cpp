// Runs that are asked to stop, or to save, and runs whose ranks die: nothing is lost, and nobody waits for ever.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "framework/base/file.h"
#include "framework/train/checkpoint.h"
#include "tests/launcher/program.h"

namespace thaw::test {
namespace {

class Stop : public ::testing::Test {
 protected:
  const Workshop shop;

  // Long enough to be struck, and saved once an epoch.
  std::string command(const std::string& run, const std::string& more = "") const {
    return shop.train(run, "epochs=40 reproducible=true batch.grain=4 checkpoint.every_steps=100000 " + more);
  }
  Json status(const std::string& run) const {
    return fs::exists(shop.path(run + "/status.json")) ? Json::parse(shop.file(run + "/status.json")) : Json::object();
  }
  // Runs it under mpirun, strikes once it is held, and gives the launcher's exit code.
  Ran struck(const std::string& run, int ranks, const std::string& strike, const std::string& more = "",
             const std::string& before = "true") const {
    const std::string command_line = thaw_command(command(run, more), ranks);
    return shell(fmt::format(
        "{4}; {1}; {2} & job=$!; for i in $(seq 2000); do [ -e {0}/held ] && break; sleep 0.01; done; "
        "ranks() {{ for p in $(pgrep -x thaw); do grep -qs output_dir={0} /proc/$p/cmdline && echo $p; done; }}; {3}; wait $job",
        shop.path(run), before, command_line, strike, hold_runs));
  }
  void expect_resumes_to(const std::string& whole, const std::string& run, int ranks) const {
    const Ran ran = thaw(command(run), ranks);
    ASSERT_EQ(ran.exit_code, 0) << ran.output;
    EXPECT_EQ(shop.file(run + "/best/model.safetensors"), shop.file(whole + "/best/model.safetensors"));
    const auto a = shop.log(whole), b = shop.log(run);
    ASSERT_EQ(a.size(), b.size());
    for (std::size_t i = 0; i < a.size(); ++i) EXPECT_EQ(a[i]["loss"], b[i]["loss"]) << i;
  }
};

// mpirun hands USR1 and USR2 on; every rank passes the last barrier before any exits.
TEST_F(Stop, ForwardedSignalsSaveAndExit75) {
  ASSERT_EQ(thaw(command("whole"), 2).exit_code, 0);
  for (const char* signal : {"USR1", "USR2"}) {
    const std::string run = std::string("run") + signal;
    const Ran ran = struck(run, 2, fmt::format("kill -{} $job", signal));
    EXPECT_EQ(ran.exit_code, 75) << ran.output;
    EXPECT_EQ(status(run)["state"], "stopped") << ran.output;
    EXPECT_EQ(status(run)["exit_code"], 75);
    EXPECT_EQ(status(run)["last_checkpoint"], checkpoint_name(status(run)["step"]));
    expect_resumes_to("whole", run, 2);
  }
}

TEST_F(Stop, OneProcessStopsByAnyOfTheSignals) {
  ASSERT_EQ(thaw(command("whole")).exit_code, 0);
  for (const char* signal : {"TERM", "INT"}) {
    const std::string run = std::string("run") + signal;
    // A background job of a shell without job control ignores INT from the start; the program listens all the same.
    const Ran ran = struck(run, 1, fmt::format("kill -{} $job", signal));
    EXPECT_EQ(ran.exit_code, 75) << ran.output;
    expect_resumes_to("whole", run, 1);
  }
}

// TERM to mpirun: it kills its ranks after a second, and with `odls_base_sigkill_timeout` later; the save is there either way.
TEST_F(Stop, TermToMpirunLeavesACheckpoint) {
  const Ran ran = struck("run", 2, "kill -TERM $job", "epochs=2000", "export OMPI_MCA_odls_base_sigkill_timeout=8");
  EXPECT_NE(ran.exit_code, 0);
  EXPECT_TRUE(wait_until([&] { return status("run").value("state", "") == "stopped"; })) << ran.output;
  EXPECT_TRUE(newest_checkpoint(shop.path("run")).path);
}

TEST_F(Stop, ASecondSignalEndsAtOnce) {
  // The first one is not seen to: its process is stopped while the second comes.
  const Ran ran =
      struck("run", 1, "kill -STOP $job; kill -TERM $job; sleep 0.1; kill -CONT $job; sleep 1.2; kill -TERM $job 2>/dev/null || true");
  EXPECT_TRUE(ran.exit_code == 75 || ran.exit_code == 143) << ran.exit_code;
}

// In a Slurm job it is no person's: mpirun repeats TERM, and Slurm sends it at the beginning and at the end of a grace period. It is
// sent from when the program catches it: bit 14 of the kernel's mask.
TEST_F(Stop, RepeatedSignalsEndNoRunOfAJob) {
  shop.write("train.tsv", Workshop::rows(3, 500000));  // takes some seconds to be sharded, with the signals coming in
  const auto repeated = [&](const std::string& run, const std::string& before) {
    return shell(
        fmt::format("{}; {} data.cache_dir={} & job=$!; "
                    "until caught=$(grep SigCgt /proc/$job/status) && grep -q thaw /proc/$job/comm && (( 0x${{caught: -5}} & 1 << 14 )); do "
                    "sleep 0.01; done; "
                    "while kill -TERM $job 2>/dev/null; do sleep 0.1; done; wait $job",
                    before, thaw_command(command(run)), shop.path("cache-" + run)));
  };
  EXPECT_EQ(repeated("impatient", "true").exit_code, 143);
  const Ran job = repeated("job", "export SLURM_JOB_ID=1");
  EXPECT_EQ(job.exit_code, 75) << job.output;
}

TEST_F(Stop, SaveNowSavesAndGoesOn) {
  const Ran ran =
      struck("run", 2,
             fmt::format("touch {0}/save-now; for i in $(seq 500); do ls {0}/checkpoints/latest 2>/dev/null && break; sleep 0.01; done; "
                         "ls {0}/save-now && echo remains; rm {0}/held",
                         shop.path("run")),
             "checkpoint.keep=9");
  EXPECT_EQ(ran.exit_code, 0) << ran.output;
  EXPECT_EQ(ran.output.find("remains"), std::string::npos);
  std::size_t saved = 0;
  for (const auto& entry : fs::directory_iterator(shop.path("run/checkpoints"))) saved += entry.is_directory() ? 1 : 0;
  EXPECT_EQ(saved, 2U) << "the one asked for, and that of the end";
  EXPECT_EQ(status("run")["state"], "done");
}

// Asked in the midst of an evaluation, it stops there, and does it again when it goes on.
TEST_F(Stop, AnEvaluationIsLeftAndDoneAgain) {
  shop.write("dev.tsv", Workshop::rows(2, 6000));
  const std::string slow = "evaluate.every_steps=5";
  const std::string run = fmt::format("train {} output_dir=", shop.path("recipe.yaml"));
  ASSERT_EQ(thaw(run + shop.path("whole") + " epochs=2 " + slow).exit_code, 0);
  const Ran ran = thaw(run + shop.path("run") + " epochs=2 max_time=0.001s " + slow);
  EXPECT_EQ(ran.exit_code, 75);
  bool left = false;
  for (int starts = 0, exit_code = 75; exit_code == 75 && starts < 60; ++starts) {
    exit_code = thaw(run + shop.path("run") + " epochs=2 max_time=0.001s " + slow).exit_code;
    if (exit_code == 75) left = left || load_checkpoint(*newest_checkpoint(shop.path("run")).path).values["evaluation_due"].get<bool>();
  }
  EXPECT_TRUE(left);
  EXPECT_EQ(shop.file("run/best/model.safetensors"), shop.file("whole/best/model.safetensors"));
  EXPECT_EQ(Json::parse(shop.file("run/result.json"))["metrics"], Json::parse(shop.file("whole/result.json"))["metrics"]);
}

// A rank that is killed: the others see it within seconds, whether or not the launcher does.
TEST_F(Stop, ALostRankEndsTheOthers) {
  const Ran ran = struck("run", 3, "kill -KILL $(ranks | tail -n 1)", "epochs=2000");
  EXPECT_NE(ran.exit_code, 0);
  EXPECT_LT(ran.seconds, 20);
  EXPECT_NE(ran.output.find("has died"), std::string::npos) << ran.output;
}

// With the launcher gone too, nobody is left behind.
TEST_F(Stop, ALostLauncherEndsTheRanks) {
  const Ran ran = struck("run", 2, "kill -KILL $job; for i in $(seq 100); do [ -z \"$(ranks)\" ] && break; sleep 0.1; done; ranks | wc -l", "epochs=2000");
  EXPECT_NE(ran.output.find("0\n"), std::string::npos) << ran.output;
}

// A stopped rank is taken for lost once a collective takes too long.
TEST_F(Stop, AStoppedRankIsNamed) {
  const Ran ran = struck("run", 2, "kill -STOP $(ranks | tail -n 1)", "epochs=2000 comm_timeout=2s");
  EXPECT_NE(ran.exit_code, 0);
  EXPECT_LT(ran.seconds, 30);
  EXPECT_NE(ran.output.find("is stopped; this rank waits in"), std::string::npos) << ran.output;
  EXPECT_EQ(status("run")["exit_code"], 69);
}

// A rate that ruins the weights makes losses that are not finite: skipped, and in the end refused with the rows' names.
TEST_F(Stop, StepsThatAreNotFiniteAreSkipped) {
  const Ran diverging = thaw(shop.train("diverging", "optimizer.lr=1e30 optimizer.clip_norm=0 divergence.max_skipped=2 epochs=4"), 2);
  EXPECT_EQ(diverging.exit_code, 65) << diverging.output;
  EXPECT_NE(diverging.output.find("skipped: the loss or the gradient's norm is not finite"), std::string::npos) << diverging.output;
  EXPECT_NE(diverging.output.find("2 steps in a row"), std::string::npos) << diverging.output;
  EXPECT_NE(diverging.output.find("train.tsv:"), std::string::npos) << diverging.output;
}

// What a changed recipe may go on with only when told to.
TEST_F(Stop, AForkGoesOnWithAnotherRecipe) {
  ASSERT_EQ(thaw(shop.train("run", "max_time=0.001s")).exit_code, 75);
  const Ran refused = thaw(shop.train("run", "optimizer.lr=0.002"));
  EXPECT_EQ(refused.exit_code, 65);
  EXPECT_NE(refused.output.find("optimizer.lr: 0.001 → 0.002"), std::string::npos) << refused.output;
  const Ran forked = thaw(shop.train("run", "optimizer.lr=0.002 --fork"));
  EXPECT_EQ(forked.exit_code, 0) << forked.output;
  EXPECT_NE(forked.output.find("resumed    from step-00000001"), std::string::npos) << forked.output;
  EXPECT_TRUE(fs::exists(shop.path("run/recipe.1.yaml")));
}

TEST_F(Stop, OtherRowsAreRefused) {
  ASSERT_EQ(thaw(shop.train("run", "max_time=0.001s")).exit_code, 75);
  shop.write("train.tsv", Workshop::rows(3, 90));
  const Ran refused = thaw(shop.train("run"));
  EXPECT_EQ(refused.exit_code, 65) << refused.output;
  EXPECT_NE(refused.output.find("other rows"), std::string::npos) << refused.output;
}

TEST_F(Stop, TheBestCheckpointIsKept) {
  ASSERT_EQ(thaw(shop.train("run", "epochs=4 checkpoint.keep_best=true")).exit_code, 0);
  const std::string best = checkpoint_name(Json::parse(shop.file("run/result.json"))["best_step"]);
  EXPECT_TRUE(fs::exists(shop.path("run/checkpoints/" + best)));
  EXPECT_EQ(shop.file("run/checkpoints/best"), best + "\n");
}

}  // namespace
}  // namespace thaw::test
