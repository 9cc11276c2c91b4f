// Shards of speech as Python's h5py, numpy and wave read them.
#include <cstdlib>

#include "tests/datasets/speech/corpus_testing.h"
#include "tests/support/reference.h"

namespace thaw {
namespace {

class SpeechReference : public testing::TestWithParam<AudioCodec> {};

TEST_P(SpeechReference, PythonReadsTheSameRows) {
  THAW_NEEDS_PYTHON();
  const Folder folder;
  std::string table = "path\ttext\tspeaker\n";
  for (int i = 0; i < 30; ++i) {
    std::vector<float> samples = tone(0.3 + 0.02 * i, 100 + 20 * i, 0.9);
    for (std::size_t s = 0; s < samples.size(); ++s) samples[s] *= static_cast<float>(philox(7, s)[0] % 1000) / 1000;
    const std::string name = fmt::format("{}.{}", i, GetParam() == AudioCodec::flac ? "flac" : "wav");
    write_audio(folder / name, samples, GetParam() == AudioCodec::flac ? flac : SF_FORMAT_WAV | SF_FORMAT_PCM_16);
    table += fmt::format("{}\tЗаписано {}\ts{}\n", name, i, i % 3);
  }
  SpeechOptions how = speech(GetParam());
  how.rules = {};
  // Samples as they are, in tiny, usual and large values: what numpy's float16 makes of them is asked.
  how.features = {1, "scaled", [](std::span<const float> samples) {
                    std::vector<float> values(samples.begin(), samples.end());
                    for (std::size_t i = 0; i < values.size(); ++i) values[i] *= std::ldexp(1.1f, static_cast<int>(i % 45) - 26);
                    return values;
                  }};
  const ByteEncoder encoder(1000);
  write_speech_shards({folder.file("t.tsv", table)}, folder / "out", &encoder, how, speech_options(7));
  const std::string script = THAW_SOURCE_DIR "/tests/datasets/speech/compare.py";
  EXPECT_EQ(
      std::system(
          fmt::format("'{}' '{}' '{}' '{}'", *test::python(), script, (folder / "t.tsv").string(), (folder / "out").string()).c_str()),
      0);
}

INSTANTIATE_TEST_SUITE_P(Codecs, SpeechReference, testing::Values(AudioCodec::i16, AudioCodec::flac, AudioCodec::features),
                         [](const auto& one) { return std::string(name_of(one.param)); });

}  // namespace
}  // namespace thaw
