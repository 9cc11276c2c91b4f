// A recipe: what to train, on what, how. YAML, parsed once here into typed structs and passed inwards by value.
// Every error is a RecipeError "FILE:LINE: key.path: expected …, found …" with the nearest known key or other word for it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "datasets/shards/source_format.h"
#include "framework/base/yaml.h"
#include "framework/thaw/cache_recipe.h"
#include "framework/thaw/presets.h"
#include "framework/thaw/thaw_recipe.h"

namespace thaw {

enum class Task { text_classification, text_regression, speech_recognition, audio_classification };
inline const std::vector<std::pair<const char*, Task>> tasks{{"text-classification", Task::text_classification},
                                                             {"text-regression", Task::text_regression},
                                                             {"automatic-speech-recognition", Task::speech_recognition},
                                                             {"audio-classification", Task::audio_classification}};
const char* name_of(Task task);
inline bool hears(Task task) { return task == Task::speech_recognition || task == Task::audio_classification; }
enum class Precision { fp32, bf16 };

struct DataSource {
  std::string path;     // a shard directory, or a TSV, CSV or JSONL file, as written; relative to the working directory
  double weight = 1.0;  // how often an epoch sees each of its rows: 2 twice, 0.5 every second one
  bool operator==(const DataSource&) const = default;
};

// How a corpus of speech is read that is not in shards yet (datasets/speech): as `thaw shard` takes it.
struct AudioRecipe {
  std::string corpus = "auto";                               // its format; auto: by looking
  std::vector<std::pair<std::string, std::string>> columns;  // {use: column}
  std::string pattern, root;                                 // what files' names say; where relative paths begin
  std::string language;                                      // of rows whose corpus does not say
  std::vector<std::string> text_rules;                       // datasets/speech/text_rules.h
  double min_seconds = 0, max_seconds = 0;                   // others are left out; 0: no limit (of Whisper 30 s)
  std::string bad_limit = "5%";
  std::string store = "i16";  // in the cache: i16 or flac
  bool operator==(const AudioRecipe&) const = default;
};

// What becomes of audio on its way into training (datasets/audio/augment.h, spec_augment.h); each time another thing.
struct AugmentRecipe {
  std::vector<double> speeds;  // one is chosen for each row; none: as recorded
  double noise = 0;            // share of rows that get noise
  double low_snr_db = 5, high_snr_db = 20;
  std::string noises;  // a folder of recordings of it; empty: white noise
  double low_gain_db = 0, high_gain_db = 0;
  std::int64_t time_masks = 0, time_width = 100, frequency_masks = 0, frequency_width = 27;  // of log-mel features, in frames and mels
  bool none() const { return speeds.empty() && noise == 0 && low_gain_db == 0 && high_gain_db == 0 && time_masks + frequency_masks == 0; }
  bool operator==(const AugmentRecipe&) const = default;
};

enum class Casing { as_written, folded };  // folded: spelled in capitals, read in small letters

enum class SpeechHead { of_model, decoder, ctc };  // of_model: what the model was published with

struct SpeechRecipe {
  SpeechHead head = SpeechHead::of_model;  // what hears: a Whisper's decoder, or letters of frames on its encoder
  bool translate = false;                  // into English: what the transcripts of a Whisper's training are
  double timestamps = 0.5;                 // share of rows that a Whisper is taught with their times, so that it goes on giving them
  bool short_rows = false;                 // a Whisper's encoder runs at a row's own length, not at 30 s
  bool vocabulary_of_model = true;         // a CTC model's own, where it has one; else that of the training transcripts
  Casing casing = Casing::as_written;      // of a vocabulary that is built
  bool operator==(const SpeechRecipe&) const = default;
};

struct DataRecipe {
  std::vector<DataSource> train;                          // a path, a {path, weight}, or a list of them
  std::vector<std::pair<std::string, std::string>> eval;  // name → path, in the recipe's order; one path alone is named "dev"
  std::vector<std::string> labels;                        // the order of labels; empty: sorted, from the training data
  bool multi_label = false;                               // several labels a row
  std::string text = "text", text_pair, label = "label", id, row_weight,
              group;                            // column names (or 0-based numbers where a file has no header)
  std::string separator = ",";                  // between the labels of one row, where multi_label
  SourceFormat format = SourceFormat::by_name;  // of source files; auto: by their names
  Header header = Header::automatic;            // auto: the first line is one where it names a wanted column
  char delimiter = '\0';                        // a character, or "tab"; 0: a tab in TSV, a comma in CSV
  std::int64_t max_length = 512;                // tokens of a row, special tokens included; longer rows are truncated and counted
  AudioRecipe audio;
  std::string cache_dir;  // for sources sharded on the way; empty: $XDG_CACHE_HOME/thaw, else ~/.cache/thaw
  bool operator==(const DataRecipe&) const = default;
};

struct BatchRecipe {
  enum class Unit { rows, tokens, seconds } unit = Unit::rows;
  std::int64_t size =
      32;  // rows (key `size`), tokens or seconds of audio (keys `tokens`, `seconds`) of one optimizer step of the whole job
  std::int64_t grain =
      0;  // of one forward pass, in the same unit; divides size; 0: chosen (16 rows, of audio 4, or fewer where ranks need it)
  bool operator==(const BatchRecipe&) const = default;
  const char* unit_name() const { return unit == Unit::rows ? "rows" : unit == Unit::tokens ? "tokens" : "seconds"; }
};

struct OptimizerRecipe {
  std::string name = "adamw";
  double lr = 2e-5, weight_decay = 0.01, beta1 = 0.9, beta2 = 0.999, eps = 1e-8;  // keys: lr, weight_decay, betas: [b1, b2], eps
  double clip_norm = 1.0;                                                         // global L2 norm of the gradient; 0: no clipping
  bool sharded = false;                                                           // over the ranks: each keeps its part of the moments
  bool operator==(const OptimizerRecipe&) const = default;
};

struct LossRecipe {
  bool balanced = false;                                      // class_weights: balanced  (rows / (classes · rows of the class))
  std::vector<std::pair<std::string, double>> class_weights;  // class_weights: {label: weight, …}; labels not named: 1
  double label_smoothing = 0;
  bool operator==(const LossRecipe&) const = default;
};

struct EvaluateRecipe {
  std::int64_t every_steps = 0;         // 0: at the end of every epoch
  std::string metric;                   // "dev/accuracy"; empty: the first set's accuracy (or, for regression, -mse)
  std::int64_t max_rows = 0;            // of speech recognition: transcribed of each set, evenly spaced; 0: all
  std::int64_t beams = 0;               // of speech recognition: beam search with so many; 0: the most probable token, or label, each time
  std::string words;                    // a file of words (datasets/speech/word_list.h) that the beam search prefers
  double unknown_word = 3;              // log-probability that another word costs
  std::string normalizer = "none";      // what both texts go through before they are compared: none, basic or english (Whisper's)
  std::vector<std::string> text_rules;  // and these rules of datasets/speech/text_rules.h before it
  std::int64_t patience = 0;            // evaluations without a better metric before training stops; 0: never
  bool operator==(const EvaluateRecipe&) const = default;
};

struct CheckpointRecipe {
  std::int64_t every_steps = 0;  // 0: at the end of every epoch
  double every_minutes = 0;
  std::int64_t keep = 1;
  bool keep_best = false;  // that of the best evaluation is written, and stays besides
  bool operator==(const CheckpointRecipe&) const = default;
};

struct DivergenceRecipe {
  std::int64_t max_skipped = 5;  // steps in a row whose loss or gradient is not finite before the run stops; they are not learned from
  double z_score = 6;            // deviations above the mean from which a loss or a gradient's norm is pointed out; 0: never
  bool operator==(const DivergenceRecipe&) const = default;
};

enum class WithoutSupervisor { finish, stop };  // what ranks do whose `thaw launch` has gone: go on, or save and stop

struct Seeds {
  std::uint64_t init = 42, order = 42, dropout = 42;  // default to `seed`
  bool operator==(const Seeds&) const = default;
};

struct Recipe {
  std::filesystem::path file;  // where it came from
  Task task = Task::text_classification;
  std::string model;       // a directory, or org/name[@revision]
  std::string output_dir;  // {seed} is replaced
  std::uint64_t seed = 42;
  Seeds seeds;
  Precision precision = Precision::fp32;
  bool reproducible = false;                   // the same bits on any number of ranks
  std::optional<double> max_time_s;            // "3h50m", "90s", "45m"
  Duration length{Duration::Unit::epochs, 3};  // epochs: N or steps: N; not read where there are thaw.phases
  std::int64_t threads = 0;                    // of a rank; 0: its share of the cores
  double comm_timeout_s = 1800;                // a collective that takes longer is taken for one that never ends
  WithoutSupervisor without_supervisor = WithoutSupervisor::finish;
  std::optional<double> dropout;  // overrides the model's own hidden and attention dropout
  DataRecipe data;
  AugmentRecipe augment;
  SpeechRecipe speech;
  BatchRecipe batch;
  OptimizerRecipe optimizer;
  ScheduleRecipe schedule;
  LossRecipe loss;
  ThawRecipe thaw;
  CacheRecipe cache;
  EvaluateRecipe evaluate;
  CheckpointRecipe checkpoint;
  DivergenceRecipe divergence;
  bool operator==(const Recipe&) const = default;
};

// Reads and checks. `overrides` are "key.sub=value" (YAML values); the last of a key counts, and one of epochs and steps
// (size and tokens, the warmups) replaces the file's other. Throws RecipeError (65), or FileError (66) where there is no such file.
Recipe read_recipe(const std::filesystem::path& file, const std::vector<std::string>& overrides = {});
Recipe parse_recipe(const std::string& name, const std::string& yaml, const std::vector<std::string>& overrides = {});

// The resolved recipe, every key written out, in YAML that other parsers read alike (2.0e-05, quoted 'no').
// `seeds` holds only those that differ from `seed`, so that a run repeated with another seed changes them all.
// parse_recipe(to_yaml(r)) gives r back.
std::string to_yaml(const Recipe& recipe);

// A `thaw:` section alone, without the keys of phases that have their usual value.
YamlNode as_yaml(const ThawRecipe& thaw);

// Writes out as phases what thaw.preset or thaw.fts_schedule stands for; does nothing where there is neither. Whatever reads `thaw.phases` comes after.
void expand_thaw(Recipe& recipe, const ModelNames& model);

// The recipe's phases, or the one in which everything learns for `length`.
std::vector<PhaseRecipe> phases_of(const Recipe& recipe);

// Every key that a recipe may have, by its whole path, and its sections; and a recipe's values by key, as YAML on one line: of
// sections each key's, of lists and maps with free keys the whole.
std::vector<std::string> recipe_keys();
std::map<std::string, std::string> recipe_values(const Recipe& recipe);

// Lines "key: old → new" of the keys that decide a run's numbers and differ; empty where `now` may continue `before`.
// output_dir, max_time, checkpoint, evaluate and the cache directory may change.
std::vector<std::string> differences(const Recipe& before, const Recipe& now);

}  // namespace thaw
