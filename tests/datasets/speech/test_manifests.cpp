// Tables and JSON manifests: columns and keys by their usual names, or named.
#include "datasets/speech/readers.h"
#include "tests/datasets/speech/speech_testing.h"

namespace thaw {
namespace {

class Manifests : public testing::Test {
 protected:
  Manifests() {
    for (const char* name : {"a.wav", "sub/b.wav", "c.wav"}) write_audio(folder / name, tone(1));
  }
  const Folder folder;
};

TEST_F(Manifests, Nemo) {
  const fs::path file = folder.file(
      "m.jsonl",
      "{\"audio_filepath\": \"a.wav\", \"duration\": 1.0, \"text\": \"one\", \"speaker\": 7}\n\n"
      "{\"audio_filepath\": \"sub/b.wav\", \"offset\": 0.25, \"duration\": 0.5, \"text\": \"two\", \"lang\": \"en\"}\n"
      "{\"audio_filepath\": \"gone.wav\", \"text\": \"x\"}\nnot json\n[1]\n{\"text\": \"x\"}\n"
      "{\"audio_filepath\": \"a.wav\", \"text\": {\"a\": 1}}\n{\"audio_filepath\": \"a.wav\", \"duration\": -1, \"text\": \"x\"}\n");
  const Corpus corpus = read_corpus(file);
  EXPECT_EQ(corpus.format, CorpusFormat::jsonl);
  ASSERT_EQ(corpus.utterances.size(), 2u);
  EXPECT_EQ(corpus.utterances[0].id, "1");
  EXPECT_EQ(corpus.utterances[0].speaker, "7");
  EXPECT_FALSE(corpus.utterances[0].is_segment());
  const Utterance& second = corpus.utterances[1];
  EXPECT_EQ(second.line, 3u);
  EXPECT_EQ(second.begin_s, 0.25);
  EXPECT_EQ(second.end_s, 0.75);
  EXPECT_EQ(second.language, "en");
  EXPECT_EQ(second.audio, (folder / "sub/b.wav").string());
  EXPECT_EQ(reasons(corpus.left_out), (Texts{"text_without_audio 4", "bad_row ", "bad_row ", "bad_row ", "bad_row ", "bad_row "}));
}

// A long recording's first segment begins at 0; without an offset a duration is the file's.
TEST_F(Manifests, AnOffsetOfNothingMakesASegment) {
  const Corpus corpus =
      read_corpus(folder.file("m.jsonl",
                              "{\"audio_filepath\": \"a.wav\", \"offset\": 0.0, \"duration\": 0.4, \"text\": \"first\"}\n"
                              "{\"audio_filepath\": \"a.wav\", \"offset\": 0, \"duration\": 1.0, \"text\": \"whole\"}\n"
                              "{\"audio_filepath\": \"a.wav\", \"offset\": 0, \"duration\": 2.0, \"text\": \"too much\"}\n"
                              "{\"audio_filepath\": \"a.wav\", \"duration\": 0.4, \"text\": \"a lie\"}\n"
                              "{\"audio_filepath\": \"a.wav\", \"offset\": 0, \"text\": \"all\"}\n"));
  ASSERT_EQ(corpus.utterances.size(), 5u);
  EXPECT_EQ(corpus.utterances[0].begin_s, 0);
  EXPECT_EQ(corpus.utterances[0].end_s, 0.4);
  EXPECT_FALSE(corpus.utterances[3].is_segment());
  EXPECT_FALSE(corpus.utterances[4].is_segment());
  Listener listener(SpeechLimits{});
  const auto samples = [&](std::size_t row) {
    const Listener::Heard heard = listener.hear(corpus.utterances[row]);
    EXPECT_FALSE(heard.fault) << heard.detail;
    return heard.audio.samples.size();
  };
  EXPECT_EQ(samples(0), 6400u);
  EXPECT_EQ(samples(1), 16000u);
  EXPECT_EQ(listener.hear(corpus.utterances[2]).fault, Fault::wrong_duration) << "the recording ends before";
  EXPECT_EQ(listener.hear(corpus.utterances[3]).fault, Fault::wrong_duration);
  EXPECT_EQ(samples(4), 16000u);
}

TEST_F(Manifests, EspnetAndNamedKeys) {
  const fs::path file = folder.file("m.jsonl", "{\"key\": \"utt1\", \"wav\": \"a.wav\", \"txt\": \"one\", \"wer\": 0.5}\n");
  EXPECT_EQ(read_corpus(file).utterances[0].id, "utt1");
  CorpusOptions options;
  options.columns = {{"weight", "wer"}};
  EXPECT_EQ(read_corpus(file, options).utterances[0].weight, 0.5);
  options.columns = {{"txet", "txt"}};
  EXPECT_SAYS(error_of([&] { read_corpus(file, options); }), "column txet=txt: expected one of audio, text, id, ");
}

TEST_F(Manifests, Tables) {
  const fs::path csv =
      folder.file("t.csv", "path,text,who,part,w\na.wav,\"one, \"\"two\"\"\",x,train,2\nc.wav,three,y,dev,1\nsub/b.wav,four\n");
  CorpusOptions options;
  options.columns = {{"speaker", "who"}, {"split", "part"}, {"weight", "w"}};
  const Corpus corpus = read_corpus(csv, options);
  EXPECT_EQ(corpus.format, CorpusFormat::table);
  ASSERT_EQ(corpus.utterances.size(), 2u);
  EXPECT_EQ(corpus.utterances[0].text, "one, \"two\"");
  EXPECT_EQ(corpus.utterances[0].speaker, "x");
  EXPECT_EQ(corpus.utterances[1].split, "dev");
  EXPECT_EQ(corpus.utterances[0].weight, 2);
  EXPECT_EQ(reasons(corpus.left_out), (Texts{"bad_row "}));
  EXPECT_EQ(corpus.left_out[0].where, csv.string() + ":4");
  options.columns = {{"audio", "clip"}};
  EXPECT_SAYS(error_of([&] { read_corpus(csv, options); }), "t.csv:1: expected 'clip' (audio), found path, text, who, part, w");
  const fs::path nothing = folder.file("n.tsv", "words\tlabel\nx\ty\n");
  EXPECT_SAYS(error_of([&] { read_corpus(nothing); }),
              "n.tsv:1: expected a column with the audio's path, found words, label: name it (--column audio=NAME; in a recipe "
              "data.audio.columns)");
}

// A column or key that nobody has is no row's fault: those that are there are named, and the remedy.
TEST_F(Manifests, WhatIsNeededIsAskedFor) {
  const fs::path table = folder.file("t.tsv", "path\twords\na.wav\tone\nc.wav\ttwo\n");
  const fs::path lines = folder.file("m.jsonl", "[1]\n{\"wav\": \"a.wav\", \"words\": \"one\"}\n{\"wav\": \"c.wav\", \"more\": 1}\n");
  EXPECT_SAYS(error_of([&] { read_corpus(table); }),
              "t.tsv:1: expected a column with the text, found path, words: name it (--column text=NAME; in a recipe data.audio.columns)");
  EXPECT_SAYS(error_of([&] { read_corpus(lines); }),
              "m.jsonl:2: expected a key with the text, found wav, words: name it (--column text=NAME; in a recipe data.audio.columns)");
  CorpusOptions options;
  options.columns = {{"text", "word"}};
  EXPECT_SAYS(error_of([&] { read_corpus(lines, options); }), "m.jsonl:2: expected 'word' (text), found wav, words: name the right one (");
  options.columns = {{"text", "words"}};
  EXPECT_EQ(read_corpus(table, options).utterances.size(), 2u);
  EXPECT_EQ(reasons(read_corpus(lines, options).left_out), (Texts{"bad_row ", "bad_row "})) << "one row has the key";
  options = {};
  options.need_text = false;
  EXPECT_EQ(read_corpus(table, options).utterances.size(), 2u);
  EXPECT_EQ(read_corpus(lines, options).utterances.size(), 2u);
  options.need_label = true;
  EXPECT_SAYS(
      error_of([&] { read_corpus(table, options); }),
      "t.tsv:1: expected a column with the label, found path, words: name it (--column label=NAME; in a recipe data.audio.columns)");
  EXPECT_SAYS(error_of([&] { read_corpus(lines, options); }), "m.jsonl:2: expected a key with the label, found wav, words: name it (");
  options.columns = {{"label", "words"}};
  EXPECT_EQ(read_corpus(table, options).utterances[1].label, "two");
  EXPECT_SAYS(error_of([&] { read_corpus(folder.file("n.jsonl", "{\"clip_name\": \"a.wav\", \"text\": \"one\"}\n")); }),
              "n.jsonl:1: expected a key with the audio's path, found clip_name, text: name it (--column audio=NAME; in a recipe "
              "data.audio.columns)");
}

TEST(Beginning, EndsBetweenCharacters) {
  EXPECT_EQ(beginning("aёb", 4), "aёb");
  EXPECT_EQ(beginning("aёb", 3), "aё…");
  EXPECT_EQ(beginning("aёb", 2), "a…");
  EXPECT_EQ(beginning("ё", 1), "…");
}

TEST_F(Manifests, ATableWithoutHeaderElsewhere) {
  const fs::path file = folder.file("list.tsv", "b.wav\tone\nb.wav\ttwo\n");
  CorpusOptions options;
  options.columns = {{"audio", "0"}, {"text", "1"}};
  options.audio_root = (folder / "sub").string();
  const Corpus corpus = read_corpus(file, options);
  ASSERT_EQ(corpus.utterances.size(), 2u);
  EXPECT_EQ(corpus.utterances[0].text, "one");
  EXPECT_EQ(corpus.utterances[1].audio, (folder / "sub/b.wav").string());
}

// No row of such a table says how wide the others are: neither a first line that is none, nor a tab that strayed.
TEST_F(Manifests, RowsOfATableWithoutHeaderMayDifferInWidth) {
  CorpusOptions options;
  options.columns = {{"audio", "0"}, {"text", "1"}};
  const Corpus corpus = read_corpus(folder.file("list.tsv", "# my sentences\na.wav\tin being\nc.wav\n"), options);
  ASSERT_EQ(corpus.utterances.size(), 1u);
  EXPECT_EQ(corpus.utterances[0].text, "in being");
  EXPECT_EQ(corpus.utterances[0].line, 2u);
  ASSERT_EQ(reasons(corpus.left_out), (Texts{"bad_row ", "bad_row "}));
  EXPECT_EQ(corpus.left_out[0].where, (folder / "list.tsv").string() + ":1");
  EXPECT_EQ(corpus.left_out[0].detail, "expected 2 columns, found 1");
  const Corpus wide = read_corpus(folder.file("wide.tsv", "a.wav\tone\t\nc.wav\ttwo\nsub/b.wav\tthree\n"), options);
  EXPECT_EQ(wide.utterances.size(), 3u);
  EXPECT_TRUE(wide.left_out.empty());
  const Corpus commas = read_corpus(folder.file("list.csv", "a.wav,one\nc.wav,two, three\n"), options);
  ASSERT_EQ(reasons(commas.left_out), Texts{"bad_row "});
  EXPECT_EQ(commas.left_out[0].detail, "expected 2 columns, found 3") << "a comma without quotes does not cut the text";
  options.columns["speaker"] = "3";
  EXPECT_SAYS(error_of([&] { read_corpus(folder / "wide.tsv", options); }), "bad_row: 3; the first of them: ");
  EXPECT_SAYS(error_of([&] { read_corpus(folder / "wide.tsv", options); }), "wide.tsv:1 (bad_row expected 4 columns, found 3)");
}

TEST_F(Manifests, EachLineOfATableThatIsRepairedCounts) {
  const fs::path tsv = folder.file("t.tsv", "path\ttext\na.wav\tcaf\xE9\nc.wav\tplain\nsub/b.wav\t\xE9t\xE9\n");
  const Corpus corpus = read_corpus(tsv);
  EXPECT_EQ(corpus.utterances[2].text, "\uFFFDt\uFFFD");
  EXPECT_EQ(corpus.repaired, 2u);
  EXPECT_EQ(read_corpus(folder.file("t.csv", "path,text\r\na.wav,\"caf\xE9,\r\nc\xE9\"\r\nc.wav,two\r\n")).repaired, 2u);
  EXPECT_EQ(read_corpus(folder.file("u.tsv", "path\ttext\na.wav\tcaf\xC3\xA9\n")).repaired, 0u);
}

TEST_F(Manifests, BytesThatAreNotUtf8AreRepairedAndCounted) {
  const Corpus corpus = read_corpus(folder.file("m.jsonl", "{\"audio\": \"a.wav\", \"text\": \"caf\xE9\"}\n"));
  EXPECT_EQ(corpus.utterances[0].text, "caf\uFFFD");
  EXPECT_EQ(corpus.repaired, 1u);
  EXPECT_SAYS(error_of([&] { read_corpus(folder.file("u.jsonl", "\xFF\xFE{\0")); }), "expected UTF-8, found UTF-16");
}

}  // namespace
}  // namespace thaw
