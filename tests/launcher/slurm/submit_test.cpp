// thaw submit on a login node: what it refuses, what it passes on, and the templates of cluster/slurm.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "framework/base/file.h"
#include "launcher/slurm/quoting.h"
#include "tests/launcher/program.h"

namespace thaw::test {
namespace {

std::string replaced(std::string text, const std::string& what, const std::string& by) {
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size())) text.replace(at, what.size(), by);
  return text;
}

class Submit : public ::testing::Test {
 protected:
  const Workshop shop;
  // Run where the recipe is. `before`: what the shell does first.
  Ran submit(const std::string& arguments, const std::string& before = "") const {
    shop.write("command.sh", fmt::format("cd {}\n{}\n{} submit {}\n", shop.path(), before, THAW_BINARY_DIR "/thaw", arguments));
    return shell("bash " + shop.path("command.sh"));
  }
  void expect(const std::string& arguments, int code, const std::string& phrase, const std::string& before = "") const {
    const Ran ran = submit(arguments, before);
    EXPECT_EQ(ran.exit_code, code) << arguments << "\n" << ran.output;
    EXPECT_NE(ran.output.find(phrase), std::string::npos) << arguments << ": expected: " << phrase << "\n" << ran.output;
    EXPECT_LT(ran.seconds, 15) << arguments;
  }
};

TEST_F(Submit, RefusesOnTheLoginNode) {
  expect("recipe.yaml optimizer.learning_rate=1", 65, "optimizer.lr");
  expect("nothing.yaml", 66, "nothing.yaml");
  expect("recipe.yaml model=some/where", 66, "hf download some/where");
  expect("recipe.yaml data.train=gone.tsv", 66, "gone.tsv");
  expect("recipe.yaml --setup gone.sh", 66, "gone.sh");
  expect("recipe.yaml --sweep learning_rate=1,2", 65, "optimizer.lr");
  expect("recipe.yaml --sweep lr", 64, "key=first..last");
  expect("recipe.yaml --time 0:10 --signal-ahead 60", 64, "time limit");
  expect("recipe.yaml --array 0-3", 64, "--sweep");
  expect("recipe.yaml --signal=TERM@5", 64, "--signal-ahead");
  expect("recipe.yaml --launcher ssh", 64, "mpirun");
  expect("recipe.yaml --launcher thaw --container thaw.sif", 64, "outside of a container");
  expect("recipe.yaml word", 64, "word");
  EXPECT_FALSE(fs::exists(shop.path("run"))) << "nothing is written before all is well";
  expect("recipe.yaml --dry-run", 0, "#SBATCH --requeue", "PATH=/nowhere");
  EXPECT_FALSE(fs::exists(shop.path("run")));
  expect("recipe.yaml", 66, "no login node", "PATH=/nowhere");
}

TEST_F(Submit, PassesOnWhatSbatchKnows) {
  const std::string script =
      submit("recipe.yaml --mem 64G --exclusive -p gpu --mail-type=END -H --begin now+1hour --newest=\"a b\" --dry-run optimizer.lr=1e-3")
          .output;
  for (const char* line : {"#SBATCH --mem=64G\n", "#SBATCH --exclusive\n", "#SBATCH --partition=gpu\n", "#SBATCH --mail-type=END\n",
                           "#SBATCH -H\n", "#SBATCH --begin=now+1hour\n", "#SBATCH --newest=\"a b\"\n", "overrides=(optimizer.lr=1e-3)\n"})
    EXPECT_NE(script.find(line), std::string::npos) << line << script;
}

TEST_F(Submit, OneRankAGpu) {
  const auto has = [&](const std::string& arguments) {
    return submit("recipe.yaml --dry-run " + arguments).output.find("--ntasks-per-node=8\n") != std::string::npos;
  };
  EXPECT_TRUE(has("--gpus-per-node 8"));
  EXPECT_TRUE(has("--gpus-per-node a100:8"));
  EXPECT_FALSE(has("--gpus-per-node 8 --ntasks-per-node 2"));
  EXPECT_FALSE(has("--gpus-per-node 8 -n 16"));
}

