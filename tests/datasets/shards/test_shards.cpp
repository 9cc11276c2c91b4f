#include "tests/datasets/shards/shard_testing.h"

namespace thaw {
namespace {

ShardOptions small_shards(std::uint64_t rows = 16) {
  ShardOptions options;
  options.rows_per_shard = rows;
  options.max_length = 64;
  return options;
}

TEST(Shards, RowsComeBackAsTheyWentIn) {
  const Folder folder;
  ShardOptions options = small_shards(2);
  options.read.pair = "second", options.read.weight = "w", options.read.group = "who", options.read.id = "id";
  options.read.label_kind = LabelKind::several;
  const fs::path source =
      folder.file("a.tsv", "id\ttext\tsecond\tlabel\tw\twho\nr1\tone\tzwei\tb,a\t0.5\tx\nr2\tdrei\tvier\t\t1\ty\nr3\tv\tsechs\tc\t2\tx\n");
  const ByteEncoder encoder;
  const ShardReport report = write_shards({source}, folder / "out", encoder, options);
  EXPECT_EQ(report.written, 2u);
  const ShardSet set(folder / "out");
  ASSERT_EQ(set.rows(), 3u);
  EXPECT_EQ(set.label_names(), (std::vector<std::string>{"a", "b", "c"}));
  const EncodedRow row = set.read(0);
  EXPECT_EQ(row.input_ids, encoder.encode("one", "zwei").ids);
  EXPECT_EQ(row.second_start, 5u);
  EXPECT_EQ(row.labels, (std::vector<std::int32_t>{1, 0}));
  EXPECT_EQ(row.weight, 0.5f);
  EXPECT_TRUE(set.read(1).labels.empty());
  EXPECT_EQ(set.labels(), (std::vector<std::int32_t>{1, -1, 2}));
  EXPECT_EQ(set.weights(), (std::vector<float>{0.5f, 1, 2}));
  EXPECT_EQ(set.lengths(), (std::vector<std::uint32_t>{10, 11, 9}));
  EXPECT_EQ(set.tokens(), 30u);
  EXPECT_EQ(set.longest(), 11u);
  EXPECT_EQ(set.text(2), "v");
  EXPECT_EQ(set.pair(2), "sechs");
  EXPECT_EQ(set.id(2), "r3");
  EXPECT_EQ(set.group(1), "y");
  EXPECT_EQ(set.source_line(2), 4u);
  EXPECT_THROW(set.read(3), DataError);
}

// What several threads ask of one set at once they open, check and keep once; the thread sanitizer looks on (tests/stages/tsan.sh).
TEST(Shards, SeveralThreadsReadOneSet) {
  const Folder folder;
  for (const LabelKind kind : {LabelKind::one, LabelKind::several}) {
    ShardOptions options = small_shards();
    options.read.label_kind = kind;
    const fs::path out = folder / std::string(name_of(kind));
    write_shards({folder.file("a.tsv", many_rows(200))}, out, ByteEncoder(), options);
    const ShardSet alone(out), together(out);
    on_ranks(4, [&](const ShardRanks& ranks) {
      std::this_thread::sleep_for(std::chrono::milliseconds(50) * ranks.rank);  // so that no lock taken before orders them
      EXPECT_EQ(together.labels().size(), 200u);
      EXPECT_EQ(together.lengths().size(), 200u);
      for (std::uint64_t row = 0; row < 200; ++row)
        EXPECT_TRUE(together.text(row).starts_with("row number " + std::to_string(row) + " ")) << together.text(row);
    });
    EXPECT_EQ(together.lengths(), alone.lengths());
    EXPECT_EQ(together.labels(), alone.labels());
  }
}

TEST(Shards, NumbersAndWideIds) {
  const Folder folder;
  ShardOptions options = small_shards();
  options.read.label_kind = LabelKind::number;
  const ByteEncoder encoder(5, 100000);
  write_shards({folder.file("a.jsonl", "{\"text\": \"abc\", \"label\": 0.25}\n{\"text\": \"abcdef\", \"label\": -3}\n")}, folder / "out",
               encoder, options);
  const ShardSet set(folder / "out");
  EXPECT_EQ(set.targets(), (std::vector<float>{0.25f, -3}));
  EXPECT_EQ(set.read(1).input_ids, encoder.encode("abcdef", {}).ids);
  EXPECT_EQ(set.read(0).second_start, 5u);
  EXPECT_EQ(set.truncated(), 1u);
  EXPECT_TRUE(set.labels().empty());
  EXPECT_TRUE(set.weights().empty());
}

TEST(Shards, LabelsInTheirOrder) {
  const Folder folder;
  const fs::path numbers = folder.file("n.tsv", "a\t10\nb\t9\nc\t-1\n"), names = folder.file("w.tsv", "a\tpos\nb\tneg\n");
  write_shards({numbers}, folder / "n", ByteEncoder(), small_shards());
  EXPECT_EQ(ShardSet(folder / "n").label_names(), (std::vector<std::string>{"-1", "9", "10"}));
  ShardOptions given = small_shards();
  given.read.label_names = {"pos", "unused", "neg"};
  write_shards({names}, folder / "w", ByteEncoder(), given);
  EXPECT_EQ(ShardSet(folder / "w").labels(), (std::vector<std::int32_t>{0, 2}));
}

// A header that names other columns must not become a row with a class of its own.
TEST(Shards, AnUnknownHeaderIsNotARow) {
  const Folder folder;
  const std::string rows = many_rows(40).substr(std::string("text\tlabel\n").size());
  const fs::path source = folder.file("a.tsv", "sentence\tclass\n" + rows);
  EXPECT_SAYS(error_of([&] { write_shards({source}, folder / "out", ByteEncoder(), small_shards()); }),
              "the label 'class' stands on the first line alone");
  ShardOptions said = small_shards();
  said.read.header = Header::no;
  EXPECT_EQ(write_shards({source}, folder / "out", ByteEncoder(), said).directories[0].index.rows, 41u);
  ShardOptions numbered = small_shards();
  numbered.read.text = "0", numbered.read.label = "1";
  EXPECT_SAYS(error_of([&] { write_shards({source}, folder / "numbered", ByteEncoder(), numbered); }),
              "the label 'class' stands on the first line alone");
}

TEST(Shards, ColumnsTakenByPositionAreSaidOnce) {
  const Folder folder;
  const fs::path bare = folder.file("bare.tsv", "a\t1\nb\t0\n"), named = folder.file("named.tsv", many_rows(3));
  std::atomic<int> lines = 0;
  on_ranks(2, [&](ShardRanks ranks) {
    ranks.say = [&, rank = ranks.rank](const std::string& line) {
      EXPECT_EQ(rank, 0);
      EXPECT_EQ(line, bare.string() + ": no header; column 0 is the text, column 1 the label");
      ++lines;
    };
    write_shards({bare, named}, folder / "out", ByteEncoder(), small_shards(), ranks);
  });
  EXPECT_EQ(lines, 1);
}

TEST(Shards, APipeIsASourceOfOneRank) {
  const Folder folder;
  const std::string pipe = (folder / "pipe.tsv").string();
  folder.file("rows", many_rows(40));
  const auto fill = [&] {
    return std::system(fmt::format("rm -f {0}; mkfifo {0}; cat {1} > {0} &", pipe, (folder / "rows").string()).c_str());
  };
  ASSERT_EQ(fill(), 0);
  EXPECT_EQ(write_shards({pipe}, folder / "out", ByteEncoder(), small_shards()).directories[0].index.rows, 40u);
  on_ranks(2, [&](const ShardRanks& ranks) {
    EXPECT_SAYS(error_of([&] { write_shards({pipe}, folder / "more", ByteEncoder(), small_shards(), ranks); }),
                "pipe.tsv: reaches one rank alone");
  });
  EXPECT_SAYS(error_of([&] { write_shards({folder / "out"}, folder / "more", ByteEncoder(), small_shards()); }),
              "expected a file, found a directory");
}

TEST(Shards, TheSameBytesOnAnyNumberOfRanks) {
  const Folder folder;
  const fs::path source = folder.file("a.tsv", many_rows(250));
  const ByteEncoder encoder;
  ShardOptions options = small_shards();
  options.fractions = SplitFractions::parse("train=0.8,dev=0.2", 3);
  write_shards({source}, folder / "1", encoder, options);
  const auto expected = contents(folder / "1");
  EXPECT_GT(expected.size(), 15u);
  for (const int size : {2, 3, 5}) {
    const fs::path out = folder / std::to_string(size);
    on_ranks(size, [&](const ShardRanks& ranks) {
      const ShardReport report = write_shards({source}, out, encoder, options, ranks);
      EXPECT_EQ(report.written, expected.size() - 2);  // but for two indexes
      EXPECT_EQ(report.directories[0].index.rows + report.directories[1].index.rows, 250u);
    });
    EXPECT_TRUE(contents(out) == expected) << size << " ranks";
  }
}

TEST(Shards, OnlyMissingOrDamagedShardsAreWrittenAgain) {
  const Folder folder;
  const fs::path source = folder.file("a.tsv", many_rows(250)), out = folder / "out";
  write_shards({source}, out, ByteEncoder(), small_shards());
  const auto expected = contents(out);
  fs::remove(out / "a-00003-of-00016.h5");
  std::string damaged = read_file(out / "a-00007-of-00016.h5");
  damaged[5000] = static_cast<char>(damaged[5000] + 1);
  write_file_atomically(out / "a-00007-of-00016.h5", damaged);
  fs::resize_file(out / "a-00009-of-00016.h5", 100);
  on_ranks(2, [&](const ShardRanks& ranks) {
    const ByteEncoder encoder;
    const ShardReport report = write_shards({source}, out, encoder, small_shards(), ranks);
    EXPECT_EQ(report.written, 3u);
    EXPECT_EQ(report.kept, 13u);
    EXPECT_LE(encoder.calls, 48);
  });
  EXPECT_TRUE(contents(out) == expected);
}

// An interrupted run leaves finished shards with notes, and no index: it is no directory of shards yet, and goes on.
TEST(Shards, AnInterruptedRunGoesOn) {
  const Folder folder;
  const fs::path source = folder.file("a.tsv", many_rows(250)), out = folder / "out";
  EXPECT_SAYS(error_of([&] { write_shards({source}, out, HookedEncoder(fails_at(100)), small_shards()); }), "interrupted");
  EXPECT_SAYS(error_of([&] { ShardSet set(out); }), "sharding was not finished");
  const ShardReport report = write_shards({source}, out, ByteEncoder(), small_shards());
  EXPECT_EQ(report.kept, 6u);
  EXPECT_EQ(report.written, 10u);
  write_shards({source}, folder / "fresh", ByteEncoder(), small_shards());
  EXPECT_TRUE(contents(out) == contents(folder / "fresh"));
  EXPECT_FALSE(fs::exists(out / ".building"));
}

// Two jobs with one --out must not mix their shards: the second is told who is there.
TEST(Shards, ALivingJobKeepsItsDirectory) {
  const Folder folder;
  const fs::path source = folder.file("a.tsv", many_rows(250)), out = folder / "out";
  ShardOptions other = small_shards(50);
  int refused = 0;
  const HookedEncoder meanwhile([&](int row) {
    if (row != 100) return;
    for (const ShardOptions& options : {small_shards(), other}) {
      try {
        write_shards({source}, out, ByteEncoder(), options);
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), ExitCode::cannot_write);
        EXPECT_SAYS(std::string(error.what()), fmt::format("pid {}", ::getpid()));
        ++refused;
      }
    }
  });
  write_shards({source}, out, meanwhile, small_shards());
  EXPECT_EQ(refused, 2);
  write_shards({source}, folder / "fresh", ByteEncoder(), small_shards());
  EXPECT_TRUE(contents(out) == contents(folder / "fresh"));
}

