// fake_whisper.py's model and vocabulary, bit for bit: logits and attention are a pure function of audio and tokens.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "datasets/tokenizers/utf8.h"
#include "framework/base/json.h"
#include "framework/base/random.h"
#include "framework/tasks/transcription/alignment.h"
#include "framework/tasks/transcription/blanks.h"
#include "framework/tasks/transcription/speech_decoder.h"
#include "framework/tasks/transcription/transcription.h"
#include "framework/tasks/transcription/whisper_vocabulary.h"
#include "tests/support/reference.h"

namespace thaw::test {

inline double noise(std::uint64_t key, std::int64_t i) {
  return static_cast<double>(mix(key ^ mix(static_cast<std::uint64_t>(i))) >> 44) / (1 << 20);
}

// fp32 [2, frames] of whole numbers.
inline at::Tensor recording(int number, std::int64_t frames) {
  at::Tensor values = at::empty({2, frames});
  for (int row = 0; row < 2; ++row) {
    for (std::int64_t i = 0; i < frames; ++i) {
      values.data_ptr<float>()[row * frames + i] =
          static_cast<float>(std::floor(noise(1000 + 2 * static_cast<std::uint64_t>(number) + static_cast<std::uint64_t>(row), i) * 200));
    }
  }
  return values;
}

inline at::Tensor with_silence(const at::Tensor& features) { return at::constant_pad_nd(features, {0, 3000}); }

class FakeDecoder : public SpeechDecoder {
 public:
  explicit FakeDecoder(const Json& vocabulary) : v_(vocabulary), base_(vocabulary["base"].get<std::vector<double>>()) {}

  std::int64_t vocabulary_size() const override { return static_cast<std::int64_t>(base_.size()); }
  std::int64_t max_tokens() const override { return v_["max_tokens"]; }

  void encode(const at::Tensor& features) override {
    if (features.dim() != 3 || features.size(1) != 2 || features.size(2) != 3000) throw std::runtime_error("windows of the wrong shape");
    ++encoded;
    keys_.clear();
    const at::Tensor place = at::arange(3000);
    for (const at::Tensor& window : features.to(at::kLong).unbind(0)) {
      keys_.push_back(
          mix(static_cast<std::uint64_t>((window[0] * (place + 1) + window[1] * (3000 - place) * 7).sum().item<std::int64_t>())));
    }
  }
  void hear(const std::vector<at::Tensor>&) override { throw std::logic_error("windows are heard by encode"); }
  void begin(const std::vector<std::int64_t>& windows) override {
    sequences_.clear();
    for (const std::int64_t window : windows) sequences_.push_back({keys_.at(static_cast<std::size_t>(window)), {}});
  }
  at::Tensor step(const at::Tensor& tokens, bool all = false) override {
    const auto rows = static_cast<std::int64_t>(sequences_.size()), n = tokens.size(1);
    if (tokens.size(0) != rows || n < 1) throw std::runtime_error("tokens for other sequences");
    at::Tensor logits = at::empty({rows, n, vocabulary_size()});
    for (std::int64_t i = 0; i < rows; ++i) {
      Sequence& sequence = sequences_[static_cast<std::size_t>(i)];
      for (std::int64_t j = 0; j < n; ++j) {
        sequence.tokens.push_back(tokens[i][j].item<std::int64_t>());
        if (static_cast<std::int64_t>(sequence.tokens.size()) > max_tokens()) throw std::runtime_error("more tokens than positions");
        const std::int64_t next = all && j + 1 < n ? tokens[i][j + 1].item<std::int64_t>() : -1;
        if (all || j == n - 1) fill(logits.data_ptr<float>() + (i * n + j) * vocabulary_size(), sequence, next);
      }
      rows_read += n;
    }
    return all ? logits : logits.select(1, n - 1).contiguous();
  }
  void reorder(const std::vector<std::int64_t>& from) override {
    std::vector<Sequence> next;
    for (const std::int64_t i : from) next.push_back(sequences_.at(static_cast<std::size_t>(i)));
    sequences_ = std::move(next);
  }
  at::Tensor cross_attention(const at::Tensor& tokens, const AttentionHeads& heads) override {
    at::Tensor scores = at::empty({tokens.size(0), static_cast<std::int64_t>(heads.size()), tokens.size(1), 1500});
    float* out = scores.data_ptr<float>();
    for (std::int64_t i = 0; i < tokens.size(0); ++i) {
      for (const auto& [layer, head] : heads) {
        std::int64_t place = 0;
        for (std::int64_t j = 0; j < tokens.size(1); ++j) {
          const std::int64_t token = tokens[i][j].item<std::int64_t>();
          const std::uint64_t h = random_key(sequences_.at(static_cast<std::size_t>(i)).key, layer, head, j, token);
          const auto jump = static_cast<std::int64_t>(h >> 20 & 31);
          place += jump == 0 ? 150 : token < eot() ? jump : 0;
          for (std::int64_t frame = 0; frame < 1500; ++frame) {
            *out++ =
                static_cast<float>(3 * noise(h, frame) - static_cast<double>(std::min<std::int64_t>(std::abs(frame - place), 160)) / 8);
          }
        }
      }
    }
    return at::softmax(scores, 3);
  }

