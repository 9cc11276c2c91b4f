// What would be lost: a mistyped key that is silently ignored, a value that nobody checked, a resolved recipe that says something else.
#include <gtest/gtest.h>

#include <chrono>
#include <random>

#include "framework/base/error.h"
#include "framework/train/recipe.h"

namespace thaw {
namespace {

const std::string least = "recipe: 1\ntask: text-classification\nmodel: m\noutput_dir: runs/x\ndata: {train: a.tsv, eval: dev.tsv}\n";

const std::string full = R"(recipe: 1
task: text-classification
model: sentence-transformers/all-MiniLM-L6-v2@main
output_dir: runs/reviews-{seed}
seed: 7
seeds: {order: 8}
precision: bf16
max_time: 3h50m
epochs: 2.5
dropout: 0.0
data:
  train:
    - {path: data/reviews.tsv, weight: 0.5}
    - more.jsonl
  eval: {dev: data/dev.tsv, other: data/electronics.tsv}
  labels: [negative, 'no', yes, 3]
  multi_label: true
  text: body
  text_pair: reply
  label: stars
  id: key
  weight: w
  group: author
  separator: ';'
  format: csv
  header: no
  delimiter: tab
  max_length: 256
  cache_dir: /scratch/cache
batch: {size: 64, grain: 16}
optimizer: {name: adamw, lr: 3e-5, weight_decay: 0, betas: [0.8, 0.95], eps: 1e-6, clip_norm: 0}
schedule: {name: cosine, warmup_epochs: 0.5}
loss: {class_weights: {negative: 2, 'no': 0.5}, label_smoothing: 0.1}
evaluate: {every_steps: 200, metric: other/f1, patience: 3}
checkpoint: {every_steps: 50, every_minutes: 10, keep: 2}
)";

const std::string heard = R"(recipe: 1
task: automatic-speech-recognition
model: openai/whisper-tiny
output_dir: runs/speech
data:
  train: clips/train.tsv
  eval: clips/dev.tsv
  audio:
    corpus: common_voice
    columns: {text: sentence, speaker: 'no'}
    pattern: '{label}_{speaker}'
    root: /data/clips
    language: ru
    text_rules: [lower, strip_punctuation]
    min_seconds: 0.5
    max_seconds: 25
    bad_limit: 3
    store: flac
augment:
  speeds: [0.9, 1.0, 1.1]
  noise: 0.3
  noise_snr_db: [3, 12.5]
  noises: /data/noise
  gain_db: [-6, 2]
  time_masks: 2
  time_width: 50
  frequency_masks: 1
  frequency_width: 20
speech: {head: ctc, translate: true, timestamps: 0.25, short_rows: true, vocabulary: transcripts, casing: folded}
batch: {seconds: 240, grain: 60}
evaluate: {max_rows: 200, beams: 4, words: /data/words.txt, unknown_word: 2.5, normalizer: english, text_rules: [upper]}
thaw: {phases: [{trainable: decoder, until: {epochs: 1}, augment: false}, {trainable: all, until: {epochs: 2}}]}
)";

std::string error_of(const std::string& yaml, const std::vector<std::string>& overrides = {}) {
  try {
    parse_recipe("r.yaml", yaml, overrides);
  } catch (const RecipeError& error) {
    return error.what();
  }
  return "no error";
}

// The least recipe with lines added from line 6 on.
std::string added(const std::string& lines) { return error_of(least + lines + "\n"); }

