// Recordings to labels. As many run side by side as an evaluation would take at once.
#include <fmt/format.h>

#include <cstdio>
#include <optional>

#include "datasets/audio/audio.h"
#include "datasets/audio/voice.h"
#include "framework/base/error.h"
#include "framework/base/file.h"
#include "framework/train/inputs/audio_inputs.h"
#include "launcher/predict.h"
#include "launcher/recordings.h"

namespace thaw {
namespace {

constexpr double frame_s = 0.01;  // of log-mel features

class RecordingPredictor {
 public:
  RecordingPredictor(const TrainedModel& trained, const AnswerLines& answers, const PredictOptions& options)
      : trained_(trained), answers_(answers), silence_(options.silence), inputs_(dynamic_cast<const AudioInputs&>(*trained.data.inputs)) {}

  int operator()(const std::vector<fs::path>& files) {
    std::size_t failed = 0;
    for (const fs::path& file : files) {
      try {
        take(file);
      } catch (const audio::AudioError& error) {  // the others are still worth hearing
        ++failed;
        fmt::print(stderr, "thaw: {}\n", error.what());
      }
    }
    answer();
    if (cut_ > 0) fmt::print(stderr, "thaw: {} recordings were longer than {} s and were heard to there\n", cut_, most_seconds());
    if (failed == 0) return 0;
    fmt::print(stderr, "thaw: {} of {} recordings could not be heard\n", failed, files.size());
    return static_cast<int>(ExitCode::bad_data);
  }

 private:
  struct Row {
    fs::path file;
    std::optional<at::Tensor> features;  // none where the recording is silent
  };

  // Of a model that hears a window and no more; else 0.
  double most_seconds() const { return static_cast<double>(trained_.model->max_features) * frame_s; }

  void take(const fs::path& file) {
    audio::Audio recording = audio::read_audio(file);
    const std::optional<audio::AudioFault> fault = audio::find_fault(recording);
    if (fault == audio::AudioFault::too_short || fault == audio::AudioFault::too_long)
      throw audio::AudioError(
          *fault, file.string(),
          fmt::format("{:.3f} s, expected {} to {} s", recording.seconds(), audio::AudioLimits().min_s, audio::AudioLimits().max_s));
    const bool silent = (silence_ != Silence::never && fault == audio::AudioFault::silent) ||
                        (silence_ == Silence::voice && audio::VoiceActivity(recording.samples, recording.sample_rate).regions().empty());
    if (silent) {
      rows_.push_back({file, {}});
      return;
    }
    if (most_seconds() > 0 && recording.seconds() > most_seconds() + frame_s) ++cut_;
    // As shards hold what was learnt and is measured.
    if (trained_.recipe.data.audio.store == "i16")
      for (float& sample : recording.samples) sample = static_cast<float>(audio::i16_of(sample)) / 32768;
    const at::Tensor features = inputs_.of(std::move(recording.samples));
    if (length_ + features.size(0) > inputs_.evaluation_length()) answer();
    length_ += features.size(0);
    rows_.push_back({file, features});
  }

  void answer() {
    std::vector<at::Tensor> heard;
    for (const Row& row : rows_)
      if (row.features) heard.push_back(*row.features);
    at::Tensor logits;
    if (!heard.empty()) {
      Context context;
      const std::vector<std::int64_t> cu_seqlens = AudioInputs::join(heard, context);
      logits = trained_.model->forward(cu_seqlens, context).to(at::kFloat);
    }
    std::int64_t next = 0;
    for (const Row& row : rows_)
      fmt::print("{}\n", row.features ? answers_.of(logits[next++], row.file.string()) : answers_.of_silence(row.file.string()));
    flush_output();
    rows_.clear();
    length_ = 0;
  }

  const TrainedModel& trained_;
  const AnswerLines& answers_;
  Silence silence_;
  const AudioInputs& inputs_;
  std::vector<Row> rows_;
  std::int64_t length_ = 0;  // of their features together
  std::size_t cut_ = 0;
};

}  // namespace

int predict_recordings(const TrainedModel& trained, const AnswerLines& answers, const PredictOptions& options) {
  if (options.inputs.empty()) throw UsageError("{}: this model hears: name recordings, or folders of them", options.model);
  return RecordingPredictor(trained, answers, options)(recordings_of(options.inputs));
}

}  // namespace thaw
