// Bad input: a clear error with a remedy, its exit code, all ranks ended within seconds.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>

#include "framework/base/file.h"
#include "tests/launcher/program.h"

namespace thaw::test {
namespace {

class Refusal : public ::testing::Test {
 protected:
  Workshop shop;

  void expect(const std::string& overrides, int code, const std::vector<std::string>& phrases, int ranks = 2) {
    const Ran ran = thaw(shop.train("run", overrides), ranks);
    EXPECT_EQ(ran.exit_code, code) << overrides << "\n" << ran.output;
    EXPECT_LT(ran.seconds, 10) << overrides;
    for (const std::string& phrase : phrases)
      EXPECT_NE(ran.output.find(phrase), std::string::npos) << "expected: " << phrase << "\n" << ran.output;
  }
};

TEST_F(Refusal, Recipe) {
  expect("optimizer.learning_rate=1", 65, {"optimizer.learning_rate", "optimizer.lr"});
  expect("batch.size=3 batch.grain=3", 65, {"batch.grain", "fewer than the 2 ranks"});
  expect("evaluate.metric=dev/bleu", 65, {"dev/bleu", "dev/accuracy"});
  const Ran missing = thaw("train " + shop.path("nothing.yaml"), 2);
  EXPECT_EQ(missing.exit_code, 66) << missing.output;
}

// Names that the recipe has wrong show before data is read, which may take hours: here there is none.
TEST_F(Refusal, NamesBeforeData) {
  const std::string unread = "data.train=" + shop.path("nothing.tsv") + " ";
  expect(unread, 66, {"nothing.tsv"});
  expect(unread + "evaluate.metric=dev/bleu", 65, {"dev/bleu", "dev/accuracy"});
  expect(unread + "epochs=null thaw.phases=\"[{trainable: [hed], until: {epochs: 1}}]\"", 65, {"thaw.phases[0].trainable", "hed", "head"});
  expect(unread + "epochs=null thaw.phases=\"[{trainable: head, until: {epochs: 1, dev/bleu: 0.5}}]\"", 65,
         {"thaw.phases[0].until", "dev/bleu"});
}

TEST_F(Refusal, Model) {
  expect("model=some/where", 66, {"hf download some/where"});
  expect("model=" + shop.path("cache"), 66, {"cache"});
  shop.write("model/config.json", "{\"model_type\": \"mamba\"}");
  expect("", 65, {"mamba", "bert"});
}

TEST_F(Refusal, Weights) {
  const std::string whole = shop.file("model/model.safetensors");
  shop.write("model/model.safetensors", whole.substr(0, whole.size() / 2));
  expect("", 65, {"model.safetensors", "truncated", "download it again"});
  fs::remove(shop.path("model/model.safetensors"));
  expect("", 66, {"model.safetensors"});
}

TEST_F(Refusal, ShapesOfAnotherModel) {
  Json config = Json::parse(shop.file("model/config.json"));
  config["intermediate_size"] = 64;
  shop.write("model/config.json", config.dump());
  expect("", 65, {"intermediate.dense", "[48, 32]", "[64, 32]"});
}

TEST_F(Refusal, Data) {
  shop.write("odd.tsv", "text\tlabel\na film\tugly\n");
  expect("data.eval=" + shop.path("odd.tsv"), 65, {"odd.tsv:2: row 1: unknown label 'ugly': expected one of bad, good"});
  expect("data.labels=[good,fine] data.train=" + shop.path("odd.tsv"), 65,
         {"odd.tsv:2: row 1: unknown label 'ugly': expected one of good, fine"});
  shop.write("empty.tsv", "");
  expect("data.train=" + shop.path("empty.tsv"), 65, {"empty.tsv"});
  shop.write("blank.tsv", "text\tlabel\na film\tgood\n\tbad\n");
  expect("data.train=" + shop.path("blank.tsv"), 65, {"blank.tsv:3"});
  expect("data.train=" + shop.path("nothing.tsv"), 66, {"nothing.tsv"});
}

// What a recipe asks of shards that do not have it must not be passed over.
TEST_F(Refusal, WeightsAndGroups) {
  shop.write("weighted.tsv", "text\tlabel\tw\na film\tgood\t0\nbad film\tbad\t0\n");
  const std::string shard = "shard " + shop.path("weighted.tsv") + " --max-length 32 --model " + shop.path("model") + " --out ";
  ASSERT_EQ(thaw(shard + shop.path("plain")).exit_code, 0);
  expect("data.weight=w data.train=" + shop.path("plain"), 65,
         {"plain/index.json: rows have no weight: shard it again with --weight w, or leave data.weight out"});
  expect("data.group=who data.train=" + shop.path("plain"), 65,
         {"rows have no group: shard it again with --group who, or leave data.group out"});
  expect("data.weight=w data.train=" + shop.path("weighted.tsv"), 65, {"weighted.tsv: the weights of all 2 rows are 0"});
  ASSERT_EQ(thaw(shard + shop.path("zero") + " --weight w").exit_code, 0);
  expect("data.train=" + shop.path("zero"), 65, {"zero: the weights of all 2 rows are 0"});
}

TEST_F(Refusal, PipesAsData) {
  const Ran ran = thaw(shop.train("run", "data.format=tsv data.train=/dev/fd/9 9< <(cat " + shop.path("train.tsv") + ")"));
  EXPECT_EQ(ran.exit_code, 64) << ran.output;
  EXPECT_NE(ran.output.find("/dev/fd/9: only a file can be sharded into the cache: write it to one first"), std::string::npos)
      << ran.output;
}

TEST_F(Refusal, ShardWhoseChecksumFails) {
  ASSERT_EQ(thaw("shard " + shop.path("train.tsv") + " --model " + shop.path("model") + " --max-length 32 --out " + shop.path("shards"), 2)
                .exit_code,
            0);
  expect("data.train=" + shop.path("shards"), 0, {});
  for (const auto& entry : fs::directory_iterator(shop.path("shards"))) {
    if (entry.path().extension() != ".h5") continue;
    std::string bytes = read_file(entry.path());
    bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
    write_file_atomically(entry.path(), bytes);
  }
  fs::remove_all(shop.path("run"));
  expect("data.train=" + shop.path("shards"), 65, {".h5", "checksum"});
}

TEST_F(Refusal, RunDirectory) {
  expect("output_dir=" + shop.path("recipe.yaml") + "/run", 73, {"recipe.yaml/run"});
  expect("", 0, {});
  expect("optimizer.lr=0.5", 65, {"optimizer.lr", "output_dir"});
}

TEST_F(Refusal, RunDirectoryWithALiveOwner) {
  const Ran ran = shell(std::string(THAW_BINARY_DIR "/thaw ") + shop.train("run", "epochs=100000") +
                        " >/dev/null 2>&1 & first=$!; until [ -s " + shop.path("run/log.jsonl") + " ]; do sleep 0.05; done; " +
                        THAW_BINARY_DIR + "/thaw " + shop.train("run", "epochs=100000") + "; code=$?; kill -9 $first; exit $code");
  EXPECT_EQ(ran.exit_code, 73) << ran.output;
}

TEST_F(Refusal, DiskFull) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, to mount a small file system";
  const std::string mount = shop.path("small");
  fs::create_directories(mount);
  if (shell("mount -t tmpfs -o size=300k none " + mount).exit_code != 0) GTEST_SKIP() << "cannot mount a tmpfs here";
  const Ran ran = thaw(shop.train("small/run"), 2);
  shell("umount " + mount);
  EXPECT_EQ(ran.exit_code, 73) << ran.output;
  EXPECT_NE(ran.output.find("No space left"), std::string::npos) << ran.output;
}

TEST_F(Refusal, LauncherOfAnotherMpi) {
  for (const auto& [slurm, command] :
       {std::pair{"", "Start with: mpirun -n 4"}, {"SLURM_STEP_ID=0 ", "Start with: srun --mpi=pmix -n 4"}}) {
    const Ran ran = shell(std::string("env ") + slurm + "PMI_RANK=0 PMI_SIZE=4 " THAW_BINARY_DIR "/thaw " + shop.train("run"));
    EXPECT_EQ(ran.exit_code, 64) << ran.output;
    EXPECT_NE(ran.output.find(command), std::string::npos) << ran.output;
  }
}

}  // namespace
}  // namespace thaw::test
