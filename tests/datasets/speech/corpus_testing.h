// Small corpora on disk, and the options that shard them.
#pragma once

#include "datasets/speech/speech_rows.h"
#include "tests/datasets/speech/speech_testing.h"

namespace thaw {

// A Kaldi directory: `segments` stretches of half a second each of recordings of 10 stretches, speakers by turns.
inline fs::path kaldi_corpus(const Folder& folder, const std::string& name, int segments) {
  std::string scp, cuts, text, speakers, languages;
  for (int recording = 0; recording * 10 < segments; ++recording) {
    write_audio(folder / name / fmt::format("r{}.wav", recording), tone(5, 200 + 10 * recording, 0.4));
    scp += fmt::format("r{0} r{0}.wav\n", recording);
  }
  for (int i = 0; i < segments; ++i) {
    const double begin = 0.5 * (i % 10);
    cuts += fmt::format("u{:03} r{} {} {}\n", i, i / 10, begin, begin + 0.5);
    text += fmt::format("u{:03} Sentence, number {}!\n", i, i);
    speakers += fmt::format("u{:03} s{}\n", i, i % 4);
    languages += fmt::format("u{:03} {}\n", i, i % 2 == 0 ? "en" : "de");
  }
  for (const auto& [file, content] :
       {std::pair("wav.scp", scp), {"segments", cuts}, {"text", text}, {"utt2spk", speakers}, {"utt2lang", languages}})
    write_file_atomically(folder / name / file, content);
  return folder / name;
}

inline ShardOptions speech_options(std::uint64_t rows = 8) {
  ShardOptions options;
  options.read.label_kind = LabelKind::none;
  options.rows_per_shard = rows;
  return options;
}

inline SpeechOptions speech(AudioCodec codec = AudioCodec::i16) {
  SpeechOptions options;
  options.audio = codec;
  options.rules = TextRules({"lower", "strip_punctuation", "collapse_spaces"});
  // Frames of 10 ms: the mean and the peak of the samples.
  options.features = {2, "mean and peak", [](std::span<const float> samples) {
                        std::vector<float> values;
                        for (std::size_t at = 0; at + 160 <= samples.size(); at += 160) {
                          float sum = 0, peak = 0;
                          for (const float sample : samples.subspan(at, 160)) sum += sample, peak = std::max(peak, std::abs(sample));
                          values.push_back(sum / 160), values.push_back(peak);
                        }
                        return values;
                      }};
  return options;
}

}  // namespace thaw
