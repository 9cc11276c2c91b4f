// Rows and shards as Python's csv and json modules and h5py read them.
#include <cstdlib>

#include "tests/datasets/shards/shard_testing.h"
#include "tests/support/reference.h"

namespace thaw {
namespace {

int run(const std::string& words) {
  return std::system(fmt::format("'{}' '{}' {}", *test::python(), THAW_SOURCE_DIR "/tests/datasets/shards/compare.py", words).c_str());
}

class Reference : public testing::TestWithParam<const char*> {};

TEST_P(Reference, PythonReadsTheSameRows) {
  THAW_NEEDS_PYTHON();
  const Folder folder;
  const std::string kind = GetParam();
  const fs::path source = folder / ("torture." + kind);
  ASSERT_EQ(run(fmt::format("make {} '{}'", kind, source.string())), 0);
  ShardOptions options;
  options.rows_per_shard = 300;
  options.read.id = "id";
  const ShardReport report = write_shards({source}, folder / "out", ByteEncoder(1000000), options);
  EXPECT_EQ(report.directories[0].index.rows, 2000u);
  EXPECT_EQ(run(fmt::format("check {} '{}' '{}'", kind, source.string(), (folder / "out").string())), 0);
}

INSTANTIATE_TEST_SUITE_P(Formats, Reference, testing::Values("tsv", "csv", "jsonl"),
                         [](const auto& one) { return std::string(one.param); });

// A published file without header: every row, as the file's own lines say.
TEST(RealData, Sst2) {
  const char* data = std::getenv("THAW_TEST_DATA");
  const fs::path source = fs::path(data != nullptr ? data : THAW_SOURCE_DIR "/../shared/data") / "text_cls/sst2_train.tsv";
  if (!fs::exists(source)) GTEST_SKIP() << "no " << source << ": set THAW_TEST_DATA";
  const Folder folder;
  write_shards({source}, folder / "out", ByteEncoder(1000), {});
  const ShardSet set(folder / "out");
  EXPECT_EQ(set.rows(), 6920u);
  EXPECT_EQ(set.label_names(), (std::vector<std::string>{"0", "1"}));
  std::string rebuilt;
  for (std::uint64_t row = 0; row < set.rows(); ++row)
    rebuilt += set.text(row) + "\t" + set.label_names()[static_cast<std::size_t>(set.read(row).labels[0])] + "\n";
  rebuilt.pop_back();  // the file ends without a line end
  EXPECT_TRUE(rebuilt == read_file(source));
}

}  // namespace
}  // namespace thaw