TEST(Recipe, reads_every_key) {
  const Recipe r = parse_recipe("r.yaml", full);
  EXPECT_EQ(r.task, Task::text_classification);
  EXPECT_EQ(r.model, "sentence-transformers/all-MiniLM-L6-v2@main");
  EXPECT_EQ(r.output_dir, "runs/reviews-7");
  EXPECT_EQ(r.seeds, (Seeds{7, 8, 7}));
  EXPECT_EQ(r.precision, Precision::bf16);
  EXPECT_EQ(r.max_time_s, 13800.0);
  EXPECT_EQ(r.length, (Duration{Duration::Unit::epochs, 2.5}));
  EXPECT_EQ(r.dropout, 0.0);
  EXPECT_EQ(r.data.train, (std::vector<DataSource>{{"data/reviews.tsv", 0.5}, {"more.jsonl", 1.0}}));
  EXPECT_EQ(r.data.eval, (std::vector<std::pair<std::string, std::string>>{{"dev", "data/dev.tsv"}, {"other", "data/electronics.tsv"}}));
  EXPECT_EQ(r.data.labels, (std::vector<std::string>{"negative", "no", "yes", "3"}));
  EXPECT_TRUE(r.data.multi_label);
  EXPECT_EQ(
      r.data.text + r.data.text_pair + r.data.label + r.data.id + r.data.row_weight + r.data.group + r.data.separator + r.data.cache_dir,
      "bodyreplystarskeywauthor;/scratch/cache");
  EXPECT_EQ(r.data.format, SourceFormat::csv);
  EXPECT_EQ(r.data.header, Header::no);
  EXPECT_EQ(r.data.delimiter, '\t');
  EXPECT_EQ(r.data.max_length, 256);
  EXPECT_EQ(r.batch, (BatchRecipe{BatchRecipe::Unit::rows, 64, 16}));
  EXPECT_EQ(r.optimizer, (OptimizerRecipe{"adamw", 3e-5, 0, 0.8, 0.95, 1e-6, 0}));
  EXPECT_EQ(r.schedule, (ScheduleRecipe{ScheduleKind::cosine, {Duration::Unit::epochs, 0.5}, 0.1, 32}));
  EXPECT_EQ(r.loss, (LossRecipe{false, {{"negative", 2}, {"no", 0.5}}, 0.1}));
  EXPECT_EQ(r.evaluate, (EvaluateRecipe{200, "other/f1", 0, 0, "", 3, "none", {}, 3}));
  EXPECT_EQ(r.checkpoint, (CheckpointRecipe{50, 10, 2}));
}

TEST(Recipe, reads_every_key_of_speech) {
  const Recipe r = parse_recipe("r.yaml", heard);
  EXPECT_EQ(r.task, Task::speech_recognition);
  ASSERT_EQ(r.thaw.phases.size(), 2U);
  EXPECT_TRUE(!r.thaw.phases[0].augment && r.thaw.phases[1].augment);
  EXPECT_EQ(r.data.audio, (AudioRecipe{.corpus = "common_voice",
                                       .columns = {{"text", "sentence"}, {"speaker", "no"}},
                                       .pattern = "{label}_{speaker}",
                                       .root = "/data/clips",
                                       .language = "ru",
                                       .text_rules = {"lower", "strip_punctuation"},
                                       .min_seconds = 0.5,
                                       .max_seconds = 25,
                                       .bad_limit = "3",
                                       .store = "flac"}));
  EXPECT_EQ(r.augment, (AugmentRecipe{.speeds = {0.9, 1.0, 1.1},
                                      .noise = 0.3,
                                      .low_snr_db = 3,
                                      .high_snr_db = 12.5,
                                      .noises = "/data/noise",
                                      .low_gain_db = -6,
                                      .high_gain_db = 2,
                                      .time_masks = 2,
                                      .time_width = 50,
                                      .frequency_masks = 1,
                                      .frequency_width = 20}));
  EXPECT_EQ(r.speech, (SpeechRecipe{SpeechHead::ctc, true, 0.25, true, false, Casing::folded}));
  EXPECT_EQ(r.batch, (BatchRecipe{BatchRecipe::Unit::seconds, 240, 60}));
  EXPECT_EQ(r.evaluate, (EvaluateRecipe{0, "", 200, 4, "/data/words.txt", 2.5, "english", {"upper"}, 0}));
  const std::string written = to_yaml(r);
  for (const char* line : {"columns:\n      text: sentence\n      speaker: 'no'", "seconds: 240", "vocabulary: transcripts", "head: ctc",
                           "casing: folded", "noise_snr_db: [3.0, 12.5]", "bad_limit: '3'"})
    EXPECT_NE(written.find(line), std::string::npos) << line << "\n" << written;
  EXPECT_EQ(to_yaml(parse_recipe("r.yaml", least)).find("augment:"), std::string::npos) << "text has none";
}