TEST(Shards, AnInterruptedRunWithOtherOptionsIsStartedOver) {
  const Folder folder;
  const fs::path source = folder.file("a.tsv", many_rows(250)), other = folder.file("b.tsv", many_rows(90)), out = folder / "out";
  ShardOptions splits = small_shards();
  splits.fractions = SplitFractions::parse("train=0.8,dev=0.2", 3);
  for (const auto& [left_by, options] : {std::pair{source, small_shards(10)}, {other, small_shards()}, {source, splits}}) {
    EXPECT_SAYS(error_of([&] { write_shards({left_by}, out, HookedEncoder(fails_at(80)), options); }), "interrupted");
    EXPECT_GT(contents(out).size(), 4u);
    as_if_killed(out);
    write_file_atomically(out / ".building/half.h5", "a temporary");
    std::string said;
    ShardRanks ranks;
    ranks.say = [&](const std::string& line) { said += line; };
    const ShardReport report = write_shards({source}, out, ByteEncoder(), small_shards(), ranks);
    EXPECT_EQ(report.kept, 0u);
    EXPECT_SAYS(said, "shards that an interrupted run with other sources or options had left");
    write_shards({source}, folder / "fresh", ByteEncoder(), small_shards());
    EXPECT_TRUE(contents(out) == contents(folder / "fresh"));
    fs::remove_all(out);
  }
}

