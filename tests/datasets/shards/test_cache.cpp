#include <chrono>

#include "datasets/shards/cache.h"
#include "framework/base/lease.h"
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

// 100 rows in 7 shards, of which a dead job has written 2.
fs::path half_built(const Folder& folder, const fs::path& source) {
  EXPECT_SAYS(error_of([&] { ensure_sharded(source, HookedEncoder(fails_at(40)), options_for(), folder / "cache"); }), "interrupted");
  const fs::path entry = fs::directory_iterator(folder / "cache")->path();
  as_if_killed(entry);
  return entry;
}

std::size_t files(const fs::path& directory) {
  return static_cast<std::size_t>(std::count_if(fs::recursive_directory_iterator(directory), fs::recursive_directory_iterator(),
                                                [](const auto& entry) { return entry.is_regular_file(); }));
}

TEST(Cache, WhatADeadJobLeftIsTakenOverAtOnceByOneOfSeveralJobs) {
  const Folder folder;
  const fs::path source = folder.file("a.tsv", many_rows(100)), entry = half_built(folder, source);
  const ByteEncoder encoder;
  const auto start = std::chrono::steady_clock::now();
  std::vector<std::thread> jobs;
  for (int job = 0; job < 3; ++job)
    jobs.emplace_back([&] {
      const std::string error = error_of([&] {
        on_ranks(
            2, [&](const ShardRanks& ranks) { EXPECT_EQ(ensure_sharded(source, encoder, options_for(), folder / "cache", ranks), entry); });
      });
      EXPECT_EQ(error, "");
    });
  for (std::thread& job : jobs) job.join();
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
  EXPECT_EQ(encoder.calls, 100 - 32) << "rows were encoded twice, or a finished shard was not kept";
  EXPECT_EQ(files(entry), 8u);
  EXPECT_EQ(entries(entry), 8u) << "something was left beside the shards";
  EXPECT_EQ(ShardSet(entry).text(99).substr(0, 14), "row number 99 ");
}

// However long it takes: not a directory's age but its owner's heartbeat says whether a job lives.
TEST(Cache, ALivingJobIsWaitedFor) {
  const Folder folder;
  const fs::path source = folder.file("a.tsv", many_rows(100));
  std::atomic<bool> under_way = false, go_on = false;
  const HookedEncoder slow([&](int row) {
    if (row != 40) return;
    under_way = true;
    while (!go_on) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  });
  std::thread first([&] { EXPECT_EQ(error_of([&] { ensure_sharded(source, slow, options_for(), folder / "cache"); }), ""); });
  while (!under_way) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  const fs::path entry = fs::directory_iterator(folder / "cache")->path();
  for (const auto& written : fs::recursive_directory_iterator(entry))
    if (!written.path().string().ends_with("lease/00000001.json")) age(written.path(), std::chrono::hours(30));
  const ByteEncoder encoder;
  ShardRanks ranks;
  std::string said;
  ranks.say = [&](const std::string& line) {
    said += line;
    go_on = true;
  };
  EXPECT_EQ(ensure_sharded(source, encoder, options_for(), folder / "cache", ranks), entry);
  first.join();
  EXPECT_SAYS(said, fmt::format("waiting for a job that is sharding into {}: host ", entry.string()));
  EXPECT_SAYS(said, fmt::format("pid {}", ::getpid()));
  EXPECT_EQ(encoder.calls, 0);
  EXPECT_EQ(entries(entry), 8u);
}

