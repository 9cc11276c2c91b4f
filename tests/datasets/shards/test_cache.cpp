#include <chrono>

#include "datasets/shards/cache.h"
#include "tests/datasets/shards/shard_testing.h"

namespace thaw {
namespace {

ShardOptions options_for(std::int64_t max_length = 64) {
  ShardOptions options;
  options.rows_per_shard = 16;
  options.max_length = max_length;
  return options;
}

std::size_t entries(const fs::path& directory) {
  return static_cast<std::size_t>(std::distance(fs::directory_iterator(directory), fs::directory_iterator()));
}

TEST(Cache, AFileIsShardedOnce) {
  const Folder folder;
  const fs::path source = folder.file("a.tsv", many_rows(100));
  const ByteEncoder encoder;
  const fs::path first = ensure_sharded(source, encoder, options_for(), folder / "cache");
  EXPECT_EQ(ShardSet(first).rows(), 100u);
  EXPECT_EQ(encoder.calls, 100);
  EXPECT_EQ(ensure_sharded(source, encoder, options_for(), folder / "cache"), first);
  EXPECT_EQ(encoder.calls, 100) << "sharded again";
  EXPECT_EQ(entries(folder / "cache"), 1u) << "something was left behind";
}

TEST(Cache, EveryChangeIsAnotherKey) {
  const Folder folder;
  const fs::path source = folder.file("a.tsv", many_rows(100)), cache = folder / "cache";
  const fs::path first = ensure_sharded(source, ByteEncoder(), options_for(), cache);
  EXPECT_NE(ensure_sharded(source, ByteEncoder(64, 5), options_for(), cache), first);
  EXPECT_NE(ensure_sharded(source, ByteEncoder(), options_for(32), cache), first);
  ShardOptions labels = options_for();
  labels.read.label_names = {"2", "1", "0"};
  EXPECT_NE(ensure_sharded(source, ByteEncoder(), labels, cache), first);
  folder.file("a.tsv", many_rows(101));
  const fs::path changed = ensure_sharded(source, ByteEncoder(), options_for(), cache);
  EXPECT_EQ(ShardSet(changed).rows(), 101u);
}

// The content's hash is remembered by path, size and time, and only where the time is old enough to be trusted.
TEST(Cache, AnOldFileIsNotReadAgain) {
  const Folder folder;
  const fs::path source = folder.file("a.tsv", many_rows(100)), cache = folder / "cache";
  fs::last_write_time(source, fs::file_time_type::clock::now() - std::chrono::hours(2));
  const fs::path first = ensure_sharded(source, ByteEncoder(), options_for(), cache);
  EXPECT_EQ(entries(cache / "sources"), 1u);
  EXPECT_EQ(ensure_sharded(source, ByteEncoder(), options_for(), cache), first);
  std::string other = many_rows(100);
  other[20] = 'X';
  folder.file("a.tsv", other);  // the same size, a new time
  EXPECT_NE(ensure_sharded(source, ByteEncoder(), options_for(), cache), first);
}

TEST(Cache, JobsOfSeveralRanksThatStartTogether) {
  const Folder folder;
  const fs::path source = folder.file("a.tsv", many_rows(400)), cache = folder / "cache";
  std::vector<fs::path> found(3);
  std::vector<std::thread> jobs;
  std::atomic<int> wrong = 0;
  for (std::size_t job = 0; job < found.size(); ++job)
    jobs.emplace_back([&, job] {
      const std::string error = error_of([&] {
        on_ranks(2, [&](const ShardRanks& ranks) {
          const fs::path directory = ensure_sharded(source, ByteEncoder(), options_for(), cache, ranks);
          if (ranks.rank == 0) found[job] = directory;
          wrong += ShardSet(directory).text(399).starts_with("row number 399 ") ? 0 : 1;
        });
      });
      EXPECT_EQ(error, "");
    });
  for (std::thread& job : jobs) job.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(found[0], found[1]);
  EXPECT_EQ(found[0], found[2]);
  EXPECT_EQ(entries(cache), 1u);
}

TEST(Cache, WhatADeadJobLeftIsTakenOver) {
  const Folder folder;
  const fs::path source = folder.file("a.tsv", many_rows(100)), cache = folder / "cache";
  const fs::path done = ensure_sharded(source, ByteEncoder(), options_for(), cache);
  const fs::path dead = done.string() + ".building-elsewhere-1-1", alive = done.string() + ".building-elsewhere-2-2";
  fs::create_directories(alive);
  fs::rename(done, dead);
  fs::remove(dead / "a-00002-of-00007.h5");
  fs::last_write_time(dead, fs::file_time_type::clock::now() - std::chrono::hours(3));
  const ByteEncoder encoder;
  EXPECT_EQ(ensure_sharded(source, encoder, options_for(), cache), done);
  EXPECT_EQ(encoder.calls, 16);
  EXPECT_FALSE(fs::exists(dead));
  EXPECT_TRUE(fs::exists(alive));
}

TEST(Cache, ADirectoryMustBeWhatIsAskedFor) {
  const Folder folder;
  const fs::path source = folder.file("a.tsv", many_rows(100)), shards = folder / "shards";
  ShardOptions options = options_for(40);
  write_shards({source}, shards, ByteEncoder(40), options);
  const auto error = [&](const RowEncoder& encoder, const ShardOptions& asked) {
    return error_of([&] { EXPECT_EQ(ensure_sharded(shards, encoder, asked, folder / "cache"), shards); });
  };
  EXPECT_EQ(error(ByteEncoder(), options), "");
  EXPECT_SAYS(error(ByteEncoder(64, 7), options), "sharded with another tokenizer");
  EXPECT_SAYS(error(ByteEncoder(), options_for(30)), "has rows of 40 tokens, expected at most 30");
  EXPECT_SAYS(error(ByteEncoder(), options_for(64)), "rows were cut at 40 tokens");
  ShardOptions numbers = options, pairs = options;
  numbers.read.label_kind = LabelKind::number;
  EXPECT_SAYS(error(ByteEncoder(), numbers), "expected labels of kind 'number', found 'one'");
  pairs.read.pair = "second";
  EXPECT_SAYS(error(ByteEncoder(), pairs), "rows have one text");
  EXPECT_FALSE(fs::exists(folder / "cache"));
  EXPECT_SAYS(error_of([&] { ensure_sharded(folder / "none.tsv", ByteEncoder(), options, folder / "cache"); }), "there is no such file");
}

}  // namespace
}  // namespace thaw