// Killed between two indexes: one split is finished, and stays whatever comes next.
TEST(Shards, AFinishedSplitOfAnInterruptedRunIsKept) {
  const Folder folder;
  const fs::path source = folder.file("a.tsv", many_rows(250)), out = folder / "out";
  ShardOptions splits = small_shards(), others = small_shards(20);
  splits.fractions = others.fractions = SplitFractions::parse("train=0.8,dev=0.2", 3);
  write_shards({source}, folder / "whole", ByteEncoder(), splits);
  EXPECT_SAYS(error_of([&] { write_shards({source}, out, HookedEncoder(fails_at(249)), splits); }), "interrupted");
  for (const auto& entry : fs::directory_iterator(folder / "whole/train"))
    fs::copy(entry, out / "train", fs::copy_options::overwrite_existing);
  const auto train = contents(out / "train");
  EXPECT_SAYS(error_of([&] { write_shards({source}, out, ByteEncoder(), others); }),
              "train: holds finished shards of other sources, options or tokenizer");
  EXPECT_TRUE(contents(out / "train") == train);
  write_shards({source}, out, ByteEncoder(), splits);
  EXPECT_TRUE(contents(out) == contents(folder / "whole"));
}

TEST(Shards, AFinishedDirectoryIsLeftAlone) {
  const Folder folder;
  const fs::path source = folder.file("a.tsv", many_rows(250)), out = folder / "out";
  write_shards({source}, out, ByteEncoder(), small_shards());
  const auto times = [&] {
    std::map<std::string, fs::file_time_type> all{{"", fs::last_write_time(out)}};
    for (const auto& entry : fs::directory_iterator(out)) all[entry.path().filename().string()] = fs::last_write_time(entry.path());
    return all;
  };
  const auto before = times();
  EXPECT_EQ(before.size(), 18u) << "index.json, the shards and the directory itself";
  on_ranks(2, [&](const ShardRanks& ranks) {
    const ShardReport report = write_shards({source}, out, ByteEncoder(), small_shards(), ranks);
    EXPECT_EQ(report.kept, 16u);
    EXPECT_EQ(report.written, 0u);
    EXPECT_EQ(report.directories[0].index.tokens, ShardSet(out).tokens());
  });
  EXPECT_TRUE(times() == before);
  // A job that was killed as it cleared away: the next one does it.
  fs::create_directories(out / ".building/written");
  write_shards({source}, out, ByteEncoder(), small_shards());
  EXPECT_FALSE(fs::exists(out / ".building"));
}

