// thaw shard on corpora of speech, as people run it: ranks, killed jobs, bad input, and what it says.
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "datasets/audio/audio.h"
#include "datasets/shards/shard_set.h"
#include "framework/base/file.h"
#include "tests/launcher/shard_testing.h"

namespace thaw::test {
namespace {

class ShardSpeech : public ShardProgram {
 protected:
  void sound(const std::string& name, double seconds, float peak = 0.5f) const {
    std::vector<float> samples(static_cast<std::size_t>(seconds * 16000));
    for (std::size_t i = 0; i < samples.size(); ++i) samples[i] = peak * std::sin(0.1f * static_cast<float>(i));
    fs::create_directories(fs::path(shop.path(name)).parent_path());
    shop.write(name, audio::encode_audio(samples, 16000, audio::AudioFormat::wav));
  }
  // A Kaldi directory of so many segments of a quarter of a second by 40 speakers, in recordings of 400.
  void kaldi(const std::string& name, int segments) const {
    std::string scp, cuts, text, speakers;
    for (int i = 0; i < segments; ++i) {
      if (i % 400 == 0) {
        sound(fmt::format("{}/r{}.wav", name, i / 400), 100);
        scp += fmt::format("r{0} r{0}.wav\n", i / 400);
      }
      cuts += fmt::format("u{:05} r{} {} {}\n", i, i / 400, 0.25 * (i % 400), 0.25 * (i % 400 + 1));
      text += fmt::format("u{:05} a good film\n", i);
      speakers += fmt::format("u{:05} s{}\n", i, i % 40);
    }
    shop.write(name + "/wav.scp", scp), shop.write(name + "/segments", cuts), shop.write(name + "/text", text);
    shop.write(name + "/utt2spk", speakers);
  }
  std::string command(const std::string& corpus, const std::string& out, const std::string& more = "") const {
    return fmt::format("shard {} --model {} --out {} {}", shop.path(corpus), shop.path("model"), shop.path(out), more);
  }
};

TEST_F(ShardSpeech, TheSameBytesOnOneAndTwoRanks) {
  kaldi("data", 400);
  const std::string options = "--audio flac --rows-per-shard 64 --split train=0.8,dev=0.2 --json";
  const Json one = report(thaw(command("data", "one", options))), two = report(thaw(command("data", "two", options), 2));
  EXPECT_EQ(one["speech"]["rows"], 400);
  EXPECT_NEAR(one["speech"]["hours"].get<double>(), 100.0 / 3600, 1e-9);
  EXPECT_GT(one["speech"]["rows_per_second"], 0);
  EXPECT_EQ(one["speech"]["corpora"][0]["format"], "kaldi");
  EXPECT_EQ(two["speech"]["corpora"], one["speech"]["corpora"]);
  EXPECT_TRUE(contents(shop.path("one")) == contents(shop.path("two")));
}

// kill -9 on every process, in the middle: the same command ends with the same bytes as if nothing had happened.
TEST_F(ShardSpeech, KilledOnTwoRanksItGoesOn) {
  kaldi("data", 8000);
  const std::string options = "--audio flac --rows-per-shard 100 --json", parts = command("data", "parts", options);
  ASSERT_EQ(thaw(command("data", "whole", options), 2).exit_code, 0);
  {
    Background job(thaw_command(parts, 2));
    ASSERT_TRUE(wait_until([&] { return shards_below(shop.path("parts")) >= 10; }));
    job.kill(SIGKILL);
  }
  ASSERT_FALSE(fs::exists(shop.path("parts/index.json"))) << "it had ended already";
  const Json resumed = report(thaw(parts, 2));
  EXPECT_GE(resumed["kept"], 10);
  EXPECT_EQ(resumed["kept"].get<int>() + resumed["written"].get<int>(), 80);
  EXPECT_TRUE(contents(shop.path("parts")) == contents(shop.path("whole")));
  EXPECT_EQ(report(thaw(parts, 2))["written"], 0);
}

TEST_F(ShardSpeech, BadInputIsSaid) {
  std::string rows;
  for (int i = 0; i < 30; ++i) rows += "{\"audio_filepath\": \"good.wav\", \"text\": \"A Good Film!\"}\n";
  sound("good.wav", 1), sound("silent.wav", 1, 0);
  shop.write("rows.jsonl",
             rows +
                 "{\"audio_filepath\": \"silent.wav\", \"text\": \"good\"}\n{\"audio_filepath\": \"gone.wav\", \"text\": \"good\"}\n"
                 "{\"audio_filepath\": \"good.wav\", \"text\": \"Good xylophone!\"}\n");
  const std::string rules = "--audio i16 --text-rule lower --text-rule strip_punctuation ";
  expect(
      command("rows.jsonl", "out", rules), 65,
      {"2 of 33 utterances are bad input, expected at most 1 (5%)", "it stopped at " + shop.path("rows.jsonl:31"),
       "silent: 1 (" + shop.path("rows.jsonl:31") + " 31: silent.wav: its peak", "text_without_audio: 1 (" + shop.path("rows.jsonl:32")});
  EXPECT_FALSE(fs::exists(shop.path("out/index.json")));
  expect(command("rows.jsonl", "out", rules + "--bad-limit 3"), 0,
         {"rows.jsonl (jsonl): 30 rows, 0.01 h",
          "left out, silent: 1 (" + shop.path("rows.jsonl:31") + " 31: silent.wav: its peak is 0.00000 of full scale)",
          "left out, text_without_audio: 1", "left out, unspellable: 1",
          "good.wav: the vocabulary cannot spell 'xylophone' of 'good xylophone'", "--text-rule", "30 rows, 0.01 h of speech"});
  EXPECT_EQ(ShardSet(shop.path("out")).text(7), "a good film");
}

TEST_F(ShardSpeech, CharactersThatAVocabularyLacks) {
  sound("good.wav", 1);
  fs::create_directories(shop.path("ctc"));
  shop.write("ctc/config.json", "{}");
  shop.write("ctc/vocab.json", R"({"<pad>": 0, "<s>": 1, "</s>": 2, "<unk>": 3, "|": 4, "а": 5, "б": 6, "е": 7})");
  shop.write("rows.tsv", "path\ttext\ngood.wav\tаб ёxё\n");
  const std::string arguments =
      fmt::format("shard {} --audio i16 --model {} --out {} ", shop.path("rows.tsv"), shop.path("ctc"), shop.path("out"));
  expect(arguments, 65, {"good.wav: the vocabulary cannot spell 'ё', 'x' of 'аб ёxё'); text rules may change such texts (--text-rule"});
  expect(arguments + "--text-rule yo_to_ye --text-rule remove:x", 0, {"rows.tsv (table): 1 rows"});
}

TEST_F(ShardSpeech, ClassesNeedNoModel) {
  for (const char* name : {"words/yes/a_nohash_0", "words/yes/b_nohash_0", "words/no/a_nohash_0"}) sound(fmt::format("{}.wav", name), 0.5);
  const std::string to = " --out " + shop.path("out") + " --json";
  EXPECT_EQ(report(thaw("shard " + shop.path("words") + to))["directories"][0]["labels"], Json({"no", "yes"}));
  EXPECT_EQ(ShardSet(shop.path("out")).labels(), (std::vector<std::int32_t>{0, 1, 1}));
  expect("shard " + shop.path("words") + " --label-kind none" + to, 64, {"--model is required"});
  expect("shard " + shop.path("train.tsv") + to, 64, {"--model is required"});
}

TEST_F(ShardSpeech, TheModelsFeatures) {
  sound("good.wav", 1);
  shop.write("rows.tsv", "path\tsentence\ngood.wav\ta good film\n");
  expect(command("rows.tsv", "out", "--audio features"), 66, {"preprocessor_config.json: is missing"});
  shop.write("model/preprocessor_config.json", "{\"feature_extractor_type\": \"Wav2Vec2FeatureExtractor\"}");
  expect(command("rows.tsv", "out", "--audio features"), 64, {"'Wav2Vec2FeatureExtractor' takes samples"});
  shop.write("model/preprocessor_config.json", "{\"feature_extractor_type\": \"WhisperFeatureExtractor\", \"feature_size\": 80}");
  expect(command("rows.tsv", "out", "--audio features"), 0, {"rows.tsv (table): 1 rows"});
  const ShardSet set(shop.path("out"));
  EXPECT_EQ(set.index().feature_width, 80u);
  EXPECT_EQ(set.features(0).size(), 3000u * 80);
}

// A Whisper whose directory does not say so takes Whisper's usual features, and those of the file that training writes.
TEST_F(ShardSpeech, TheUsualFeaturesOfAWhisper) {
  sound("good.wav", 1);
  shop.write("rows.tsv", "path\tsentence\ngood.wav\ta good film\n");
  const std::string model = shop.path("model/config.json");
  Json config = Json::parse(read_file(model));
  config["model_type"] = "whisper", config["num_mel_bins"] = 20;
  shop.write("model/config.json", config.dump());
  expect(command("rows.tsv", "out", "--audio features"), 0, {"rows.tsv (table): 1 rows"});
  const ShardSet set(shop.path("out"));
  EXPECT_EQ(set.index().feature_width, 20u);
  EXPECT_EQ(set.features(0).size(), 3000u * 20);
  shop.write("model/preprocessor_config.json", "{\"feature_extractor_type\": \"WhisperFeatureExtractor\", \"feature_size\": 20}");
  expect(command("rows.tsv", "said", "--audio features"), 0, {"rows.tsv (table): 1 rows"});
  EXPECT_EQ(ShardSet(shop.path("said")).features(0), set.features(0));
}

// What is for rows of text would be passed over in silence; and rows of speech that were taken for text are told the way.
TEST_F(ShardSpeech, OptionsOfTextAreRefused) {
  sound("good.wav", 1);
  shop.write("rows.csv", "path,text\ngood.wav,a good film\n");
  expect(command("rows.csv", "out", "--audio i16 --format jsonl"), 64,
         {"--format: speech has the format of its corpus in --corpus; leave this option out"});
  expect(command("rows.csv", "out", "--audio i16 --header no"), 64,
         {"--header: speech has numbers in --column where a table has no header; leave this option out"});
  expect(command("rows.csv", "out", "--audio i16 --skip-bad-rows"), 64,
         {"--skip-bad-rows: speech lists bad rows and goes on up to --bad-limit; leave this option out"});
  expect(command("rows.csv", "out", "--audio i16 --format auto"), 0, {"rows.csv (table): 1 rows"});
  shop.write("rows.jsonl", "\xEF\xBB\xBF{\"audio_filepath\": \"good.wav\", \"text\": \"a good film\"}\n");
  expect(command("rows.jsonl", "text"), 65,
         {"expected the key 'label' (label), found audio_filepath, text: name the right one; if 'audio_filepath' names recordings, this is "
          "speech: shard it with --audio i16"});
  expect(command("rows.csv", "text"), 65, {"expected a column 'label' (label)", "if 'path' names recordings, this is speech"});
}

TEST_F(ShardSpeech, WrongWords) {
  kaldi("data", 4);
  shop.write("data/wav.scp", "r0 touch " + shop.path("seen") + " |\n");
  expect(command("data", "out"), 65, {"wav.scp:1: 'touch ", "--allow-pipes"});
  EXPECT_FALSE(fs::exists(shop.path("seen")));
  expect(command("data", "out", "--allow-pipes"), 65, {"bad input", "empty: 1 (", "|': the command wrote nothing)"});
  EXPECT_TRUE(fs::exists(shop.path("seen")));
  expect(command("data", "out", "--audio mp3"), 64, {"--audio"});
  expect(command("data", "out", "--text-rule lowercase"), 64, {"text rule 'lowercase': expected lower, upper"});
  expect(command("data", "out", "--bad-limit many"), 64, {"a limit of bad input 'many': expected a share"});
  expect(command("data", "out", "--column speaker"), 64, {"--column speaker: expected USE=NAME"});
  expect(command("data", "out", "--column txet=words"), 64, {"--column: column txet=words: expected one of audio, text, id, "});
  expect(command("data", "out", "--min-seconds 5 --max-seconds 2"), 64, {"--min-seconds 5 is above --max-seconds 2"});
  shop.write("rows.tsv", "path\twords\ndata/r0.wav\tgood\n");
  expect(command("rows.tsv", "out", "--audio i16"), 65,
         {"rows.tsv:1: expected a column with the text, found path, words: name it (--column text=NAME"});
  expect(command("rows.tsv", "out", "--audio i16 --column text=word"), 65, {"rows.tsv:1: expected 'word' (text), found path, words"});
  expect(command("data", "out", "--pair x"), 64, {"--pair: rows of speech have one text"});
}

}  // namespace
}  // namespace thaw::test
