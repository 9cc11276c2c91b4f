#include "datasets/audio/audio.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "datasets/audio/resample.h"
#include "datasets/audio/sound_file.h"
#include "framework/base/file.h"

namespace thaw::audio {
namespace {

constexpr float full_scale = 32767.0f / 32768.0f;  // the largest 16-bit number
constexpr float loudest = 4294967296.0f;           // 32-bit integers written as floats come to half of it; sums of larger ones overflow
constexpr double margin_s = 0.1;                   // what resampling hears beside a part; its filter reaches less far

// Frames [begin, end) of the source, which contain those that are wanted, and the samples of the result that these give.
struct Part {
  std::int64_t begin = 0, end = 0;
  std::int64_t wanted_begin = 0, wanted_end = 0;
  std::int64_t skip = 0, count = 0;
};

// The source is cut only where a source frame and a sample of the result fall together, so that a part has the whole's phase.
Part part_of(const AudioInfo& info, const ReadOptions& options, std::int64_t known_end) {
  const std::int64_t period = info.sample_rate / std::gcd(info.sample_rate, options.sample_rate);
  const auto margin = static_cast<std::int64_t>(margin_s * info.sample_rate);
  const double end_s = std::min(options.end_s.value_or(INFINITY), static_cast<double>(known_end) / info.sample_rate);
  Part part;
  if (!(options.begin_s < end_s)) return part;
  part.wanted_begin = static_cast<std::int64_t>(options.begin_s * info.sample_rate);
  part.wanted_end = static_cast<std::int64_t>(std::ceil(end_s * info.sample_rate));
  part.begin = std::max<std::int64_t>(part.wanted_begin - margin, 0) / period * period;
  part.end = std::min(part.wanted_end + margin, known_end);
  part.skip = std::llround(options.begin_s * options.sample_rate) - part.begin / period * (options.sample_rate * period / info.sample_rate);
  part.count = std::llround(end_s * options.sample_rate) - std::llround(options.begin_s * options.sample_rate);
  return part;
}

// Where the header does not know the length, seeking does not work either: all before the part is decoded as well.
void from_the_start(Part& part, const ReadOptions& options) {
  part.skip = std::llround(options.begin_s * options.sample_rate);
  part.begin = 0;
}

void check(const ReadOptions& options, std::string_view name) {
  const double end = options.end_s.value_or(INFINITY);
  if (!(options.begin_s >= 0 && std::isfinite(options.begin_s) && options.begin_s < end)) {
    throw DataError("{}: expected 0 <= begin < end, found {} s and {} s", name, options.begin_s, end);
  }
  if (options.sample_rate < lowest_rate || options.sample_rate > highest_rate) {
    throw DataError("{}: expected a wanted sample rate from {} to {} Hz, found {}", name, lowest_rate, highest_rate, options.sample_rate);
  }
}

// Decodes up to `frames` of the part, where the file stands, mixed down; counts what stands at full scale of those that are wanted.
std::vector<float> decode(SoundFile& file, const Part& part, std::int64_t frames, Audio& audio) {
  const std::int64_t channels = file.info().channels, block = 65536;
  std::vector<float> mono, raw(static_cast<std::size_t>(std::min(frames, block) * channels));
  std::int64_t clipped = 0, wanted = 0, at = part.begin;
  while (frames > 0) {
    const std::int64_t got = file.read(raw.data(), std::min(frames, block));
    if (got <= 0) break;
    for (std::int64_t i = 0; i < got; ++i, ++at) {
      const bool is_wanted = at >= part.wanted_begin && at < part.wanted_end;
      wanted += is_wanted;
      float sum = 0;
      for (std::int64_t c = 0; c < channels; ++c) {
        const float sample = raw[static_cast<std::size_t>(i * channels + c)], level = std::fabs(sample);
        if (!std::isfinite(sample)) file.fail(AudioFault::unreadable, "a sample is not a finite number");
        if (level > loudest) file.fail(AudioFault::unreadable, fmt::format("a sample of {}, where full scale is 1", sample));
        if (is_wanted) {
          audio.peak = std::max(audio.peak, level);
          clipped += level >= full_scale;
        }
        sum += sample;
      }
      mono.push_back(channels == 1 ? sum : sum / static_cast<float>(channels));
    }
    frames -= got;
  }
  audio.clipped_share = wanted > 0 ? static_cast<double>(clipped) / static_cast<double>(wanted * channels) : 0;
  return mono;
}

}  // namespace

AudioInfo inspect_audio(AudioBytes encoded) { return SoundFile(encoded).info(); }

AudioInfo inspect_audio(const std::filesystem::path& path) {
  const MappedFile file(path);
  return inspect_audio(AudioBytes{path.string(), file.bytes()});
}

Audio read_audio(AudioBytes encoded, const ReadOptions& options) {
  check(options, encoded.name);
  SoundFile file(encoded);
  const AudioInfo& info = file.info();
  constexpr double endless = 1e15;
  const auto most_frames = static_cast<std::int64_t>(std::min((options.max_s + margin_s) * info.sample_rate, endless)) + 1;
  const auto most = static_cast<std::int64_t>(std::min(std::round(options.max_s * options.sample_rate), endless));
  const bool counted = info.frames && !info.estimated;
  constexpr auto without_end = static_cast<std::int64_t>(endless);  // far beyond any recording
  const std::int64_t promised = counted ? std::min(*info.frames, without_end) : without_end;
  Part part = part_of(info, options, promised);
  if (!counted) from_the_start(part, options);
  if (part.count <= 0) file.fail(AudioFault::empty, fmt::format("begin is {} s, the end {:.3f} s", options.begin_s, info.seconds()));
  Audio audio;
  audio.sample_rate = options.sample_rate;
  if (part.begin > 0) file.seek(part.begin);
  const std::int64_t asked = std::min(part.end - part.begin, part.wanted_begin - part.begin + most_frames);
  const std::vector<float> mono = decode(file, part, asked, audio);
  const auto got = static_cast<std::int64_t>(mono.size());
  if (got < asked && counted) file.fail(AudioFault::wrong_length, fmt::format("{} samples, found {}", promised, part.begin + got));
  // libsndfile knows how long an OGG is by its last page.
  if (got > 0 && got < asked && !info.frames && info.format == "OGG") file.fail(AudioFault::wrong_length, "its last page is missing");
  if (!counted) {  // now the end is known
    part = part_of(info, options, got);
    from_the_start(part, options);
  }
  if (part.count <= 0) file.fail(AudioFault::empty, fmt::format("{} samples decoded", got));
  if (part.count > most) file.fail(AudioFault::too_long, fmt::format("more than {} s", options.max_s));

  audio.samples = resample(mono, info.sample_rate, options.sample_rate);
  const auto size = static_cast<std::int64_t>(audio.samples.size());
  const std::int64_t begin = std::min(part.skip, size), end = std::min(part.skip + part.count, size);
  audio.samples.resize(static_cast<std::size_t>(end));
  audio.samples.erase(audio.samples.begin(), audio.samples.begin() + begin);
  if (audio.samples.empty()) file.fail(AudioFault::empty, "");
  return audio;
}

Audio read_audio(const std::filesystem::path& path, const ReadOptions& options) {
  const MappedFile file(path);
  return read_audio(AudioBytes{path.string(), file.bytes()}, options);
}

}  // namespace thaw::audio