TEST(Recipe, checks_every_value_of_speech) {
  const auto wrong = [&](const std::string& override) { return error_of(heard, {override}); };
  const std::pair<const char*, const char*> cases[] = {
      {"data.audio.corpus=kaldy",
       "expected one of auto, librispeech, common_voice, lj_speech, kaldi, jsonl, festvox, table, folders, found kaldy"},
      {"data.audio.store=mp3", "expected one of i16, flac, found mp3"},
      {"data.audio.min_seconds=-1", "expected a number of 0 or more, found -1"},
      {"data.audio.bad_limit=''", "expected text, found \"\""},
      {"augment.noise=1.5", "expected a number from 0 to 1, found 1.5"},
      {"augment.noise_snr_db=[5]", "expected a list of two numbers, the lower one first, found a list of 1"},
      {"augment.gain_db=[2,-2]", "expected the lower number first, found a list of 2"},
      {"augment.time_masks=-1", "expected a whole number of 0 or more, found -1"},
      {"augment.time_width=0", "expected a whole number of 1 or more, found 0"},
      {"speech.timestamps=2", "expected a number from 0 to 1, found 2"},
      {"speech.vocabulary=own", "expected one of model, transcripts, found own"},
      {"speech.casing=upper", "expected one of as_written, folded, found upper"},
      {"evaluate.normalizer=whisper", "expected one of none, basic, english, found whisper"},
      {"evaluate.max_rows=-5", "expected a whole number of 0 or more, found -5"},
      {"batch.seconds=2.5", "expected a whole number, found 2.5"},
      {"batch.tokens=100", "automatic-speech-recognition counts rows (size) or seconds of audio (seconds); leave this key out"},
      {"data.labels=[a, b]", "automatic-speech-recognition has no classes; leave this key out"},
      {"data.multi_label=true", "automatic-speech-recognition has no classes; leave this key out"},
      {"loss.class_weights=balanced", "automatic-speech-recognition has no classes; leave this key out"}};
  for (const auto& [override, message] : cases) {
    const std::string key = std::string(override).substr(0, std::string(override).find('='));
    EXPECT_EQ(wrong(override), fmt::format("command line: {}: {}", key, message));
  }
  EXPECT_EQ(wrong("augment.speeds=[1, 20]"), "command line: augment.speeds[1]: expected a number from 0.1 to 10, found 20");
  for (const char* key : {"data.audio.text_rules", "evaluate.text_rules"})
    EXPECT_EQ(wrong(fmt::format("{}=[lower, strip_commas]", key)),
              fmt::format("command line: {}[1]: text rule 'strip_commas': expected lower, upper, strip_punctuation[:KEEP], "
                          "remove:CHARACTERS, yo_to_ye, collapse_spaces, nfc or nfkc",
                          key));
  EXPECT_EQ(added("batch: {seconds: 9, size: 3}"), "r.yaml:6: batch.seconds: given beside batch.size; keep one of them");
  EXPECT_EQ(error_of(heard, {"batch.grain=7"}), "command line: batch.grain: expected a divisor of batch.seconds (240), found 7");
  // What a task of text would pass over in silence.
  EXPECT_EQ(added("batch: {seconds: 240}"), "r.yaml:6: batch.seconds: text-classification hears no audio; leave this key out");
  EXPECT_EQ(added("augment: {noise: 0.5}"), "r.yaml:6: augment: text-classification hears no audio; leave this key out");
  EXPECT_EQ(error_of(least, {"thaw.phases=[{trainable: all, until: {epochs: 1}, augment: false}]"}),
            "command line: thaw.phases[0].augment: text-classification hears no audio; leave this key out");
  EXPECT_EQ(added("speech:\n  short_rows: true"), "r.yaml:6: speech: text-classification hears no audio; leave this key out");
  EXPECT_EQ(error_of(least, {"data.audio.language=ru"}),
            "command line: data.audio: text-classification hears no audio; leave this key out");
  EXPECT_EQ(added("evaluate: {words: w.txt}"), "r.yaml:6: evaluate.words: text-classification transcribes nothing; leave this key out");
  EXPECT_EQ(added("evaluate: {beams: 5}"), "r.yaml:6: evaluate.beams: text-classification transcribes nothing; leave this key out");
  EXPECT_EQ(added("evaluate: {max_rows: 5}"), "r.yaml:6: evaluate.max_rows: text-classification transcribes nothing; leave this key out");
  EXPECT_EQ(error_of(heard, {"task=audio-classification", "evaluate.max_rows=null"}).find("command line: evaluate.max_rows: "), 0U);
  // A misspelt key has the nearest one named, with its line.
  std::string misspelt = heard;
  misspelt.replace(misspelt.find("time_masks"), 10, "time_maks_");
  EXPECT_EQ(error_of(misspelt), "r.yaml:25: augment.time_maks_: unknown key; the nearest key is augment.time_masks");
}

