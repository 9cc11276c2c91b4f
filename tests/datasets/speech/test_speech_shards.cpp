// Speech in shards: what comes back, on any number of ranks, after interruptions, and what is left out on the way.
#include "datasets/shards/half.h"
#include "tests/datasets/speech/corpus_testing.h"

namespace thaw {
namespace {

const ByteEncoder bytes(1000);

ShardReport shard(const fs::path& corpus, const fs::path& out, const SpeechOptions& speech, const ShardOptions& options = speech_options(),
                  const RowEncoder* encoder = &bytes, const ShardRanks& ranks = {}) {
  return write_speech_shards({corpus}, out, encoder, speech, options, ranks);
}

TEST(SpeechShards, RowsComeBackAsTheyWentIn) {
  const Folder folder;
  const fs::path corpus = kaldi_corpus(folder, "data", 20);
  const ShardReport report = shard(corpus, folder / "out", speech());
  EXPECT_EQ(report.written, 3u);
  const ShardSet set(folder / "out");
  ASSERT_EQ(set.rows(), 20u);
  EXPECT_EQ(set.audio_codec(), AudioCodec::i16);
  EXPECT_EQ(set.text(13), "sentence number 13");
  EXPECT_EQ(set.read(13).input_ids, bytes.encode("sentence number 13", {}).ids);
  EXPECT_EQ(set.id(13), "u013");
  EXPECT_EQ(set.source_line(13), 14u);
  EXPECT_EQ(set.group(13), "s1");
  EXPECT_EQ(set.language(13), "de");
  EXPECT_EQ(set.seconds(), std::vector<float>(20, 0.5f));
  EXPECT_EQ(set.index().seconds, 10);
  const std::vector<float> expected = tone(5, 210, 0.4);
  const std::vector<std::int16_t> samples = set.samples(13);
  ASSERT_EQ(samples.size(), 8000u);
  for (std::size_t i = 0; i < samples.size(); ++i) ASSERT_EQ(samples[i], i16_of(expected[24000 + i])) << i;
  EXPECT_SAYS(error_of([&] { set.audio_file(0); }), "expected rows with audio as flac, found i16: shard it again with --audio flac");
  EXPECT_SAYS(error_of([&] { set.features(0); }), "expected rows with audio as features, found i16");
}

TEST(SpeechShards, FlacAsItCame) {
  const Folder folder;
  write_audio(folder / "lj/wavs/a.flac", tone(1, 440, 0.5, 22050), flac, 22050);
  write_audio(folder / "lj/wavs/b.wav", tone(1));
  folder.file("lj/metadata.csv", "a|x|one\nb|y|two\n");
  shard(folder / "lj", folder / "out", speech(AudioCodec::flac));
  const ShardSet set(folder / "out");
  EXPECT_TRUE(set.audio_file(0) == read_file(folder / "lj/wavs/a.flac")) << "the file itself, at its own rate";
  EXPECT_TRUE(set.audio_file(1).starts_with("fLaC"));
  EXPECT_EQ(decoded(set.audio_file(1)), decoded(read_file(folder / "lj/wavs/b.wav"))) << "a WAV becomes FLAC, losslessly";
  EXPECT_EQ(set.seconds()[0], 1);
  // A segment of a FLAC file is a file of its own.
  const fs::path manifest =
      folder.file("m.jsonl", "{\"audio\": \"lj/wavs/a.flac\", \"offset\": 0.5, \"duration\": 0.25, \"text\": \"x\"}\n");
  shard(manifest, folder / "cut", speech(AudioCodec::flac));
  const fs::path whole = folder.file("whole.jsonl", "{\"audio\": \"lj/wavs/a.flac\", \"offset\": 0, \"duration\": 1.0, \"text\": \"x\"}\n");
  shard(whole, folder / "all", speech(AudioCodec::flac));
  EXPECT_TRUE(ShardSet(folder / "all").audio_file(0) == read_file(folder / "lj/wavs/a.flac")) << "a segment that is all of it";
  EXPECT_EQ(decoded(ShardSet(folder / "cut").audio_file(0)).size(), 4000u);
}

TEST(SpeechShards, FeaturesAreHalfPrecision) {
  const Folder folder;
  const SpeechOptions options = speech(AudioCodec::features);
  shard(kaldi_corpus(folder, "data", 10), folder / "out", options);
  const ShardSet set(folder / "out");
  EXPECT_EQ(set.index().feature_width, 2u);
  const std::vector<float> samples = decoded(read_file(folder / "data/r0.wav"), 1.5, 2.0);
  std::vector<float> expected = options.features.of(samples);
  for (float& value : expected) value = float_of(half_of(value));
  EXPECT_EQ(set.features(3), expected);
  EXPECT_EQ(expected.size(), 100u);
  SpeechOptions without = options;
  without.features = {};
  EXPECT_SAYS(error_of([&] { shard(folder / "data", folder / "none", without); }), "needs a function that computes them");
}

TEST(SpeechShards, TheSameBytesOnAnyNumberOfRanks) {
  const Folder folder;
  const fs::path corpus = kaldi_corpus(folder, "data", 60);
  write_audio(corpus / "r2.wav", std::vector<float>(80000));  // silent: ten segments fall out
  for (const AudioCodec codec : {AudioCodec::i16, AudioCodec::flac, AudioCodec::features}) {
    const std::string name = name_of(codec);
    ShardOptions options = speech_options();
    options.fractions = SplitFractions::parse("train=0.5,dev=0.5", 5);
    SpeechOptions how = speech(codec);
    how.bad = BadLimit::parse("20%");
    const fs::path one = folder / (name + "1");
    shard(corpus, one, how, options);
    const auto expected = contents(one);
    EXPECT_GT(expected.size(), 8u);
    for (const int size : {2, 3, 5}) {
      const fs::path out = folder / fmt::format("{}{}", name, size);
      on_ranks(size, [&](const ShardRanks& ranks) { shard(corpus, out, how, options, &bytes, ranks); });
      EXPECT_TRUE(contents(out) == expected) << name << " on " << size << " ranks";
    }
    const ShardSet train(one / "train"), dev(one / "dev");
    EXPECT_EQ(train.rows() + dev.rows(), 50u);
    std::set<std::string> speakers;
    for (std::uint64_t row = 0; row < train.rows(); ++row) speakers.insert(train.group(row));
    for (std::uint64_t row = 0; row < dev.rows(); ++row) EXPECT_FALSE(speakers.contains(dev.group(row))) << "a speaker in both";
    const SpeechReport report = report_of({train.index(), dev.index()}, 1);
    EXPECT_EQ(report.corpora[0].counts(), (std::map<std::string, std::uint64_t>{{"silent", 10}}));
    EXPECT_NEAR(report.hours() * 3600, 25, 1e-9);
  }
}

// What was heard before the interruption is not heard again, and what was left out then is still listed.
TEST(SpeechShards, AnInterruptedRunGoesOn) {
  const Folder folder;
  const fs::path corpus = kaldi_corpus(folder, "data", 60), out = folder / "out";
  write_audio(corpus / "r1.wav", std::vector<float>(80000));
  SpeechOptions how = speech();
  how.bad = BadLimit::parse("10");
  const HookedEncoder fails(fails_at(25));
  EXPECT_SAYS(error_of([&] { shard(corpus, out, how, speech_options(), &fails); }), "interrupted");
  EXPECT_SAYS(error_of([&] { ShardSet set(out); }), "sharding was not finished");
  as_if_killed(out);
  const ShardReport report = shard(corpus, out, how);
  EXPECT_EQ(report.kept, 4u);
  EXPECT_EQ(report.written, 4u);
  how.bad = BadLimit::parse("50%");  // decides nothing of what is in them
  shard(corpus, folder / "fresh", how);
  EXPECT_TRUE(contents(out) == contents(folder / "fresh"));
  EXPECT_EQ(report_of({report.directories[0].index}, 1).bad(), 10u);
  EXPECT_EQ(shard(corpus, out, how).written, 0u) << "finished: left alone";
}

TEST(SpeechShards, ChangedAudioIsOtherAudio) {
  const Folder folder;
  const fs::path corpus = kaldi_corpus(folder, "data", 20), out = folder / "out";
  shard(corpus, out, speech());
  write_audio(corpus / "r1.wav", tone(6, 300));
  EXPECT_SAYS(error_of([&] { shard(corpus, out, speech()); }), "holds finished shards of other sources, options or tokenizer");
  SpeechOptions others = speech();
  others.rules = TextRules({"upper"});
  kaldi_corpus(folder, "data", 20);
  EXPECT_EQ(shard(corpus, out, speech()).kept, 3u);
  EXPECT_SAYS(error_of([&] { shard(corpus, out, others); }), "holds finished shards of other sources, options or tokenizer");
  EXPECT_SAYS(error_of([&] { shard(corpus, out, speech(AudioCodec::flac)); }), "holds finished shards");
}

// One bad file of each kind: all are counted and named, and nothing else is.
TEST(SpeechShards, BadInputIsCountedAndListed) {
  const Folder folder;
  std::string table = "path\ttext\tduration\n";
  const auto add = [&](const std::string& name, const std::string& text, const std::string& duration = "") {
    table += fmt::format("{}\t{}\t{}\n", name, text, duration);
  };
  write_audio(folder / "good.wav", tone(1)), add("good.wav", "good"), add("good.wav", "also good", "1");
  write_audio(folder / "silent.wav", std::vector<float>(16000)), add("silent.wav", "x");
  write_audio(folder / "loud.wav", tone(1, 440, 1.4)), add("loud.wav", "x");
  write_audio(folder / "none.wav", {}), add("none.wav", "x");
  folder.file("text.wav", "text"), add("text.wav", "x");
  write_audio(folder / "cut.wav", tone(4)), fs::resize_file(folder / "cut.wav", 9000), add("cut.wav", "x");
  write_audio(folder / "long.wav", tone(9)), add("long.wav", "x"), add("long.wav", "x", "9");
  write_audio(folder / "short.wav", tone(0.1)), add("short.wav", "x");
  add("good.wav", "x", "2"), add("gone.wav", "x"), add("good.wav", ""), add("good.wav", "?!"), add("good.wav", "naïve"),
      add("good.wav", "x", "y");
  const fs::path source = folder.file("t.tsv", table);
  SpeechOptions how = speech();
  how.limits.min_s = 0.5, how.limits.max_s = 5;
  how.bad = BadLimit::parse("100%");
  how.unspellable = [](std::string_view text) { return text.find("ï") == std::string_view::npos ? Texts{} : Texts{"ï", "v"}; };
  std::map<std::string, std::uint64_t> expected{
      {"silent", 1},    {"clipped", 1},        {"empty", 1},   {"unreadable", 1},         {"header_lies", 1},        {"too_long", 2},
      {"too_short", 1}, {"wrong_duration", 1}, {"bad_row", 1}, {"text_without_audio", 1}, {"audio_without_text", 2}, {"unspellable", 1}};
  const ShardReport report = shard(source, folder / "out", how);
  const SpeechReport found = report_of({report.directories[0].index}, 1);
  EXPECT_EQ(found.corpora[0].counts(), expected);
  EXPECT_EQ(found.rows(), 2u);
  EXPECT_EQ(found.bad(), 11u);
  for (const LeftOut& left : found.corpora[0].left_out) {
    EXPECT_TRUE(left.where.starts_with(source.string() + ":")) << left.where;
    if (left.reason != "bad_row") {
      EXPECT_SAYS(left.detail, ".wav");
    }
    if (left.reason == "silent") {
      EXPECT_EQ(left.detail, "silent.wav: its peak is 0.00000 of full scale");
    }
    if (left.reason == "unspellable") {
      EXPECT_EQ(left.detail, "good.wav: the vocabulary cannot spell 'ï', 'v' of 'naïve'");
    }
  }
  EXPECT_SAYS(found.to_text(), "of 'naïve'); text rules may change such texts (--text-rule; data.audio.text_rules)\n");
  // The same from the index on disk.
  EXPECT_EQ(report_of({ShardSet(folder / "out").index()}, 1).corpora[0].counts(), expected);
}

TEST(SpeechShards, TooMuchBadInputEndsIt) {
  const Folder folder;
  const fs::path corpus = kaldi_corpus(folder, "data", 60), out = folder / "out";
  for (const char* silent : {"r1.wav", "r4.wav"}) write_audio(corpus / silent, std::vector<float>(80000));
  SpeechOptions how = speech();
  for (const int size : {1, 3}) {
    for (const char* limit : {"19", "5%", "33%"}) {
      how.bad = BadLimit::parse(limit);
      std::atomic<int> ended = 0;
      on_ranks(size, [&](const ShardRanks& ranks) {
        const std::string error = error_of([&] { shard(corpus, out, how, speech_options(), &bytes, ranks); });
        EXPECT_SAYS(error, "bad input, expected at most");
        EXPECT_SAYS(error, "silent");
        ++ended;
      });
      EXPECT_EQ(ended, size);
      EXPECT_FALSE(fs::exists(out / "index.json"));
    }
  }
  how.bad = BadLimit::parse("20");
  const ShardReport report = shard(corpus, out, how);
  EXPECT_GT(report.kept, 0u) << "what was written before the limit was met is kept";
  EXPECT_EQ(report.directories[0].index.rows, 40u);
}

// Everything that is known when hearing stops is told, also what the manifest's lines alone say.
TEST(SpeechShards, WhatWasKnownWhenItStopped) {
  const Folder folder;
  write_audio(folder / "good.wav", tone(1)), write_audio(folder / "sub/silent.wav", std::vector<float>(16000));
  std::string letters;
  for (int i = 0; i < 100; ++i) letters += "ё";
  const fs::path source = folder.file(
      "t.tsv", "path\ttext\ngood.wav\tx\ngone.wav\tx\nlost.wav\tx\nsub/silent.wav\tx\ngood.wav\t" + std::string(99, 'q') + letters + "\n");
  SpeechOptions how = speech();
  how.bad = BadLimit::parse("2");
  const std::string error = error_of([&] { shard(source, folder / "out", how); }), name = source.string();
  EXPECT_SAYS(error, "3 of 5 utterances are bad input, expected at most 2 (2)");
  EXPECT_SAYS(error, fmt::format("; it stopped at {}:5, where this was known:\n", name));
  EXPECT_SAYS(error, fmt::format("\n  {0}: silent: 1 ({0}:5 5: sub/silent.wav: its peak is 0.00000 of full scale)", name));
  EXPECT_SAYS(error,
              fmt::format("\n  {0}: text_without_audio: 2 ({0}:3 3: {1} is not there; {0}:4 4: ", name, (folder / "gone.wav").string()));
  // A long text ends where a character does.
  how.bad = BadLimit::parse("4");
  how.unspellable = [](std::string_view text) { return text.size() > 9 ? Texts{"ё"} : Texts{}; };
  const SpeechReport report = report_of({shard(source, folder / "out", how).directories[0].index}, 1);
  EXPECT_SAYS(report.to_text(), fmt::format("cannot spell 'ё' of '{}{}…')", std::string(99, 'q'), letters.substr(0, 100)));
}

TEST(SpeechShards, LimitsThatNoAudioMeets) {
  const Folder folder;
  SpeechOptions how = speech();
  how.limits.min_s = 5, how.limits.max_s = 2.5;
  EXPECT_SAYS(error_of([&] { shard(kaldi_corpus(folder, "data", 10), folder / "out", how); }),
              "no audio lasts at least 5 s and at most 2.5 s: correct one of the two (--min-seconds, --max-seconds; ");
}

// A shard without a row stays in the count of shards; a directory without one is no directory of shards.
TEST(SpeechShards, AShardOfBadRowsAlone) {
  const Folder folder;
  const fs::path corpus = kaldi_corpus(folder, "data", 30), out = folder / "out";
  write_audio(corpus / "r1.wav", std::vector<float>(80000));
  SpeechOptions how = speech();
  how.bad = BadLimit::parse("100%");
  shard(corpus, out, how, speech_options(5));
  const ShardSet set(out);
  EXPECT_EQ(set.index().shards.size(), 6u);
  EXPECT_EQ(set.index().shards[2].rows, 0u);
  EXPECT_EQ(set.rows(), 20u);
  EXPECT_EQ(set.id(9), "u009");
  EXPECT_EQ(set.id(10), "u020");
  EXPECT_EQ(set.seconds().size(), 20u);
  EXPECT_EQ(set.lengths().size(), 20u);
  for (const char* name : {"r0.wav", "r2.wav"}) write_audio(corpus / name, std::vector<float>(80000));
  EXPECT_SAYS(error_of([&] { shard(corpus, folder / "none", how); }),
              "expected rows, found none: every utterance was left out:\n  " + corpus.string() + ": silent: 30 (");
  EXPECT_FALSE(fs::exists(folder / "none/index.json"));
}

TEST(SpeechShards, ClassesWithoutText) {
  const Folder folder;
  for (const char* name : {"w/yes/a_nohash_0.wav", "w/yes/b_nohash_0.wav", "w/no/a_nohash_0.wav"}) write_audio(folder / name, tone(0.5));
  ShardOptions options = speech_options(2);
  options.read.label_kind = LabelKind::one;
  shard(folder / "w", folder / "out", speech(), options, nullptr);
  const ShardSet set(folder / "out");
  EXPECT_FALSE(set.has_ids());
  EXPECT_EQ(set.label_names(), (std::vector<std::string>{"no", "yes"}));
  EXPECT_EQ(set.labels(), (std::vector<std::int32_t>{0, 1, 1}));
  EXPECT_EQ(set.read(1).labels, (std::vector<std::int32_t>{1}));
  EXPECT_TRUE(set.read(1).input_ids.empty());
  EXPECT_EQ(set.group(1), "a");
  EXPECT_EQ(set.samples(1).size(), 8000u);
  options.read.label_names = {"yes"};
  EXPECT_SAYS(error_of([&] { shard(folder / "w", folder / "less", speech(), options, nullptr); }), "unknown label 'no'");
}

// Labels that are wanted, and that nothing in the corpus says.
TEST(SpeechShards, LabelsThatAreNowhere) {
  const Folder folder;
  const fs::path corpus = kaldi_corpus(folder, "data", 10);
  const fs::path table = folder.file("t.tsv", "path\tkind\tempty\ndata/r0.wav\tx\t\n");
  ShardOptions options = speech_options();
  SpeechOptions how = speech();
  for (const LabelKind kind : {LabelKind::one, LabelKind::several, LabelKind::number}) {
    options.read.label_kind = kind;
    how.corpus.columns = {};
    EXPECT_SAYS(error_of([&] { shard(table, folder / "out", how, options, nullptr); }),
                "t.tsv:1: expected a column with the label, found path, kind, empty: name it (--column label=NAME; in a recipe ");
    EXPECT_SAYS(error_of([&] { shard(corpus, folder / "out", how, options, nullptr); }),
                fmt::format("read as kaldi: no utterance has a label of the kind '{}' (", name_of(kind)));
    EXPECT_SAYS(error_of([&] { shard(corpus, folder / "out", how, options, nullptr); }), "(--column label=NAME; in a recipe ");
    how.corpus.columns = {{"label", "empty"}};
    if (kind == LabelKind::several) {
      const SpeechRows rows({table}, how, options, false);  // a row may have none of several
    } else {
      EXPECT_SAYS(error_of([&] { shard(table, folder / "out", how, options, nullptr); }), "(--column label=NAME; in a recipe ");
    }
  }
}

// What is written of such a file is UTF-8; the file itself is found.
TEST(SpeechShards, NamesThatAreNotUtf8) {
  const Folder folder;
  write_audio(folder / "w/na\xEFve/a.wav", tone(0.5)), write_audio(folder / "w/na\xEFve/\xFF.wav", std::vector<float>(8000));
  ShardOptions options = speech_options();
  options.read.label_kind = LabelKind::one;
  SpeechOptions how = speech();
  how.bad = BadLimit::parse("1");
  on_ranks(2, [&](const ShardRanks& ranks) { shard(folder / "w", folder / "out", how, options, nullptr, ranks); });
  const ShardSet set(folder / "out");
  EXPECT_EQ(set.id(0), "na\uFFFDve/a");
  EXPECT_EQ(set.label_names(), (std::vector<std::string>{"na\uFFFDve"}));
  EXPECT_EQ(set.index().shards[0].left_out[0].id, "na\uFFFDve/\uFFFD");
}

TEST(SpeechShards, SplitsThatTheCorpusNames) {
  const Folder folder;
  for (const char* clip : {"a", "b", "c"}) write_audio(folder / fmt::format("cv/clips/{}.mp3", clip), tone(0.5), mp3);
  folder.file("cv/train.tsv", "client_id\tpath\tsentence\ns1\ta.mp3\tA\ns2\tb.mp3\tB\n");
  folder.file("cv/test.tsv", "client_id\tpath\tsentence\ns3\tc.mp3\tC\n");
  ShardOptions options = speech_options();
  options.read.split = "split";
  shard(folder / "cv", folder / "out", speech(), options);
  EXPECT_EQ(ShardSet(folder / "out/train").rows(), 2u);
  EXPECT_EQ(ShardSet(folder / "out/test").text(0), "c");
}

TEST(SpeechShards, SeveralCorpora) {
  const Folder folder;
  const fs::path first = kaldi_corpus(folder, "a", 10), second = kaldi_corpus(folder, "b", 20);
  const SpeechOptions how = speech();
  const ShardReport report = write_speech_shards({first, second}, folder / "out", &bytes, how, speech_options());
  const ShardSet set(folder / "out");
  EXPECT_EQ(set.id(9), "0:u009");
  EXPECT_EQ(set.id(10), "1:u000");
  const SpeechReport found = report_of({report.directories[0].index}, 2);
  ASSERT_EQ(found.corpora.size(), 2u);
  EXPECT_EQ(found.corpora[1].rows, 20u);
  EXPECT_EQ(found.corpora[1].seconds, 10);
  EXPECT_EQ(found.corpora[1].format, "kaldi");
  EXPECT_EQ(found.rows_per_second(), 15);
}

TEST(SpeechShards, DamageIsFound) {
  const Folder folder;
  shard(kaldi_corpus(folder, "data", 20), folder / "out", speech());
  const fs::path file = folder / "out/data-00001-of-00003.h5";
  std::string damaged = read_file(file);
  damaged[damaged.size() / 2] = static_cast<char>(damaged[damaged.size() / 2] + 1);
  write_file_atomically(file, damaged);
  const ShardSet set(folder / "out");
  EXPECT_NO_THROW(set.samples(0));
  EXPECT_SAYS(error_of([&] { set.samples(8); }), "is damaged: expected the checksum");
  Json index = Json::parse(read_file(folder / "out/index.json"));
  index["shards"][0]["sources"][0]["source"] = 7;
  index["xxh3"] = checksum_of(index);
  write_file_atomically(folder / "out/index.json", index.dump());
  EXPECT_SAYS(error_of([&] { ShardSet wrong(folder / "out"); }), "there is no source 7");
}

}  // namespace
}  // namespace thaw