TEST(Shards, AnIndexListsNoShardThatIsNotThere) {
  const Folder folder;
  const fs::path source = folder.file("a.tsv", many_rows(250)), out = folder / "out";
  const HookedEncoder tidy([&](int row) {
    if (row == 100) fs::remove(out / "a-00002-of-00016.h5");
  });
  EXPECT_SAYS(error_of([&] { write_shards({source}, out, tidy, small_shards()); }), "a-00002-of-00016.h5: vanished or changed");
  EXPECT_FALSE(fs::exists(out / "index.json"));
  EXPECT_EQ(write_shards({source}, out, ByteEncoder(), small_shards()).written, 1u);
}

TEST(Shards, FinishedShardsOfSomethingElseAreKept) {
  const Folder folder;
  const fs::path source = folder.file("a.tsv", many_rows(50)), out = folder / "out";
  write_shards({source}, out, ByteEncoder(), small_shards());
  const auto before = contents(out);
  folder.file("a.tsv", many_rows(51));
  const auto again = [&] { write_shards({source}, out, ByteEncoder(), small_shards()); };
  EXPECT_SAYS(error_of(again), "holds finished shards of other sources, options or tokenizer");
  EXPECT_TRUE(contents(out) == before);
  fs::remove(out / "a-00001-of-00004.h5");
  EXPECT_SAYS(error_of(again), "holds finished shards of other sources, options or tokenizer");
  EXPECT_FALSE(fs::exists(out / ".building")) << "a job that was refused left something";
}

