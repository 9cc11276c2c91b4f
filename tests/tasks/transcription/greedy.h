#pragma once

#include <algorithm>
#include <vector>

#include "framework/tasks/transcription/speech_decoder.h"

namespace thaw {

// The likeliest token again and again, without rules: prompt, text and the end's token of each window, [windows, mels, 3000],
// `together` of them decoded side by side.
inline std::vector<std::vector<std::int64_t>> greedy(SpeechDecoder& decoder, const at::Tensor& features, const at::Tensor& prompt,
                                                     std::int64_t end, std::int64_t together) {
  std::vector<std::vector<std::int64_t>> rows;
  for (std::int64_t first = 0; first < features.size(0); first += together) {
    const std::int64_t count = std::min(together, features.size(0) - first);
    decoder.encode(features.narrow(0, first, count));
    std::vector<std::int64_t> windows(static_cast<std::size_t>(count)), sequences;
    for (std::size_t i = 0; i < windows.size(); ++i) windows[i] = static_cast<std::int64_t>(i);
    decoder.begin(windows);
    const at::Tensor start = prompt.expand({count, -1});
    std::vector<std::vector<std::int64_t>> texts(windows.size());
    for (auto& text : texts)
      for (std::int64_t i = 0; i < prompt.size(0); ++i) text.push_back(prompt[i].item<std::int64_t>());
    std::vector<std::int64_t> going = windows;  // whose text has not ended
    at::Tensor next = decoder.step(start).argmax(1);
    for (;;) {
      std::vector<std::int64_t> kept, still, tokens;
      for (std::int64_t i = 0; i < next.size(0); ++i) {
        const auto token = next[i].item<std::int64_t>();
        auto& text = texts[static_cast<std::size_t>(going[static_cast<std::size_t>(i)])];
        text.push_back(token);
        if (token == end || static_cast<std::int64_t>(text.size()) >= decoder.max_tokens()) continue;
        kept.push_back(i);
        still.push_back(going[static_cast<std::size_t>(i)]);
        tokens.push_back(token);
      }
      if (kept.empty()) break;
      if (kept.size() < going.size()) decoder.reorder(kept);
      going = still;
      next = decoder.step(at::tensor(tokens, at::kLong).unsqueeze(1)).argmax(1);
    }
    rows.insert(rows.end(), texts.begin(), texts.end());
  }
  return rows;
}

}  // namespace thaw
