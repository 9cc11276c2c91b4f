// Rows of speech: log-mel frames or samples, read from a shard in whatever shape it holds them.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "datasets/audio/augment.h"
#include "datasets/audio/log_mel.h"
#include "datasets/audio/spec_augment.h"
#include "framework/train/inputs/inputs.h"

namespace thaw {

constexpr int heard_rate = 16000;                                    // samples a second that every model here hears
std::int64_t samples_in(const ShardSet& shards, std::uint64_t row);  // of the row's sound, as it is

// Of training rows alone; each has a key of its own.
struct Augmentation {
  audio::AugmentConfig sound;
  std::vector<std::vector<float>> noises;  // at 16,000 Hz; none: white noise
  audio::SpecAugment masks;                // of log-mel features
  bool changes_sound = false, changes_features = false;
};

class AudioInputs : public Inputs {
 public:
  explicit AudioInputs(Augmentation augmentation) : augmentation_(std::move(augmentation)) {}
  std::uint32_t size(const ShardSet& shards, std::uint64_t row) const override;
  bool hears() const override { return true; }
  double speed(const RowOfSet& row, const Context& context, std::size_t number) const override;
  bool changes_rows() const override { return augmentation_.changes_sound || augmentation_.changes_features; }

  // Of a recording that is in no shard: fp32 [frames, mels] or [samples].
  virtual at::Tensor of(std::vector<float> samples) const = 0;
  // Such rows one after another, in the context; their cu_seqlens.
  static std::vector<std::int64_t> join(const std::vector<at::Tensor>& parts, Context& context);

 protected:
  // `context`: of the row's step; `number`: of the row in the pass.
  std::vector<float> samples_of(const RowOfSet& row, const Context& context, std::size_t number) const;

  Augmentation augmentation_;
};

// Whisper's, by windows of 30 s, or at a row's own length.
class LogMelInputs final : public AudioInputs {
 public:
  LogMelInputs(const audio::LogMelConfig& config, bool short_rows, Augmentation augmentation)
      : AudioInputs(std::move(augmentation)), log_mel_(config), short_rows_(short_rows) {
    augmentation_.sound.longest = static_cast<std::size_t>(config.chunk_samples());
  }
  std::vector<std::int64_t> read(const std::vector<RowOfSet>& rows, Context& context) const override;
  std::uint32_t length(const ShardSet& shards, std::uint64_t row) const override;
  std::int64_t evaluation_length() const override { return 16 * window(); }
  at::Tensor of(std::vector<float> samples) const override;

 private:
  std::int64_t window() const { return log_mel_.config().chunk_samples() / log_mel_.config().hop; }

  audio::LogMel log_mel_;
  bool short_rows_;
};

// wav2vec2's and its kin's, at a row's own length.
class WaveformInputs final : public AudioInputs {
 public:
  WaveformInputs(bool normalize, Augmentation augmentation) : AudioInputs(std::move(augmentation)), normalize_(normalize) {}
  std::vector<std::int64_t> read(const std::vector<RowOfSet>& rows, Context& context) const override;
  std::uint32_t length(const ShardSet& shards, std::uint64_t row) const override;
  std::int64_t evaluation_length() const override { return std::int64_t{120} * heard_rate; }
  at::Tensor of(std::vector<float> samples) const override;

 private:
  bool normalize_;
};

}  // namespace thaw