TEST(Recipe, defaults_are_those_of_the_structs) {
  Recipe expected;
  expected.file = "r.yaml";
  expected.model = "m";
  expected.output_dir = "runs/x";
  expected.data.train = {{"a.tsv", 1.0}};
  expected.data.eval = {{"dev", "dev.tsv"}};
  EXPECT_EQ(parse_recipe("r.yaml", least), expected);
}

TEST(Recipe, resolved_recipe_reads_back_the_same) {
  for (const std::string& yaml :
       {full, least, heard,
        least + "steps: 500\nmax_time: 90.5s\nschedule: {name: slanted_triangular, cut_frac: 0.2, ratio: 8}\nloss: "
                "{class_weights: balanced}\nbatch: {tokens: 4096, grain: 512}",
        least + "schedule: {name: constant, warmup_steps: 10}\nmax_time: 1d2h\nseed: 18446744073709551615",
        std::string("recipe: 1\ntask: text-regression\nmodel: 'on'\noutput_dir: ' x '\ndata: {train: '007', text: "
                    "\"a\\tb\", delimiter: ';', header: yes}\nschedule: {warmup_ratio: 0.1}")}) {
    const Recipe r = parse_recipe("r.yaml", yaml);
    const std::string written = to_yaml(r);
    EXPECT_EQ(parse_recipe("r.yaml", written), r) << written;
    EXPECT_EQ(to_yaml(parse_recipe("r.yaml", written)), written);
    EXPECT_TRUE(differences(r, parse_recipe("r.yaml", written)).empty());
  }
  const std::string written = to_yaml(parse_recipe("r.yaml", full));
  for (const char* line : {"lr: 3.0e-05", "labels: [negative, 'no', 'yes', '3']", "max_time: '3h50m'",
                           "class_weights:\n    negative: 2.0\n    'no': 0.5", "order: 8", "epochs: 2.5"})
    EXPECT_NE(written.find(line), std::string::npos) << line << "\n" << written;
  EXPECT_EQ(written.find("init:"), std::string::npos) << "a seed that follows `seed` must go on following it";
  EXPECT_EQ(parse_recipe("r.yaml", to_yaml(parse_recipe("r.yaml", least)), {"seed=9"}).seeds, (Seeds{9, 9, 9}));
}

