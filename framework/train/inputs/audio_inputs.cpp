#include "framework/train/inputs/audio_inputs.h"

#include <algorithm>
#include <cmath>
#include <span>

#include "datasets/audio/audio.h"
#include "datasets/audio/normalize.h"
#include "framework/nn/parallel.h"

namespace thaw {
namespace {

// The places in a row's key that draw random numbers.
enum Use : std::uint64_t { sound_use = 1000, masks_use };

std::uint64_t key_of(const Context& context, std::size_t number, Use use) {
  return random_key(context.random_key, use, context.first_row + static_cast<std::int64_t>(number));
}

at::Tensor tensor_of(const std::vector<float>& values, at::IntArrayRef shape) {
  return at::from_blob(const_cast<float*>(values.data()), shape).clone();
}

// Of each row, by as many threads as the rank has.
std::vector<at::Tensor> of_each(const std::vector<RowOfSet>& rows, const std::function<at::Tensor(std::size_t)>& of) {
  std::vector<at::Tensor> parts(rows.size());
  parallel_for(0, static_cast<std::int64_t>(rows.size()), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) parts[static_cast<std::size_t>(row)] = of(static_cast<std::size_t>(row));
  });
  return parts;
}

}  // namespace

std::int64_t samples_in(const ShardSet& shards, std::uint64_t row) {
  return std::lround(static_cast<double>(shards.seconds()[row]) * heard_rate);
}

std::uint32_t AudioInputs::size(const ShardSet& shards, std::uint64_t row) const {
  return std::max<std::uint32_t>(1, static_cast<std::uint32_t>(std::lround(shards.seconds()[row] * 100)));
}

double AudioInputs::speed(const RowOfSet& row, const Context& context, std::size_t number) const {
  if (!context.augmented || !augmentation_.changes_sound) return 1;
  const auto samples = static_cast<std::size_t>(samples_in(row.shards(), row.row));
  return audio::chosen_speed(augmentation_.sound, samples, key_of(context, number, sound_use));
}

std::vector<float> AudioInputs::samples_of(const RowOfSet& row, const Context& context, std::size_t number) const {
  std::vector<float> samples;
  if (row.shards().audio_codec() == AudioCodec::flac) {
    const std::string file = row.shards().audio_file(row.row);
    samples = audio::read_audio({row.shards().id(row.row), std::as_bytes(std::span(file))}).samples;
  } else {
    const std::vector<std::int16_t> stored = row.shards().samples(row.row);
    samples.resize(stored.size());
    std::transform(stored.begin(), stored.end(), samples.begin(),
                   [](std::int16_t sample) { return static_cast<float>(sample) / 32768.0F; });
  }
  if (!context.augmented || !augmentation_.changes_sound) return samples;
  return audio::augment(samples, augmentation_.sound, augmentation_.noises, key_of(context, number, sound_use));
}

std::vector<std::int64_t> AudioInputs::join(const std::vector<at::Tensor>& parts, Context& context) {
  std::vector<std::int64_t> cu_seqlens{0};
  for (const at::Tensor& part : parts) cu_seqlens.push_back(cu_seqlens.back() + part.size(0));
  context.features = at::cat(parts);
  return cu_seqlens;
}

at::Tensor LogMelInputs::of(std::vector<float> samples) const {
  if (short_rows_) samples.resize(std::min(samples.size(), static_cast<std::size_t>(log_mel_.config().chunk_samples())));
  const audio::Features features = log_mel_(samples, short_rows_ ? audio::LogMel::Length::actual : audio::LogMel::Length::chunk);
  return tensor_of(features.values, {features.frames, features.mels});
}

std::uint32_t LogMelInputs::length(const ShardSet& shards, std::uint64_t row) const {
  if (!short_rows_) return static_cast<std::uint32_t>(window());
  return static_cast<std::uint32_t>(std::min(window(), samples_in(shards, row) / log_mel_.config().hop));
}

std::vector<std::int64_t> LogMelInputs::read(const std::vector<RowOfSet>& rows, Context& context) const {
  const std::int64_t mels = log_mel_.config().mels;
  return join(of_each(rows,
                      [&](std::size_t i) {
                        const RowOfSet& row = rows[i];
                        at::Tensor features;
                        if (row.shards().audio_codec() == AudioCodec::features)
                          features = at::tensor(row.shards().features(row.row)).view({-1, mels});
                        else features = of(samples_of(row, context, i));
                        if (!context.augmented || !augmentation_.changes_features) return features;
                        const double frames = std::round(size(row.shards(), row.row) / speed(row, context, i));
                        const std::int64_t heard = std::clamp(static_cast<std::int64_t>(frames), std::int64_t{1}, features.size(0));
                        const audio::FeatureMasks masks =
                            audio::draw_masks(augmentation_.masks, heard, mels, key_of(context, i, masks_use));
                        const at::Tensor mean = features.narrow(0, 0, heard).mean();
                        for (const audio::MaskRange& mask : masks.frames) features.slice(0, mask.begin, mask.end).copy_(mean);
                        for (const audio::MaskRange& mask : masks.mels) features.slice(1, mask.begin, mask.end).copy_(mean);
                        return features;
                      }),
              context);
}

at::Tensor WaveformInputs::of(std::vector<float> samples) const {
  if (normalize_) audio::zero_mean_unit_variance(samples);
  return tensor_of(samples, {static_cast<std::int64_t>(samples.size())});
}

std::uint32_t WaveformInputs::length(const ShardSet& shards, std::uint64_t row) const {
  return static_cast<std::uint32_t>(samples_in(shards, row));
}

std::vector<std::int64_t> WaveformInputs::read(const std::vector<RowOfSet>& rows, Context& context) const {
  return join(of_each(rows, [&](std::size_t i) { return of(samples_of(rows[i], context, i)); }), context);
}

}  // namespace thaw