// One rank's error is every rank's: none is left waiting.
TEST(Shards, AnErrorOnOneRankEndsAll) {
  const Folder folder;
  const fs::path source = folder.file("a.tsv", many_rows(50));
  class Fails : public RowEncoder {
   public:
    Encoding encode(std::string_view text, std::optional<std::string_view>) const override {
      if (text.starts_with("row number 17 ")) throw DataError("row 17 is wrong");
      return {{1, 2}, 2, false};
    }
    const std::string& fingerprint() const override { return fingerprint_; }
    std::size_t vocabulary_size() const override { return 3; }

   private:
    std::string fingerprint_ = "fails";
  };
  std::atomic<int> said = 0;
  on_ranks(3, [&](const ShardRanks& ranks) {
    const std::string error = error_of([&] { write_shards({source}, folder / "out", Fails(), small_shards(), ranks); });
    said += error.starts_with("row 17 is wrong") ? 1 : 0;
  });
  EXPECT_EQ(said, 3);
}

TEST(Shards, SeveralSourcesAndTheirRows) {
  const Folder folder;
  const fs::path a = folder.file("a.tsv", "one\tx\ntwo\ty\n"), b = folder.file("b.csv", "text,label\nthree,x\n");
  write_shards({a, b}, folder / "out", ByteEncoder(), small_shards(2));
  const ShardSet set(folder / "out");
  ASSERT_EQ(set.rows(), 3u);
  EXPECT_EQ(set.text(2), "three");
  EXPECT_EQ(set.id(2), "1:2");
  EXPECT_EQ(set.index().sources[1].rows, 1u);
}

TEST(Shards, FingerprintFollowsContentNotPlace) {
  const Folder folder;
  const fs::path source = folder.file("a.tsv", many_rows(50));
  write_shards({source}, folder / "one", ByteEncoder(), small_shards());
  fs::copy(folder / "one", folder / "copy");
  write_shards({folder.file("b.tsv", many_rows(51))}, folder / "other", ByteEncoder(), small_shards());
  EXPECT_EQ(ShardSet(folder / "one").fingerprint(), ShardSet(folder / "copy").fingerprint());
  EXPECT_NE(ShardSet(folder / "one").fingerprint(), ShardSet(folder / "other").fingerprint());
}

}  // namespace
}  // namespace thaw