  std::int64_t encoded = 0, rows_read = 0;

 private:
  struct Sequence {
    std::uint64_t key;
    TokenIds tokens;
  };
  std::int64_t eot() const { return v_["eot"]; }

  // next: the token that follows, where several are read at once.
  void fill(float* out, const Sequence& sequence, std::int64_t next) const {
    const std::int64_t sot = v_["sot"], first_timestamp = v_["first_timestamp"];
    const TokenIds& tokens = sequence.tokens;
    const std::uint64_t kind = sequence.key % 8;
    std::size_t start = 0;
    for (std::size_t i = 0; i < tokens.size(); ++i) start = tokens[i] == sot ? i : start;
    const auto said = static_cast<std::int64_t>(tokens.size() - 1 - start);
    std::uint64_t h = sequence.key;
    for (std::size_t i = kind == 0 ? tokens.size() - 1 : 0; i < tokens.size(); ++i)
      h = mix(h ^ mix(static_cast<std::uint64_t>(tokens[i] + 77)));
    const double scale = kind == 0 ? 8 : kind <= 2 ? 1 : kind == 3 ? 5 : 12;
    std::vector<double> logits = base_;
    for (std::size_t i = 0; i < logits.size(); ++i) logits[i] += scale * noise(h, static_cast<std::int64_t>(i));
    const auto add = [&](std::int64_t id, double value) { logits[static_cast<std::size_t>(id)] += value; };
    for (std::int64_t i = 0; kind == 0 && i < 4; ++i) add(256 + static_cast<std::int64_t>(h % 3) * 4 + i, 4);
    if (tokens.back() == sot) {
      for (std::int64_t i = 1; i <= 5; ++i) add(sot + i, 12);
      add(v_["no_speech"], kind == 2 ? 26 : kind == 1 ? 8 : 4);
    }
    std::int64_t latest = 0;
    for (std::size_t i = start; i < tokens.size(); ++i) latest = tokens[i] >= first_timestamp ? tokens[i] - first_timestamp : latest;
    if ((h >> 8 & 3) == 0 || said <= 3) {
      const std::int64_t favourite =
          latest + ((h >> 40 & 1) != 0 ? 0 : static_cast<std::int64_t>(h >> 16 & ((h >> 32 & 7) == 0 ? 1023 : 255)));
      add(first_timestamp + std::min<std::int64_t>(favourite, 1500), 20);
    }
    logits[static_cast<std::size_t>(eot())] = -6 + static_cast<double>(said) * (kind == 3 ? 1.0 : 0.75) + 4 * noise(h ^ 1, 0);
    if (kind == 7 && said > 6 && std::min(tokens.back(), tokens[tokens.size() - 2]) >= first_timestamp) add(eot(), 30);
    if (next >= 0) add(next, 16 * noise(random_key(sequence.key, tokens.size() - 1), 0));
    std::transform(logits.begin(), logits.end(), out, [](double value) { return static_cast<float>(value); });
  }