TEST_F(Submit, SignalInTimeForShortLimits) {
  EXPECT_NE(submit("recipe.yaml --dry-run --time 4:00:00").output.find("USR2@120\n"), std::string::npos);
  EXPECT_NE(submit("recipe.yaml --dry-run --time 2").output.find("USR2@30\n"), std::string::npos);
}

// Sbatch as a program that keeps what it was given.
TEST_F(Submit, TheRecipeIsKeptAsItWasSubmitted) {
  fs::create_directories(shop.path("bin"));
  shop.write("bin/sbatch", "#!/bin/bash\nprintf '%s\\n' \"$@\" >>asked\necho '17;cluster'\n");
  fs::permissions(shop.path("bin/sbatch"), fs::perms::owner_all);
  const std::string path = "PATH=" + shop.path("bin") + ":$PATH", before = shop.file("recipe.yaml");
  const Ran ran = submit("recipe.yaml --json --comment \"a 'b'\"", path);
  const Json report = Json::parse(ran.output);
  EXPECT_EQ(report["job"], "17");
  EXPECT_EQ(shop.file("run/slurm/recipe.yaml"), before);
  EXPECT_NE(shop.file("asked").find("--comment=a 'b'\n"), std::string::npos) << shop.file("asked");
  shop.write("recipe.yaml", before + "# edited\n");
  submit("recipe.yaml", path);
  EXPECT_EQ(shop.file("run/slurm/recipe.yaml"), before) << "the first job may still be waiting";
  EXPECT_EQ(shop.file("run/slurm/recipe-2.yaml"), before + "# edited\n");
  EXPECT_NE(shop.file("run/slurm/job.sbatch").find("recipe-2.yaml"), std::string::npos);
  EXPECT_EQ(submit("recipe.yaml", path + "; echo 'exit 1' >bin/sbatch").exit_code, 64);
}

// cluster/slurm shows what is written in the usual cases. THAW_WRITE_TEMPLATES=1 writes them anew.
TEST_F(Submit, TemplatesAreWhatIsWritten) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"mpirun-gpus",
       "recipe.yaml optimizer.lr=3e-5 --nodes 4 --gpus-per-node 8 --cpus-per-task 12 --time 4:00:00 --partition gpu --setup modules.sh"},
      {"srun-cores", "recipe.yaml --nodes 4 --ntasks-per-node 8 --cpus-per-task 16 --time 4:00:00 --launcher srun"},
      {"container", "recipe.yaml --nodes 2 --gpus-per-node 4 --time 1-0 --container thaw.sif"},
      {"sweep", "recipe.yaml --sweep lr=1e-5,2e-5 seed=1..3 --at-once 2 --nodes 1 --gpus-per-node 1 --time 1:00:00"},
      {"supervised", "recipe.yaml --nodes 4 --gpus-per-node 8 --time 4:00:00 --launcher thaw"},
      {"chain", "recipe.yaml --nodes 1 --ntasks-per-node 8 --time 4:00:00 --no-requeue"},
  };
  shop.write("recipe.yaml", replaced(shop.file("recipe.yaml"), "output_dir: " + shop.path("run"), "output_dir: runs/reviews-{seed}"));
  shop.write("modules.sh", "module purge\nmodule load openmpi cuda\n");
  for (const auto& [name, arguments] : cases) {
    const Ran ran = submit(arguments + " --dry-run");
    ASSERT_EQ(ran.exit_code, 0) << ran.output;
    std::string script = replaced(ran.output, THAW_BINARY_DIR "/thaw", "/opt/thaw/bin/thaw");
    script = replaced(script, "--chdir=" + fs::path(shop.path()).parent_path().string(), "--chdir=/home/me/reviews");
    const fs::path file = fs::path(THAW_SOURCE_DIR "/cluster/slurm") / (name + ".sbatch");
    if (std::getenv("THAW_WRITE_TEMPLATES") != nullptr) write_file_atomically(file, script);
    EXPECT_EQ(script, read_file(file)) << "THAW_WRITE_TEMPLATES=1 test_slurm_script writes it anew";
  }
}

}  // namespace
}  // namespace thaw::test