TEST(Recipe, knows_the_words_of_others) {
  EXPECT_EQ(added("optimizer:\n  learning_rate: 1e-5"), "r.yaml:7: optimizer.learning_rate: unknown key; the word here is optimizer.lr");
  EXPECT_EQ(added("learning_rate: 1e-5"), "r.yaml:6: learning_rate: unknown key; the word here is optimizer.lr");
  EXPECT_EQ(added("num_train_epochs: 3"), "r.yaml:6: num_train_epochs: unknown key; the word here is epochs");
  EXPECT_EQ(added("per-device-train-batch-size: 8")
                .find("r.yaml:6: per-device-train-batch-size: unknown key; batch.size counts the rows of a whole optimizer step"),
            0u);
  EXPECT_EQ(added("warmup_steps: 3"), "r.yaml:6: warmup_steps: unknown key; the word here is schedule.warmup_steps");
  EXPECT_EQ(added("max_seq_length: 3\nbf16: true"),
            "r.yaml:6: max_seq_length: unknown key; the word here is data.max_length\nr.yaml:7: bf16: unknown key; the word "
            "here is precision: bf16");
  EXPECT_EQ(added("sep: ';'"), "r.yaml:6: sep: unknown key; the word here is data.delimiter");
  EXPECT_EQ(added("delimiter: ';'"), "r.yaml:6: delimiter: unknown key; the word here is data.delimiter");
  EXPECT_EQ(added("header: no"), "r.yaml:6: header: unknown key; the nearest key is data.header");
  EXPECT_EQ(added("gradient_clip_val: 1"), "r.yaml:6: gradient_clip_val: unknown key; the word here is optimizer.clip_norm");
  EXPECT_EQ(added("schedule: {nmae: linear}"), "r.yaml:6: schedule.nmae: unknown key; the nearest key is schedule.name");
  EXPECT_EQ(added("optimzer: {lr: 1}"), "r.yaml:6: optimzer: unknown key; the nearest key is optimizer");
  EXPECT_EQ(added("lr: 1"), "r.yaml:6: lr: unknown key; the nearest key is optimizer.lr");
  EXPECT_EQ(added("checkpoint: {zebra: 1}"),
            "r.yaml:6: checkpoint.zebra: unknown key; the keys here are every_steps, every_minutes, keep, keep_best");
  EXPECT_EQ(error_of(least, {"data.train=[{path: a, wieght: 2}]"}),
            "command line: data.train[0].wieght: unknown key; the nearest key is data.train[0].weight");
  EXPECT_EQ(added("thaw: {phases: []}"), "r.yaml:6: thaw.phases: expected at least one phase, found none");
}

TEST(Recipe, checks_every_value) {
  const std::pair<const char*, const char*> wrong[] = {
      {"optimizer: {lr: fast}", "r.yaml:6: optimizer.lr: expected a number, found fast"},
      {"optimizer: {lr: 0}", "r.yaml:6: optimizer.lr: expected a number above 0, found 0"},
      {"optimizer: {lr: .inf}", "r.yaml:6: optimizer.lr: expected a number, found .inf"},
      {"optimizer: {lr: 1e999}", "r.yaml:6: optimizer.lr: expected a number that 64 bits can hold, found 1e999"},
      {"optimizer: {lr: }", "r.yaml:6: optimizer.lr: expected a number, found nothing"},
      {"optimizer: {name: sgd}", "r.yaml:6: optimizer.name: expected adamw, found sgd"},
      {"optimizer: {betas: [0.9, 1.0]}", "r.yaml:6: optimizer.betas[1]: expected a number from 0 to below 1, found 1.0"},
      {"optimizer: {betas: 0.9}", "r.yaml:6: optimizer.betas: expected a list, found 0.9"},
      {"optimizer: {betas: [0.9]}", "r.yaml:6: optimizer.betas: expected a list of two numbers, found a list of 1"},
      {"optimizer: {clip_norm: -1}", "r.yaml:6: optimizer.clip_norm: expected a number of 0 or more, found -1"},
      {"optimizer: [adamw]", "r.yaml:6: optimizer: expected a section of keys, found a list of 1"},
      {"schedule: {warmup_ratio: 1.1}", "r.yaml:6: schedule.warmup_ratio: expected a number from 0 to 1, found 1.1"},
      {"schedule: {warmup_steps: 1.5}", "r.yaml:6: schedule.warmup_steps: expected a whole number, found 1.5"},
      {"schedule:\n  warmup_steps: 1\n  warmup_ratio: 0.1",
       "r.yaml:8: schedule.warmup_ratio: given beside schedule.warmup_steps; keep one of them"},
      {"schedule: {name: triangle}",
       "r.yaml:6: schedule.name: expected one of constant, linear, cosine, slanted_triangular, one_cycle, tri_stage, found triangle"},
      {"schedule: {cut_frac: 0.1}", "r.yaml:6: schedule.cut_frac: belongs to schedule.name: slanted_triangular alone; leave it out"},
      {"steps: 10\nschedule: {warmup_steps: 11}", "r.yaml:7: schedule.warmup_steps: expected at most the run's 10 steps, found 11"},
      {"batch: {size: 32, grain: 10}", "r.yaml:6: batch.grain: expected a divisor of batch.size (32), found 10"},
      {"batch: {size: 0}", "r.yaml:6: batch.size: expected a whole number of 1 or more, found 0"},
      {"batch: {size: 1_024}", "r.yaml:6: batch.size: expected a whole number, found 1_024; write 1024 without underscores"},
      {"batch: {size: 32, tokens: 4096}", "r.yaml:6: batch.tokens: given beside batch.size; keep one of them"},
      {"epochs: 3\nsteps: 10", "r.yaml:7: steps: given beside epochs; keep one of them"},
      {"epochs: 0", "r.yaml:6: epochs: expected a number above 0, found 0"},
      {"dropout: 1", "r.yaml:6: dropout: expected a number from 0 to below 1, found 1"},
      {"precision: fp16", "r.yaml:6: precision: expected one of fp32, bf16, found fp16"},
      {"seed: -1", "r.yaml:6: seed: expected a whole number of 0 or more, found -1"},
      {"loss: {label_smoothing: 1}", "r.yaml:6: loss.label_smoothing: expected a number from 0 to below 1, found 1"},
      {"loss: {class_weights: uniform}", "r.yaml:6: loss.class_weights: expected balanced, or {label: weight, …}, found uniform"},
      {"evaluate: {metric: test/accuracy}",
       "r.yaml:6: evaluate.metric: expected SET/METRIC with a set of data.eval (dev), found test/accuracy"},
      {"evaluate: {metric: accuracy}", "r.yaml:6: evaluate.metric: expected SET/METRIC with a set of data.eval (dev), found accuracy"},
      {"checkpoint: {keep: 0}", "r.yaml:6: checkpoint.keep: expected a whole number of 1 or more, found 0"},
      {"max_time: 90", "r.yaml:6: max_time: expected a time such as 3h50m, 90s or 2d (a number and d, h, m or s, largest first), found 90"},
      {"max_time: 10m3h",
       "r.yaml:6: max_time: expected a time such as 3h50m, 90s or 2d (a number and d, h, m or s, largest first), found 10m3h"},
      {"max_time: 0s", "r.yaml:6: max_time: expected a time such as 3h50m, 90s or 2d (a number and d, h, m or s, largest first), found 0s"},
  };
  for (const auto& [lines, message] : wrong) EXPECT_EQ(added(lines), message);
}

