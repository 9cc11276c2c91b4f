#include <set>

#include "datasets/shards/split.h"
#include "tests/datasets/shards/shard_testing.h"

namespace thaw {
namespace {

std::string speakers(int rows, const std::string& last = "") {
  std::string text = "text\tlabel\twho\n";
  for (int i = 0; i < rows; ++i) text += fmt::format("row {}\t{}\tspeaker {}\n", i, i % 2, i % 97);
  return text + last;
}

TEST(Splits, GroupsStayTogether) {
  const Folder folder;
  ShardOptions options;
  options.read.group = "who";
  options.fractions = SplitFractions::parse("train=0.6,dev=0.2,test=0.2", 42);
  write_shards({folder.file("a.tsv", speakers(2000))}, folder / "out", ByteEncoder(), options);
  std::map<std::string, std::string> place;
  std::map<std::string, std::uint64_t> rows;
  for (const std::string split : {"train", "dev", "test"}) {
    const ShardSet set(folder / ("out/" + split));
    rows[split] = set.rows();
    for (std::uint64_t row = 0; row < set.rows(); ++row) {
      const auto [found, inserted] = place.emplace(set.group(row), split);
      EXPECT_EQ(found->second, split) << set.group(row) << " is in two splits";
    }
  }
  EXPECT_EQ(place.size(), 97u);
  EXPECT_EQ(rows["train"] + rows["dev"] + rows["test"], 2000u);
}

// A row's split depends on its own group or id and the seed alone: more rows in the file move none.
TEST(Splits, AreFractionsThatOtherRowsDoNotMove) {
  const SplitFractions fractions = SplitFractions::parse("train=0.7,dev=0.3", 1), other = SplitFractions::parse("train=0.7,dev=0.3", 2);
  int train = 0, moved = 0;
  for (int i = 0; i < 20000; ++i) {
    Row row;
    row.id = std::to_string(i);
    train += split_of(fractions, row) == 0;
    moved += split_of(fractions, row) != split_of(other, row);
    Row changed = row;
    changed.text = "anything", changed.line = 5, changed.labels = {"x"}, changed.weight = 3;
    EXPECT_EQ(split_of(fractions, changed), split_of(fractions, row));
    changed.id = "another", changed.group = row.id;
    EXPECT_EQ(split_of(fractions, changed), split_of(fractions, row)) << "the group, where there is one, decides alone";
  }
  EXPECT_NEAR(train, 14000, 4 * std::sqrt(20000 * 0.21));
  EXPECT_NEAR(moved, 20000 * 0.42, 500);
}

TEST(Splits, ByColumn) {
  const Folder folder;
  ShardOptions options;
  options.read.split = "part";
  const std::string rows = "text\tlabel\tpart\na\t1\ttrain\nb\t0\tdev\nc\t0\ttrain\n";
  const ShardReport report = write_shards({folder.file("a.tsv", rows)}, folder / "out", ByteEncoder(), options);
  ASSERT_EQ(report.directories.size(), 2u);
  EXPECT_EQ(ShardSet(folder / "out/train").text(1), "c");
  EXPECT_EQ(ShardSet(folder / "out/dev").label_names().size(), 2u) << "labels are the same in every split";
  const fs::path bad = folder.file("b.tsv", "text\tlabel\tpart\na\t1\t../up\n");
  EXPECT_SAYS(error_of([&] { write_shards({bad}, folder / "bad", ByteEncoder(), options); }), "b.tsv:2: row 1: split '../up'");
  EXPECT_FALSE(fs::exists(folder / "up"));
  options.read.skip_bad_rows = true;
  const fs::path some = folder.file("c.tsv", rows + "d\t1\t../up\n");
  EXPECT_EQ(write_shards({some}, folder / "some", ByteEncoder(), options).directories[0].index.skipped, 1u);
}

// A column of ids is no column of splits: a directory each would fill the file system.
TEST(Splits, AColumnOfManyValuesIsRefused) {
  const Folder folder;
  ShardOptions options;
  options.read.split = "id";
  std::string rows = "text\tlabel\tid\n";
  for (int i = 0; i < 1200; ++i) rows += fmt::format("a\t1\tid-{}\n", i % 1001);
  EXPECT_SAYS(error_of([&] { write_shards({folder.file("a.tsv", rows)}, folder / "out", ByteEncoder(), options); }),
              "a.tsv:1002: column 'id' has more than 1000 different values");
  EXPECT_FALSE(fs::exists(folder / "out"));
}

TEST(Splits, WrongFractions) {
  for (const char* text :
       {"", "train", "train=1.5", "train=0.5,dev=0.4", "train=0.5,train=0.5", "a/b=1", ".=1", "x=nan", "x=0.5,y=-0.5,z=1", "x=1,"}) {
    EXPECT_THROW(SplitFractions::parse(text, 1), DataError) << text;
  }
  const Folder folder;
  ShardOptions options;
  options.fractions = SplitFractions::parse("train=0.999999,dev=0.000001", 1);
  const fs::path source = folder.file("a.tsv", "a\t1\nb\t0\n");
  EXPECT_SAYS(error_of([&] { write_shards({source}, folder / "out", ByteEncoder(), options); }), "split 'dev' gets no row");
}

}  // namespace
}  // namespace thaw
