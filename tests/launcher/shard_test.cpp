// thaw shard as people run it: pipes, killed jobs, jobs that meet, full disks, and what it says.
#include <gtest/gtest.h>
#include <unistd.h>

#include <map>
#include <thread>

#include "framework/base/file.h"
#include "launcher/progress.h"
#include "tests/launcher/shard_testing.h"

namespace thaw::test {
namespace {

class Shard : public ShardProgram {
 protected:
  std::string command(const std::string& source, const std::string& out, const std::string& more = "") const {
    return fmt::format("shard {} --model {} --max-length 32 --out {} {}", source, shop.path("model"), shop.path(out), more);
  }
};

TEST_F(Shard, StandardInputWhateverItIs) {
  const std::string to = THAW_BINARY_DIR "/thaw ", train = shop.path("train.tsv");
  EXPECT_EQ(report(shell("cat " + train + " | " + to + command("-", "piped", "--json")))["directories"][0]["rows"], 90);
  EXPECT_EQ(report(shell(to + command("-", "file", "--json") + " < " + train))["directories"][0]["rows"], 90);
  // From where it stands: the header and one row were read by somebody else.
  const Ran rest = shell("{ read -r; read -r; " + to + command("-", "rest", "--header no --json") + "; } < " + train);
  EXPECT_EQ(report(rest)["directories"][0]["rows"], 89);
  EXPECT_NE(rest.output.find("standard input: no header; column 0 is the text, column 1 the label"), std::string::npos) << rest.output;
  EXPECT_EQ(report(shell(to + command("<(cat " + train + ")", "substituted", "--format tsv --json")))["directories"][0]["rows"], 90);
  EXPECT_EQ(shell(to + command("-", "nothing") + " < /dev/null").exit_code, 65);
}

// kill -9 on every process, in the middle: the same command ends with the same bytes as if nothing had happened.
TEST_F(Shard, KilledOnTwoRanksItGoesOn) {
  shop.write("many.tsv", Workshop::rows(3, 40000));
  const std::string small = "--rows-per-shard 500 --json ", parts = command(shop.path("many.tsv"), "parts", small);
  ASSERT_EQ(thaw(command(shop.path("many.tsv"), "whole", small), 2).exit_code, 0);
  Background job(thaw_command(parts, 2));
  ASSERT_TRUE(wait_until([&] { return shards_below(shop.path("parts")) >= 10; }));
  job.kill(SIGSTOP);
  // Meanwhile nobody else may write there, whatever its options are.
  expect(command(shop.path("many.tsv"), "parts"), 73,
         {"another process owns this directory: host ", ", pid ", "choose another output_dir or --out"});
  job.kill(SIGKILL);
  ASSERT_FALSE(fs::exists(shop.path("parts/index.json"))) << "it had ended already";
  const Json resumed = report(thaw(parts, 2));
  EXPECT_GE(resumed["kept"], 10);
  EXPECT_EQ(resumed["kept"].get<int>() + resumed["written"].get<int>(), 80);
  EXPECT_TRUE(contents(shop.path("parts")) == contents(shop.path("whole")));
  EXPECT_EQ(report(thaw(parts, 2))["written"], 0);
}

TEST_F(Shard, ThreeJobsOnOneCacheEntryAfterAKilledOne) {
  shop.write("many.tsv", Workshop::rows(3, 120000));
  const auto train = [&](int job) {
    return thaw_command(shop.train("run" + std::to_string(job), "steps=1 data.train=" + shop.path("many.tsv") + " data.labels=[good,bad]"));
  };
  {
    Background killed(train(0));
    ASSERT_TRUE(wait_until([&] { return shards_below(shop.path("cache")) >= 3; }));
    killed.kill(SIGKILL);
  }
  ASSERT_LT(shards_below(shop.path("cache")), 15u) << "it had ended already";
  std::vector<std::thread> jobs;
  std::vector<Ran> ran(3);
  for (int job = 0; job < 3; ++job) jobs.emplace_back([&, job] { ran[static_cast<std::size_t>(job)] = shell(train(job + 1)); });
  for (std::thread& job : jobs) job.join();
  for (const Ran& one : ran) EXPECT_EQ(one.exit_code, 0) << one.output;
  EXPECT_EQ(shards_below(shop.path("cache")), 16u) << "15 of many.tsv, one of dev.tsv";
  fs::remove_all(shop.path("cache/sources"));  // what the files' contents were, by their times
  for (const auto& [file, bytes] : contents(shop.path("cache")))
    EXPECT_TRUE(file.ends_with(".h5") || file.ends_with("/index.json")) << file << " was left behind";
}

TEST_F(Shard, AFullDiskIsOneLineWithARemedy) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, to mount a small file system";
  const std::string mount = shop.path("small");
  fs::create_directories(mount);
  if (shell("mount -t tmpfs -o size=1m none " + mount).exit_code != 0) GTEST_SKIP() << "cannot mount a tmpfs here";
  shop.write("many.tsv", Workshop::rows(3, 20000));
  const std::string arguments = command(shop.path("many.tsv"), "small/out", "--rows-per-shard 1000 --json");
  const Ran full = thaw(arguments);
  shell("mount -o remount,size=30m " + mount);
  const Ran enough = thaw(arguments);
  const auto files = enough.exit_code == 0 ? contents(mount + "/out").size() : 0;
  shell("umount " + mount);
  EXPECT_EQ(full.exit_code, 73) << full.output;
  EXPECT_NE(full.output.find("No space left on device; free some space, or write elsewhere (output_dir, --out, data.cache_dir)\n"),
            std::string::npos)
      << full.output;
  EXPECT_EQ(full.output.find("HDF5"), std::string::npos) << full.output;
  EXPECT_EQ(std::count(full.output.begin(), full.output.end(), '\n'), 2) << full.output;  // an empty line before it
  EXPECT_GT(report(enough)["kept"], 0);
  EXPECT_EQ(files, 21u);
}

TEST_F(Shard, WrongHeadersAndWords) {
  shop.write("twice.csv", "text,label,text\na film,good,a plot\n");
  expect(command(shop.path("twice.csv"), "out"), 65, {"twice.csv:1: the column 'text' (text) stands in the header twice"});
  shop.write("case.tsv", "Text\tLabel\na film\tgood\nbad film\tbad\n");
  expect(command(shop.path("case.tsv"), "out"), 65, {"case.tsv:1: expected a column 'text' (text), found 'Text': did you mean that?"});
  expect(command(shop.path("case.tsv"), "as-rows", "--header no"), 0, {": 3 rows", "labels: Label, bad, good"});
  expect(command(shop.path("case.tsv"), "named", "--text Text --label Label"), 0, {": 2 rows", "labels: bad, good"});
  shop.write("semicolon.csv", "text;label\n\"a; film\";good\nfilm;bad\n");
  expect(command(shop.path("semicolon.csv"), "semicolon", "--delimiter \";\""), 0, {": 2 rows"});
  const std::string train = shop.path("train.tsv");
  expect(command(train, "out", "--delimiter ab"), 64, {"--delimiter: expected one character"});
  expect(command(train, "out", "--labels good,bad,good"), 64, {"--labels: the label 'good' stands there twice"});
  expect(command(train, "out", "--labels good,,bad"), 64, {"--labels: expected names", "'good,,bad'"});
  expect(command(train, "out", "--labels good,bad,"), 64, {"--labels: expected names"});
  expect(command(train, "spaced", "--labels \"good , bad\""), 0, {"labels: good, bad"});
  expect("shard " + train + " --model " + shop.path("model") + " --out " + shop.path("out") + " --max-length 2", 64, {"--max-length"});
  EXPECT_FALSE(fs::exists(shop.path("out")));
}

TEST_F(Shard, PathsThatAreNotUtf8) {
  const std::string name = shop.path("na\xEFve");
  const Ran ran = thaw(fmt::format("shard {} --model {} --out {} --json", shop.path("train.tsv"), shop.path("model"), name));
  EXPECT_EQ(report(ran)["directories"][0]["rows"], 90);
  ASSERT_EQ(thaw(shop.train("run", "steps=1")).exit_code, 0);
  const Ran exported = thaw("export " + shop.path("run") + " " + name + "-model --json");
  EXPECT_EQ(exported.exit_code, 0) << exported.output;
}

TEST(ShardProgress, PlainLinesInALogAndOneThatMovesOnATerminal) {
  const auto said = [](bool terminal, double every_s) {
    std::FILE* const file = std::tmpfile();
    Progress progress(file, terminal, "rank 0: ", std::chrono::duration<double>(every_s));
    progress(1, 3), progress(2, 3), progress(3, 3);
    std::string text(static_cast<std::size_t>(std::ftell(file)), '\0');
    std::rewind(file);
    EXPECT_EQ(std::fread(text.data(), 1, text.size(), file), text.size());
    std::fclose(file);
    return text;
  };
  EXPECT_EQ(said(false, 10), "") << "a short job says nothing";
  EXPECT_EQ(said(false, 0), "rank 0: 1 of 3 rows\nrank 0: 2 of 3 rows\nrank 0: 3 of 3 rows\n");
  EXPECT_EQ(said(true, 10), "\rrank 0: 1 of 3 rows\rrank 0: 2 of 3 rows\rrank 0: 3 of 3 rows\n");
}

}  // namespace
}  // namespace thaw::test