// A job that was stopped for longer than its lease lasts finds its directory taken, and changes nothing in it.
TEST(Cache, WhoWasTakenForDeadWritesNothingMore) {
  const Folder folder;
  const fs::path source = folder.file("a.tsv", many_rows(100));
  std::atomic<bool> under_way = false, go_on = false;
  const HookedEncoder stopped([&](int row) {
    if (row != 40) return;
    under_way = true;
    while (!go_on) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  });
  std::string error;
  std::thread first([&] { error = error_of([&] { ensure_sharded(source, stopped, options_for(), folder / "cache"); }); });
  while (!under_way) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  const fs::path entry = fs::directory_iterator(folder / "cache")->path();
  age(entry / ".building/lease/00000001.json", std::chrono::minutes(5));
  EXPECT_EQ(ensure_sharded(source, ByteEncoder(), options_for(), folder / "cache"), entry);
  const auto finished = contents(entry);
  go_on = true;
  first.join();
  EXPECT_SAYS(error, "lost its directory");
  EXPECT_TRUE(contents(entry) == finished);
  EXPECT_EQ(entries(entry), 8u);
}

TEST(Cache, AnEntryThatLacksShardsIsBuiltAgain) {
  const Folder folder;
  const fs::path source = folder.file("a.tsv", many_rows(100)), cache = folder / "cache";
  const fs::path entry = ensure_sharded(source, ByteEncoder(), options_for(), cache);
  const auto whole = contents(entry);
  fs::remove(entry / "a-00002-of-00007.h5");
  fs::resize_file(entry / "a-00004-of-00007.h5", 100);
  const ByteEncoder encoder;
  EXPECT_EQ(ensure_sharded(source, encoder, options_for(), cache), entry);
  EXPECT_EQ(encoder.calls, 32);
  EXPECT_TRUE(contents(entry) == whole);
}

TEST(Cache, WhatNobodyGoesOnWithIsRemovedAfterADay) {
  const Folder folder;
  const fs::path source = folder.file("a.tsv", many_rows(100)), abandoned = half_built(folder, source);
  const auto shard_another = [&](int rows) {
    return ensure_sharded(folder.file("b.tsv", many_rows(rows)), ByteEncoder(), options_for(), folder / "cache");
  };
  const fs::path b = shard_another(50);
  EXPECT_TRUE(fs::exists(abandoned)) << "its job may be requeued";
  age(abandoned / ".building", std::chrono::hours(25));
  fs::create_directories(b / ".building/lease");  // a job that was killed as it cleared away
  age(b / ".building", std::chrono::hours(25));
  {
    const Lease living(abandoned / ".building");
    age(abandoned / ".building", std::chrono::hours(25));
    shard_another(51);
    EXPECT_TRUE(fs::exists(abandoned));
  }
  age(abandoned / ".building", std::chrono::hours(25));
  shard_another(52);
  EXPECT_FALSE(fs::exists(abandoned));
  EXPECT_EQ(ShardSet(b).rows(), 50u);
  EXPECT_FALSE(fs::exists(b / ".building"));
}

TEST(Cache, TheNextRunClearsAwayWhatAKilledOneLeft) {
  const Folder folder;
  const fs::path source = folder.file("a.tsv", many_rows(100)), cache = folder / "cache";
  const fs::path entry = ensure_sharded(source, ByteEncoder(), options_for(), cache);
  const auto whole = contents(entry);
  fs::create_directories(entry / ".building/written");
  {
    const Lease living(entry / ".building");
    EXPECT_EQ(ensure_sharded(source, ByteEncoder(), options_for(), cache), entry);
    EXPECT_TRUE(fs::exists(entry / ".building/written")) << "a living job clears it away itself";
  }
  EXPECT_EQ(ensure_sharded(source, ByteEncoder(), options_for(), cache), entry);
  EXPECT_FALSE(fs::exists(entry / ".building"));
  EXPECT_TRUE(contents(entry) == whole);

  fs::create_directories(cache / "sources");
  const fs::path note = folder.file("cache/sources/0123456789abcdef.tmp-0123456789abcdef", "half"),
                 fresh = folder.file("cache/sources/1.tmp-2", "");
  age(note, std::chrono::hours(25));
  ensure_sharded(folder.file("b.tsv", many_rows(10)), ByteEncoder(), options_for(), cache);
  EXPECT_FALSE(fs::exists(note));
  EXPECT_TRUE(fs::exists(fresh));
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