TEST(Recipe, checks_data_and_what_is_missing) {
  const auto data = [](const std::string& inside) {
    return error_of("recipe: 1\ntask: text-classification\nmodel: m\noutput_dir: o\ndata:\n  train: a\n" + inside);
  };
  EXPECT_EQ(data("  labels: [a, b, a]"), "r.yaml:7: data.labels[2]: the label 'a' stands here twice; keep one");
  EXPECT_EQ(data("  labels: [a]"), "r.yaml:7: data.labels: expected two labels or more, found one");
  EXPECT_EQ(data("  labels: [a, ~]"), "r.yaml:7: data.labels[1]: expected text, found nothing");
  EXPECT_EQ(data("  labels: a"), "r.yaml:7: data.labels: expected a list, found a");
  EXPECT_EQ(data("  header: true"), "r.yaml:7: data.header: expected one of auto, yes, no, found true");
  EXPECT_EQ(data("  format: parquet"), "r.yaml:7: data.format: expected one of auto, tsv, csv, jsonl, found parquet");
  for (const char* wrong : {"tabs", "'\"'", "é"})
    EXPECT_EQ(
        data(fmt::format("  delimiter: {}", wrong)).find("r.yaml:7: data.delimiter: expected one character (no quote), or tab, found "), 0u)
        << data(fmt::format("  delimiter: {}", wrong));
  for (const char* delimiter : {"','", "';'", "'|'", "' '", "\"\\x01\"", "\"\\t\"", "''", "~", "'#'", "':'", "'0'", "'-'"}) {
    const Recipe r = parse_recipe("r.yaml", least, {fmt::format("data.delimiter={}", delimiter)});
    EXPECT_EQ(parse_recipe("r.yaml", to_yaml(r)), r) << delimiter;
  }
  EXPECT_EQ(data("  max_length: 2"), "r.yaml:7: data.max_length: expected a whole number of 3 or more, found 2");
  EXPECT_EQ(data("  multi_label: no"), "r.yaml:7: data.multi_label: expected true or false, found no");
  EXPECT_EQ(data("  eval: [a, b]"), "r.yaml:7: data.eval: expected a path, or {name: path, …}, found a list of 2");
  EXPECT_EQ(data("  eval: {a/b: c}"), "r.yaml:7: data.eval: expected names without spaces and slashes, found 'a/b'");
  EXPECT_EQ(data("evaluate: {patience: 2}"), "r.yaml:7: evaluate.patience: there is nothing to evaluate on; add data.eval");
  EXPECT_EQ(data("  labels: [a, b]\nloss: {class_weights: {c: 1}}"), "r.yaml:8: loss.class_weights: 'c' is none of data.labels");
  EXPECT_EQ(data("  labels: [a, b]\nloss: {class_weights: {a: 0, b: 0}}"),
            "r.yaml:8: loss.class_weights: every weight is 0: nothing would be learned");
  EXPECT_EQ(error_of(least, {"data.train=[]"}), "command line: data.train: expected at least one source, found none");
  EXPECT_EQ(error_of(least, {"data.train={weight: 2}"}), "command line: data.train: expected the key path, which is missing");
  EXPECT_EQ(error_of(least, {"data.train={path: a, weight: -2}"}), "command line: data.train.weight: expected a number above 0, found -2");
  EXPECT_EQ(error_of(least, {"task=text-regression", "loss.label_smoothing=0.1"}),
            "command line: loss.label_smoothing: text-regression has no classes; leave this key out");
  EXPECT_EQ(error_of(least, {"output_dir=runs/{model}"}), "command line: output_dir: only {seed} is filled in, found '{model}'");
  EXPECT_EQ(error_of(least, {"recipe=2"}), "command line: recipe: expected 1, the recipe format that this version of thaw reads, found 2");
  EXPECT_EQ(error_of("recipe: 1\ntask: text-classification\nmodel: m\noutput_dir: x\n"),
            "r.yaml: expected the key data.train, which is missing; add data.train: the rows to learn from");
  EXPECT_EQ(error_of("task: text-classification"),
            "r.yaml: expected the key recipe, which is missing; add recipe: 1 (the version of the format)");
  EXPECT_EQ(error_of("just text"), "r.yaml:1: expected a section of keys, one 'key: value' a line, found just text");
  EXPECT_THROW(read_recipe("/nowhere/r.yaml"), FileError);
}