  const Json& v_;
  std::vector<double> base_;
  std::vector<std::uint64_t> keys_;
  std::vector<Sequence> sequences_;
};

// The tokenizer's part: bytes of tokens, and words as openai-whisper splits them.
class FakeText {
 public:
  explicit FakeText(const Json& vocabulary) : eot_(vocabulary["eot"]) {
    for (const std::string hex : vocabulary["tokens"]) {
      std::string bytes;
      for (std::size_t i = 0; i < hex.size(); i += 2) bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
      bytes_.push_back(bytes);
    }
  }
  std::string decode(const TokenIds& tokens) const {
    std::string bytes;
    for (const std::int64_t token : tokens) bytes += token < eot_ ? bytes_[static_cast<std::size_t>(token)] : "<|special|>";
    return repair_utf8(bytes);
  }
  std::vector<WordTokens> split(const TokenIds& tokens, const std::string& language) const {
    std::vector<WordTokens> words;
    for (WordTokens& part : characters(tokens)) {
      const bool special = part.tokens.front() >= eot_;
      const std::string bare = strip_blanks(part.word);
      const bool punctuation = std::string_view("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~").find(bare) != std::string_view::npos;
      if (language == "zh" || special || part.word.starts_with(' ') || punctuation || words.empty()) {
        words.push_back(std::move(part));
        continue;
      }
      words.back().word += part.word;
      words.back().tokens.insert(words.back().tokens.end(), part.tokens.begin(), part.tokens.end());
    }
    return words;
  }

 private:
  // Pieces that are whole characters.
  std::vector<WordTokens> characters(const TokenIds& tokens) const {
    std::vector<WordTokens> parts;
    TokenIds current;
    for (const std::int64_t token : tokens) {
      current.push_back(token);
      std::string text = decode(current);
      if (text.find("\xEF\xBF\xBD") != std::string::npos) continue;
      parts.push_back({std::move(text), std::move(current)});
      current.clear();
    }
    return parts;
  }
  std::int64_t eot_;
  std::vector<std::string> bytes_;
};

inline WhisperVocabulary vocabulary_of(const Json& v, bool multilingual = true) {
  WhisperVocabulary vocabulary;
  vocabulary.eot = v["eot"];
  vocabulary.sot = v["sot"];
  vocabulary.translate = v["translate"];
  vocabulary.transcribe = v["transcribe"];
  vocabulary.sot_lm = v["sot_lm"];
  vocabulary.sot_prev = v["sot_prev"];
  vocabulary.no_speech = v["no_speech"];
  vocabulary.no_timestamps = v["no_timestamps"];
  vocabulary.first_timestamp = v["first_timestamp"];
  vocabulary.blank = v["blank"].get<TokenIds>();
  vocabulary.non_speech = v["non_speech"].get<TokenIds>();
  for (const Json& language : v["languages"]) {
    if (multilingual) vocabulary.languages.emplace_back(language[0], language[1]);
  }
  vocabulary.decode = [text = FakeText(v)](const TokenIds& tokens) { return text.decode(tokens); };
  vocabulary.split_words = [text = FakeText(v)](const TokenIds& tokens, const std::string& language) {
    return text.split(tokens, language);
  };
  return vocabulary;
}

// The special tokens and heads that the Python side has, too.
inline const Json& fake_tokens() {
  static const Json read = reference("tasks/transcription/fake_whisper_vocabulary.py");
  return read;
}

inline TranscriptionOptions usual_options() {
  TranscriptionOptions options;
  options.decoding.language = "en";
  options.seed = 17;
  for (const Json& head : fake_tokens()["heads"]) options.words.heads.emplace_back(head[0], head[1]);
  return options;
}

}  // namespace thaw::test
