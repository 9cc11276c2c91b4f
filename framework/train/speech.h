// What a recipe of speech needs beside one of text: corpora, vocabularies, how a model hears, what recognition learns.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "datasets/shards/options.h"
#include "framework/base/file.h"
#include "framework/train/data.h"
#include "framework/train/inputs/audio_inputs.h"
#include "framework/train/objectives/transcripts.h"

namespace thaw {

// Whether recognition by this model is CTC's: letters of frames, else a decoder's text. `config`: of the model. RecipeError where it has
// no decoder.
bool spells_by_ctc(const Recipe& recipe, const Json& config);

// The model's own tokenizer; for a CTC model that has no vocabulary, or is to get another one, that of the training transcripts, with
// its files in `files`. Rank 0's is everybody's. Collective.
std::shared_ptr<const Tokenizer> recognition_tokenizer(const Recipe& recipe, const DataModel& model, Communicator& comm, const Say& say,
                                                       std::map<std::string, std::string>& files);

// A directory of shards as it is, else a corpus (datasets/speech), sharded once into the cache. `tokenizer`: null where labels are learnt.
// Collective. DataError where the model cannot take the rows.
std::shared_ptr<ShardSet> open_speech(const std::string& path, const Recipe& recipe, const DataModel& model,
                                      const std::vector<std::string>& labels, const Tokenizer* tokenizer, const ShardRanks& ranks,
                                      const fs::path& cache_dir);

// What is learnt of each row's text. DataError where a CTC vocabulary cannot spell more rows than data.audio.bad_limit allows; says how many
// it cannot where it allows them.
std::shared_ptr<const Transcripts> transcripts_of(const ShardSet& shards, const Tokenizer& tokenizer, const Recipe& recipe, const Say& say);

// Says how many rows have fewer frames than their texts' characters need (CTC), or longer transcripts than the decoder takes (Whisper); empty
// where none has. DataError where rows have no language that a Whisper knows.
std::string never_learnt(const DataSet& set, const Objective& objective, const DataModel& model);

// What the model reads of recordings.
std::unique_ptr<AudioInputs> audio_inputs(const DataModel& model, bool short_rows, Augmentation augmentation);
std::shared_ptr<const Inputs> speech_inputs(const Recipe& recipe, const DataModel& model);
std::shared_ptr<const Objective> recognition(const Recipe& recipe, const DataModel& model,
                                             const std::shared_ptr<const Tokenizer>& tokenizer, std::shared_ptr<const Inputs> inputs);

}  // namespace thaw
