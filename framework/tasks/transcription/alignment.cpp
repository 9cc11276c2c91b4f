#include "framework/tasks/transcription/alignment.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "framework/base/error.h"
#include "framework/tasks/transcription/whisper_language.h"

namespace thaw {
namespace {

constexpr std::int64_t median_width = 7, timestamps_per_second = 50;

// From probabilities over all frames [1, heads, tokens, frames] to what fits [tokens, frames]: over the frames that are audio,
// each head and frame standardised over the tokens, smoothed, and the mean over heads.
at::Tensor fit_of(const at::Tensor& attention, std::int64_t frames) {
  at::Tensor weights = attention[0].to(at::kFloat).cpu();
  const double off = (weights.sum(2) - 1).abs().max().item<double>();
  if (!(off < 0.05))
    throw ModelError("word times: expected cross-attention as probabilities, which sum to 1 over the frames, found sums off by {}", off);
  weights = weights.slice(2, 0, frames);
  weights = weights / weights.sum(2, true).clamp_min(std::numeric_limits<float>::min());
  const auto [deviation, mean] = at::std_mean(weights, at::OptionalIntArrayRef(at::IntArrayRef{1}), std::optional<at::Scalar>(0), true);
  weights = ((weights - mean) / deviation).nan_to_num(0, 0, 0);  // a frame that no token looks at
  return median_filter(weights, median_width).mean(0);
}

// The probability of each text token where the decoder reads the text: fp32 [text].
at::Tensor probabilities_of(SpeechDecoder& decoder, const at::Tensor& tokens, std::int64_t text_start, std::int64_t text_size,
                            std::int64_t eot) {
  const at::Tensor logits = decoder.step(tokens, true)[0].slice(0, text_start - 1, text_start - 1 + text_size).slice(1, 0, eot);
  const at::Tensor text = tokens[0].slice(0, text_start, text_start + text_size).to(logits.device());
  return at::softmax(logits, 1, at::kFloat).gather(1, text.unsqueeze(1)).squeeze(1).cpu().contiguous();
}

}  // namespace

at::Tensor median_filter(const at::Tensor& values, std::int64_t width) {
  const std::int64_t beside = width / 2;
  if (values.size(-1) <= beside) return values;
  const at::Tensor rows = values.reshape({1, -1, values.size(-1)});
  const at::Tensor padded = at::reflection_pad1d(rows, {beside, beside});
  return std::get<0>(padded.unfold(-1, width, 1).sort()).select(-1, beside).reshape(values.sizes());
}

WarpingPath dynamic_time_warping(const at::Tensor& costs) {
  const at::Tensor values = costs.to(at::kDouble).cpu().contiguous();
  const auto rows = static_cast<std::size_t>(values.size(0)), columns = static_cast<std::size_t>(values.size(1)), stride = columns + 1;
  const double* const cost = values.data_ptr<double>();
  enum Step : unsigned char { diagonal, up, left };
  std::vector<float> total((rows + 1) * stride, std::numeric_limits<float>::infinity());
  std::vector<Step> steps(total.size(), left);
  total[0] = 0;
  for (std::size_t i = 1; i <= rows; ++i) {
    steps[i * stride] = up;
    for (std::size_t j = 1; j <= columns; ++j) {
      const float across = total[(i - 1) * stride + j - 1], above = total[(i - 1) * stride + j], before = total[i * stride + j - 1];
      const Step step = across < above && across < before ? diagonal : above < across && above < before ? up : left;
      const float least = step == diagonal ? across : step == up ? above : before;
      total[i * stride + j] = static_cast<float>(cost[(i - 1) * columns + j - 1] + static_cast<double>(least));
      steps[i * stride + j] = step;
    }
  }
  WarpingPath path;
  for (std::size_t i = rows, j = columns; i > 0 || j > 0;) {
    path.rows.push_back(static_cast<std::int64_t>(i) - 1);
    path.columns.push_back(static_cast<std::int64_t>(j) - 1);
    const Step step = steps[i * stride + j];
    if (step != left) --i;
    if (step != up) --j;
  }
  std::reverse(path.rows.begin(), path.rows.end());
  std::reverse(path.columns.begin(), path.columns.end());
  return path;
}

std::vector<WordTiming> align_words(SpeechDecoder& decoder, const WhisperVocabulary& vocabulary, const AttentionHeads& heads,
                                    const AlignedWindow& window, const std::string& language, bool translate, const TokenIds& text) {
  if (text.empty()) return {};
  const at::NoGradGuard no_gradients;
  TokenIds tokens = start_of_transcript(vocabulary, language, translate);
  const auto start = static_cast<std::int64_t>(tokens.size());  // of the rows that are aligned: text, and what stands before it
  const auto size = static_cast<std::int64_t>(text.size());
  tokens.push_back(vocabulary.no_timestamps);
  tokens.insert(tokens.end(), text.begin(), text.end());
  tokens.push_back(vocabulary.eot);
  const at::Tensor read = at::tensor(tokens, at::kLong).unsqueeze(0);
  if (read.size(1) > decoder.max_tokens()) {
    throw DataError("word times: a window's text has {} tokens, and with its prompt the decoder reads at most {}", size,
                    decoder.max_tokens());
  }
  decoder.begin({window.index});
  const at::Tensor probabilities = probabilities_of(decoder, read, start + 1, size, vocabulary.eot);
  decoder.begin({window.index});
  const at::Tensor fit = fit_of(decoder.cross_attention(read, heads), window.frames / 2);
  const WarpingPath path = dynamic_time_warping(-fit.slice(0, start, start + size + 1));

  // Where the path enters each row.
  std::vector<double> entered;
  for (std::size_t i = 0; i < path.rows.size(); ++i) {
    if (i == 0 || path.rows[i] != path.rows[i - 1]) entered.push_back(static_cast<double>(path.columns[i]) / timestamps_per_second);
  }
  TokenIds whole = text;
  whole.push_back(vocabulary.eot);
  std::vector<WordTokens> words = vocabulary.split_words(whole, language);
  std::vector<WordTiming> timings;
  std::size_t first = 0;
  for (std::size_t i = 0; i + 1 < words.size(); ++i) {
    const std::size_t last = first + words[i].tokens.size();
    if (last >= entered.size()) throw ModelError("word times: the tokenizer cut {} tokens into words of {} and more", text.size(), last);
    const float* const p = probabilities.data_ptr<float>();
    const double mean = std::accumulate(p + first, p + last, 0.0) / static_cast<double>(last - first);
    timings.push_back({std::move(words[i].word), std::move(words[i].tokens), entered[first], entered[last], mean});
    first = last;
  }
  return timings;
}

}  // namespace thaw
