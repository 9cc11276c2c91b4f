// thaw train on speech that is not what it should be: counted and named where little is wrong, refused where much is.
#include <fmt/format.h>

#include "datasets/audio/audio.h"
#include "tests/launcher/speech_program.h"

namespace thaw::test {
namespace {

class TrainSpeechRefusal : public SpeechProgram {
 protected:
  void sound(const std::string& name, double seconds, float peak) const {
    std::vector<float> samples(static_cast<std::size_t>(seconds * 16000));
    for (std::size_t i = 0; i < samples.size(); ++i) samples[i] = i % 40 < 20 ? peak : -peak;
    shop.write(name, audio::encode_audio(samples, 16000, audio::AudioFormat::wav));
  }
  // 24 good rows and some bad ones.
  void bad_corpus() const {
    std::string rows = "path\ttext\n";
    for (int i = 0; i < 24; ++i) {
      sound(fmt::format("good{}.wav", i), 0.8, 0.2F + 0.01F * static_cast<float>(i));
      rows += fmt::format("good{}.wav\tabc fed\n", i);
    }
    sound("silent.wav", 1, 0);
    shop.write("empty.wav", "");
    shop.write("torn.wav", "RIFF nothing of the kind");
    rows += "silent.wav\tabc\nempty.wav\tabc\ntorn.wav\tabc\ngone.wav\tabc\n";
    shop.write("bad.tsv", rows);
  }
};

TEST_F(TrainSpeechRefusal, BadRecordingsAreCountedAndNamed) {
  bad_corpus();
  const std::vector<std::string> faults{"left out, silent: 1 (" + shop.path("bad.tsv:26"), "left out, empty: 1 (" + shop.path("bad.tsv:27"),
                                        "left out, unreadable: 1 (" + shop.path("bad.tsv:28"),
                                        "left out, text_without_audio: 1 (" + shop.path("bad.tsv:29")};
  recipe_for("ctc", "automatic-speech-recognition", made("wav2vec2"), shop.path("bad.tsv"), made("corpus/dev.tsv"),
             "steps: 1\nevaluate: {every_steps: 1000}");
  Ran ran = thaw(train("ctc", "run", "data.audio.bad_limit=20%"));
  expect_said(ran, 0, faults);
  expect_said(ran, 0, {"24 rows"});
  EXPECT_EQ(Json::parse(shop.file("run/result.json"))["rows"], 8);
  // Also where the shards are in the cache already.
  ran = thaw(train("ctc", "none", "data.audio.bad_limit=0"));
  expect_said(ran, 65, {"4 of 28 utterances are bad input, expected at most 0", "bad.tsv:26"});
  expect_said(thaw(train("ctc", "none2", fmt::format("data.audio.bad_limit=0 data.cache_dir={}", shop.path("cache2"))), 1), 65,
              {"expected at most 0", "it stopped at " + shop.path("bad.tsv:26"),
               "silent: 1 (" + shop.path("bad.tsv:26") + " 26: silent.wav: its peak"});
  expect_said(thaw(train("ctc", "few"), 2), 65, {"expected at most 1 (5%)"});
}

// A corpus of the same names, texts and sizes, with other sounds, is another one to the cache.
TEST_F(TrainSpeechRefusal, ANoisierCopyIsAnotherCorpus) {
  std::vector<Json> losses;
  for (const char* copy : {"clean", "noisy"}) {
    fs::create_directories(shop.path(copy));
    sound(fmt::format("{}/a.wav", copy), 1, copy == std::string("clean") ? 0.2F : 0.7F);
    shop.write(fmt::format("{}/rows.tsv", copy), "path\ttext\na.wav\tabc\n");
    recipe_for(copy, "automatic-speech-recognition", made("whisper"), shop.path(fmt::format("{}/rows.tsv", copy)), made("corpus/dev.tsv"),
               "steps: 1\nspeech: {short_rows: true}");
    run(copy, copy, "data.eval=null");
    losses.push_back(shop.log(copy).front()["loss"]);
  }
  EXPECT_NE(losses[0], losses[1]);
}

// Characters of a set that the vocabulary, made of the training transcripts, does not have; texts that no alignment fits.
TEST_F(TrainSpeechRefusal, TextsThatCannotBeSpelledOrSpoken) {
  sound("short.wav", 0.1, 0.3F), sound("long.wav", 1, 0.3F);
  shop.write("train.tsv", "path\ttext\nlong.wav\tabc\nshort.wav\tabcabcabcabc\n");
  shop.write("dev.tsv", "path\ttext\nlong.wav\tabc\nlong.wav\tabx\n");
  recipe_for("ctc", "automatic-speech-recognition", made("wav2vec2"), shop.path("train.tsv"), shop.path("dev.tsv"), "steps: 1");
  expect_said(thaw(train("ctc", "refused")), 65,
              {"unspellable", "long.wav: the vocabulary cannot spell 'x' of 'abx'", "data.audio.text_rules"});
  expect_said(
      thaw(train("ctc", "run", "data.audio.bad_limit=50%")), 0,
      {"left out, unspellable: 1", "the vocabulary cannot spell 'x' of 'abx'", "1 rows are shorter than their texts can be spoken in"});
  // Not even one frame.
  sound("tiny.wav", 0.001, 0.3F);
  shop.write("tiny.tsv", "path\ttext\nlong.wav\tabc\ntiny.wav\ta\n");
  expect_said(thaw(train("ctc", "tiny", fmt::format("data.eval=null data.train={} steps=1", shop.path("tiny.tsv")))), 0,
              {"left out, too_short: 1"});
  const Ran sharded = thaw(fmt::format("shard {} --out {} --audio i16 --label-kind none --model {}", shop.path("tiny.tsv"),
                                       shop.path("tiny-shards"), made("whisper")));
  ASSERT_EQ(sharded.exit_code, 0) << sharded.output;
  expect_said(thaw(train("ctc", "given", fmt::format("data.eval=null data.train={}", shop.path("tiny-shards")))), 65,
              {"1 rows are shorter than the", "data.audio.min_seconds"});
}

// Shards that were made for another vocabulary are held to the limit of a corpus; within it the texts stay.
TEST_F(TrainSpeechRefusal, TextsOfShardsThatCannotBeSpelled) {
  sound("a.wav", 1, 0.3F);
  shop.write("rows.tsv", "path\ttext\tid\na.wav\tabc\tgood\na.wav\tabxСтоуэ\tbad\na.wav\tfed\tbetter\n");
  const Ran sharded = thaw(fmt::format("shard {} --out {} --audio i16 --label-kind none --model {}", shop.path("rows.tsv"),
                                       shop.path("shards"), made("whisper")));
  ASSERT_EQ(sharded.exit_code, 0) << sharded.output;
  recipe("ctc", "wav2vec2", "steps: 1");
  const std::string as_eval = "data.eval.dev=" + shop.path("shards");
  const std::vector<std::string> refused{"1 of 3 utterances are bad input, expected at most 0 (5%)",
                                         shop.path("shards: unspellable: 1 (bad: "),
                                         "the vocabulary cannot spell 'x', 'С', 'т', 'о', 'у' and 1 more of 'abxСтоуэ'"};
  const std::vector<std::string> allowed{shop.path("shards: 1 of 3 rows hold characters that the vocabulary lacks"),
                                         "which are taken as the unknown token; the first: bad: the vocabulary cannot spell 'x'"};
  for (const int ranks : {1, 2}) expect_said(thaw(train("ctc", "refused", as_eval), ranks), 65, refused);
  expect_said(thaw(train("ctc", "run", as_eval + " data.audio.bad_limit=1"), 2), 0, allowed);
  // The model that came of it has a vocabulary of its own, for whatever it learns or is measured on next.
  const std::string eval = fmt::format("eval {} --data {}", shop.path("run"), shop.path("shards"));
  expect_said(thaw(eval + " data.audio.bad_limit=0"), 65, {"1 of 3 utterances are bad input, expected at most 0 (0)"});
  expect_said(thaw(eval), 0, allowed);  // the run's own limit
  recipe_for("again", "automatic-speech-recognition", shop.path("run/best"), shop.path("shards"), made("corpus/dev.tsv"), "steps: 1");
  expect_said(thaw(train("again", "again-refused")), 65, refused);
  expect_said(thaw(train("again", "again", "data.audio.bad_limit=50%")), 0, allowed);
  // Built from these rows, it spells them.
  const Ran spelled = thaw(train("again", "built", "speech.vocabulary=transcripts data.eval=null"));
  expect_said(spelled, 0, {"vocabulary 15 characters"});
  EXPECT_EQ(spelled.output.find("unknown token"), std::string::npos) << spelled.output;
}

// A Whisper hears 30 s.
TEST_F(TrainSpeechRefusal, RowsThatAWhisperDoesNotHearToTheirEnd) {
  fs::create_directories(shop.path("sounds/one"));
  fs::create_directories(shop.path("sounds/two"));
  sound("sounds/one/a.wav", 1, 0.3F), sound("sounds/two/b.wav", 1, 0.2F), sound("sounds/two/long.wav", 31, 0.3F);
  shop.write("rows.tsv", "path\ttext\tid\nsounds/one/a.wav\tabc\ta\nsounds/two/long.wav\tfed\tlong\n");
  recipe_for("whisper", "automatic-speech-recognition", made("whisper"), shop.path("rows.tsv"), made("corpus/dev.tsv"),
             "steps: 1\nspeech: {short_rows: true}");
  for (const char* limit : {"", "data.audio.max_seconds=40"}) {
    fs::remove_all(shop.path("run"));
    expect_said(thaw(train("whisper", "run", fmt::format("data.eval=null {}", limit))), 0, {"left out, too_long: 1", "train 1 ("});
  }
  const std::string shard = fmt::format("shard {} --out {} --audio i16 ", shop.path("rows.tsv"), shop.path("spoken"));
  ASSERT_EQ(thaw(shard + "--label-kind none --model " + made("whisper")).exit_code, 0);
  expect_said(thaw(train("whisper", "refused", "data.train=" + shop.path("spoken"))), 65,
              {"1 rows are longer than 30 s", "the first: long: ", "--max-seconds 30", "data.audio.max_seconds"});
  // Of classes shards say so, as thaw predict does, and a corpus leaves them out.
  ASSERT_EQ(thaw(fmt::format("shard {} --out {} --audio i16", shop.path("sounds"), shop.path("told"))).exit_code, 0);
  recipe_for("classes", "audio-classification", made("whisper"), shop.path("told"), shop.path("told"),
             "steps: 1\nspeech: {short_rows: true}\ndropout: 0");
  expect_said(thaw(train("classes", "given", "data.eval=null"), 2), 0,
              {shop.path("told: 1 rows are longer than 30 s and are heard to there; the first: "), "train 3 ("});
  expect_said(thaw(train("classes", "own", "data.eval=null data.train=" + shop.path("sounds"))), 0, {"left out, too_long: 1", "train 2 ("});
}

TEST_F(TrainSpeechRefusal, ATaskThatDoesNotFitTheModel) {
  recipe("whisper", "whisper", "steps: 1");
  recipe("many", "multilingual", "steps: 1");
  recipe("ctc", "wav2vec2", "steps: 1");
  const auto refuse = [&](const std::string& name, const std::string& overrides, const std::string& said, int code = 65) {
    expect_said(thaw(train(name, "refused", overrides)), code, {said});
  };
  refuse("whisper", "task=text-classification", "this task does not hear audio, but ");
  refuse("whisper", fmt::format("model={}", shop.path("model")), "this task hears audio, but ");
  refuse("many", "data.audio.language=xx", "the model does not know 'xx'");
  refuse("many", "", "expected a language that the model knows, found '' in row train00, and none in 16 of 16 rows");
  refuse("whisper", "data.audio.language=ru", "this model knows English alone");
  refuse("whisper", "speech.translate=true", "this model knows English alone");
  refuse("whisper", "batch.size=null batch.tokens=100", "counts rows (size) or seconds of audio (seconds)");
  refuse("whisper", "loss.class_weights=balanced", "has no classes; leave this key out");
  refuse("whisper", "evaluate.words=words.txt", "set evaluate.beams, or leave it out");
  refuse("whisper", "evaluate.words=nowhere.txt evaluate.beams=2", "nowhere.txt", 66);
  refuse("ctc", "evaluate.words=words.txt evaluate.beams=2", "for the beam search of a Whisper's decoder: leave it out");
  refuse("whisper", "data.text=phonemes", "has the columns of its corpus in data.audio.columns; leave this key out");
  refuse("whisper", "data.max_length=64", "has limits in seconds, data.audio.max_seconds; leave this key out");
  refuse("whisper", "speech.vocabulary=transcripts", "a Whisper's decoder has its own tokens; leave it out");
  refuse("ctc", "speech.translate=true", "a CTC model writes what is said; leave it out");
  refuse("ctc", "speech.timestamps=0.3", "a CTC model is not told times; leave it out");
  refuse("ctc", "loss.label_smoothing=0.1", "the loss of a CTC model has none");
  refuse("ctc", "speech.head=decoder", "a wav2vec2 has none");
  refuse("ctc", "augment.time_masks=2", "this model has masks of its own");
  fs::copy(made("wav2vec2"), shop.path("slow"));
  shop.write("slow/preprocessor_config.json", R"({"feature_extractor_type": "Wav2Vec2FeatureExtractor", "sampling_rate": 8000})");
  refuse("ctc", fmt::format("model={}", shop.path("slow")), "sampling_rate: expected 16000");
  refuse("ctc", fmt::format("augment.noises={}", shop.path("model")), "expected recordings, found none", 66);
  refuse("whisper", fmt::format("data.train={}", shop.path("nowhere.tsv")), "nowhere.tsv", 66);
  fs::create_directories(shop.path("nothing"));
  refuse("whisper", fmt::format("data.train={}", shop.path("nothing")), "in a recipe data.audio.corpus");
  // What a decoder takes is bounded.
  std::string words;
  for (int i = 0; i < 300; ++i) words += " abc";
  shop.write("long.tsv", fmt::format("path\ttext\n{}/train00.wav\t{}\n", made("corpus"), words));
  expect_said(thaw(train("whisper", "long", fmt::format("data.eval=null data.train={}", shop.path("long.tsv")))), 0,
              {"1 rows have transcripts longer than the", "their end is not learnt"});
  // A language of the rows' own, or of all.
  EXPECT_EQ(thaw(train("many", "russian", "data.audio.language=russian evaluate.max_rows=1 speech.short_rows=true")).exit_code, 0);
}

}  // namespace
}  // namespace thaw::test