TEST(Recipe, command_line_overrides) {
  const Recipe r = parse_recipe("r.yaml", full,
                                {"data.train=a.tsv", "data.labels=[no, yes]", "loss.class_weights={yes: 3}", "optimizer.lr=2e-5",
                                 "optimizer.lr=1e-5", "steps=100", "batch.tokens=4096", "data.eval.third=x.tsv"});
  EXPECT_EQ(r.data.train, (std::vector<DataSource>{{"a.tsv", 1}}));
  EXPECT_EQ(r.data.labels, (std::vector<std::string>{"no", "yes"}));
  EXPECT_EQ(r.loss.class_weights, (std::vector<std::pair<std::string, double>>{{"yes", 3}}));
  EXPECT_EQ(r.optimizer.lr, 1e-5);
  EXPECT_EQ(r.length, (Duration{Duration::Unit::steps, 100})) << "in place of the file's epochs";
  EXPECT_EQ(r.batch.unit, BatchRecipe::Unit::tokens);
  EXPECT_EQ(r.data.eval.size(), 3u);
  EXPECT_EQ(error_of(full, {"epochs=1", "steps=2"}), "command line: steps: given beside epochs; keep one of them");
  EXPECT_EQ(error_of(full, {"optimizer.learning_rate=1"}),
            "command line: optimizer.learning_rate: unknown key; the word here is optimizer.lr");
  EXPECT_EQ(error_of(full, {"optimizer.lr=0"}), "command line: optimizer.lr: expected a number above 0, found 0");
  EXPECT_EQ(parse_recipe("r.yaml", full, {"dropout=null"}).dropout, std::nullopt);
}

TEST(Recipe, differences_are_of_what_decides_the_numbers) {
  const Recipe before = parse_recipe("r.yaml", full);
  EXPECT_TRUE(
      differences(before, parse_recipe("other.yaml", full,
                                       {"output_dir=z", "max_time=1h", "checkpoint.keep=9", "evaluate.every_steps=3", "data.cache_dir=/x"}))
          .empty());
  EXPECT_EQ(differences(before, parse_recipe("r.yaml", full,
                                             {"optimizer.lr=1e-5", "steps=10", "seeds.order=7", "data.labels=[a, b]",
                                              "loss.class_weights=balanced"})),
            (std::vector<std::string>{"data.labels: [negative, 'no', 'yes', '3'] → [a, b]", "epochs: 2.5 → not given",
                                      "loss.class_weights: {negative: 2.0, 'no': 0.5} → balanced", "optimizer.lr: 3.0e-05 → 1.0e-05",
                                      "seeds.order: 8 → not given", "steps: not given → 10"}));
  EXPECT_EQ(differences(parse_recipe("r.yaml", heard), parse_recipe("r.yaml", heard, {"augment.noise=0.4", "speech.timestamps=0"})),
            (std::vector<std::string>{"augment.noise: 0.3 → 0.4", "speech.timestamps: 0.25 → 0.0"}));
  EXPECT_EQ(differences(before, parse_recipe("r.yaml", full, {"data.train=[{path: data/reviews.tsv, weight: 0.5}, m.tsv]"})).size(), 1u);
}

// Whatever a hand or a disk does to a recipe, it is read or refused, in time.
TEST(Recipe, thousands_of_random_edits_parse_or_throw) {
  const std::string pieces[] = {":",           "\n",   "  ",    "- ",           "[",
                                "]",           "{",    "}",     "&a",           "*a",
                                "<<: *a",      "!!x",  "'",     "\"",           "#",
                                "|",           ">",    "? ",    "---\n",        "...",
                                "~",           "null", "1e999", "-1",           "99999999999999999999",
                                ".nan",        "\t",   "\xff",  "\xe2\x80\xa8", "\\",
                                "%YAML 1.1\n", ",",    "data",  "lr: ",         "0x1",
                                "\r",          "@"};
  const int edits = std::getenv("THAW_FUZZ_EDITS") != nullptr ? std::atoi(std::getenv("THAW_FUZZ_EDITS")) : 6000;
  std::mt19937_64 random(2);
  int parsed = 0, refused = 0;
  double slowest_s = 0;
  for (int i = 0; i < edits; ++i) {
    std::string text = random() % 4 == 0 ? least : full;
    for (std::size_t n = 1 + random() % 2; n > 0; --n) {
      const std::size_t at = random() % (text.size() + 1), length = random() % 20, to = random() % (text.size() + 1);
      switch (random() % 6) {
        case 0: text.insert(at, pieces[random() % std::size(pieces)]); break;
        case 1: text.erase(std::min(at, text.size()), length); break;
        case 2:
          if (at < text.size()) text[at] = static_cast<char>(random());
          break;
        case 3: text.insert(to, text.substr(std::min(at, text.size()), length)); break;
        case 4: text.replace(std::min(at, text.size()), length, pieces[random() % std::size(pieces)]); break;
        default: text.resize(at); break;
      }
    }
    const auto start = std::chrono::steady_clock::now();
    try {
      const Recipe r = parse_recipe("r.yaml", text);
      ++parsed;
      ASSERT_EQ(parse_recipe("r.yaml", to_yaml(r)), r) << text;
    } catch (const RecipeError& error) {
      ++refused;
      ASSERT_NE(std::string(error.what()), "");
    }
    slowest_s = std::max(slowest_s, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  RecordProperty("parsed", parsed);
  std::printf("%d edits: %d parsed, %d refused, slowest %.3f s\n", edits, parsed, refused, slowest_s);
  EXPECT_GT(parsed, edits / 50);
  EXPECT_GT(refused, edits / 50);
  EXPECT_LT(slowest_s, 2.0);
}

}  // namespace
}  // namespace thaw
