#include "framework/tasks/transcription/whisper_search.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "framework/base/random.h"

namespace thaw {
namespace {

class GreedySearch : public WhisperSearch {
 public:
  GreedySearch(std::int64_t eot, double temperature, std::int64_t samples, std::uint64_t key)
      : eot_(eot), temperature_(temperature), samples_(samples), key_(key) {}

  std::vector<std::int64_t> advance(const at::Tensor& logits) override {
    std::vector<Hypothesis> rows = live_;
    at::Tensor row_logits = logits;
    std::vector<std::int64_t> parents(rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) parents[i] = static_cast<std::int64_t>(i);
    if (!branched_) {
      rows.assign(static_cast<std::size_t>(samples_), rows.front());
      parents.assign(rows.size(), 0);
      for (std::size_t i = 0; i < rows.size(); ++i) rows[i].number = static_cast<std::int64_t>(i);
      row_logits = logits.expand({samples_, -1});
      branched_ = true;
    }
    const std::vector<std::int64_t> tokens = choose(row_logits, rows);
    const at::Tensor picked = at::log_softmax(row_logits, 1, at::kFloat)
                                  .gather(1, at::tensor(tokens, at::kLong).to(logits.device()).unsqueeze(1))
                                  .squeeze(1)
                                  .cpu();
    std::vector<std::int64_t> going_on;
    live_.clear();
    for (std::size_t i = 0; i < rows.size(); ++i) {
      rows[i].sum_logprob += picked.data_ptr<float>()[i];
      if (tokens[i] == eot_) {
        finished_.push_back(std::move(rows[i]));
        continue;
      }
      rows[i].tokens.push_back(tokens[i]);
      live_.push_back(std::move(rows[i]));
      going_on.push_back(parents[i]);
    }
    return going_on;
  }

  std::vector<Hypothesis> candidates() override {
    std::vector<Hypothesis> all = finished_;
    all.insert(all.end(), live_.begin(), live_.end());
    std::sort(all.begin(), all.end(), [](const Hypothesis& a, const Hypothesis& b) { return a.number < b.number; });
    return all;
  }

 private:
  std::vector<std::int64_t> choose(const at::Tensor& logits, const std::vector<Hypothesis>& rows) const {
    if (temperature_ == 0) {
      const at::Tensor best = logits.argmax(1).cpu();
      return {best.data_ptr<std::int64_t>(), best.data_ptr<std::int64_t>() + best.numel()};
    }
    const at::Tensor scaled = logits.div(temperature_).cpu();
    std::vector<std::int64_t> tokens(rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) tokens[i] = draw(scaled[static_cast<std::int64_t>(i)], rows[i]);
    return tokens;
  }

  std::int64_t draw(const at::Tensor& logits, const Hypothesis& row) const {
    const auto bits = philox(random_key(key_, row.number), row.tokens.size());
    const double u = static_cast<double>(std::uint64_t{bits[0]} << 21 ^ bits[1] >> 11) * 0x1p-53;
    const at::Tensor sums = at::softmax(logits, 0, at::kDouble).cumsum(0);
    const double* const first = sums.data_ptr<double>();
    const double* const last = first + sums.size(0);
    // upper_bound never gives a token of probability 0 in the middle; at the end the last sum itself is the limit.
    return std::min(std::upper_bound(first, last, u * last[-1]), std::lower_bound(first, last, last[-1])) - first;
  }

  std::int64_t eot_;
  double temperature_;
  std::int64_t samples_;
  std::uint64_t key_;
  bool branched_ = false;
  std::vector<Hypothesis> finished_;
};

class BeamSearch : public WhisperSearch {
 public:
  BeamSearch(std::int64_t eot, std::int64_t beams, double patience, WordCost words)
      : words_(std::move(words)),
        eot_(eot),
        beams_(static_cast<std::size_t>(beams)),
        enough_(static_cast<std::size_t>(std::nearbyint(static_cast<double>(beams) * patience))) {}

  std::vector<std::int64_t> advance(const at::Tensor& logits) override {
    const std::vector<Hypothesis> old = std::move(live_);
    live_.clear();
    std::vector<std::int64_t> parents;
    for (const Extension& extension : ranked(logits, old)) {
      Hypothesis next = old[static_cast<std::size_t>(extension.parent)];
      next.sum_logprob = extension.sum_logprob;
      next.word_cost = extension.word_cost;
      next.last_word_cost = extension.last_word_cost;
      if (extension.begins_word) next.word_begin = next.tokens.size();
      if (extension.token == eot_) {
        if (finished_.size() < enough_) finished_.push_back(std::move(next));
        continue;
      }
      next.tokens.push_back(extension.token);
      live_.push_back(std::move(next));
      parents.push_back(extension.parent);
      if (live_.size() == beams_) break;
    }
    if (finished_.size() < enough_) return parents;
    cut_off_ = std::move(live_);
    live_.clear();
    return {};
  }

  std::vector<Hypothesis> candidates() override {
    std::vector<Hypothesis> all = finished_, unfinished = live_.empty() ? cut_off_ : live_;
    std::stable_sort(unfinished.begin(), unfinished.end(), by_sum<Hypothesis>);
    for (const Hypothesis& hypothesis : unfinished) {
      if (all.size() >= beams_) break;
      all.push_back(hypothesis);
    }
    return all;
  }

 private:
  struct Extension {
    std::int64_t parent, token;
    float sum_logprob, word_cost = 0, last_word_cost = 0;
    bool begins_word = false;
  };
  template <typename Scored>
  static bool by_sum(const Scored& a, const Scored& b) {
    return a.sum_logprob - a.word_cost > b.sum_logprob - b.word_cost;
  }

  // One more than `beams_` from each, since one of them may be the end of text.
  std::vector<Extension> ranked(const at::Tensor& logits, const std::vector<Hypothesis>& old) const {
    const std::int64_t most = std::min(static_cast<std::int64_t>(beams_) + 1, logits.size(1));
    auto [values, tokens] = at::log_softmax(logits, 1, at::kFloat).topk(most, 1);
    values =
        values.masked_fill(values.isnan(), -std::numeric_limits<float>::infinity()).cpu().contiguous();  // damaged weights: still an order
    tokens = tokens.cpu().contiguous();
    std::vector<Extension> extensions;
    for (std::int64_t k = 0; k < values.numel(); ++k) {
      const std::int64_t parent = k / most;
      extensions.push_back(
          {parent, tokens.data_ptr<std::int64_t>()[k], old[static_cast<std::size_t>(parent)].sum_logprob + values.data_ptr<float>()[k]});
    }
    if (words_.of) charge(extensions, old);
    std::stable_sort(extensions.begin(), extensions.end(), by_sum<Extension>);
    return extensions;
  }

  // A word costs what it is worth so far; where a token begins another one, it is whole.
  void charge(std::vector<Extension>& extensions, const std::vector<Hypothesis>& old) const {
    std::vector<std::optional<float>> whole(old.size());  // what each one's last word costs
    for (Extension& extension : extensions) {
      const auto parent = static_cast<std::size_t>(extension.parent);
      const Hypothesis& before = old[parent];
      TokenIds word(before.tokens.begin() + static_cast<std::ptrdiff_t>(before.word_begin), before.tokens.end());
      extension.word_cost = before.word_cost;
      extension.last_word_cost = before.last_word_cost;
      extension.begins_word = words_.begins_word(extension.token);
      if (extension.begins_word) {
        if (!whole[parent]) whole[parent] = word.empty() ? 0 : words_.of(word, /*whole=*/true);
        extension.word_cost += *whole[parent] - before.last_word_cost;
        extension.last_word_cost = 0;
        word.clear();
      }
      word.push_back(extension.token);
      const float so_far = words_.of(word, /*whole=*/false);
      extension.word_cost += so_far - extension.last_word_cost;
      extension.last_word_cost = so_far;
    }
  }

  WordCost words_;
  std::int64_t eot_;
  std::size_t beams_, enough_;
  std::vector<Hypothesis> finished_, cut_off_;
};

}  // namespace

std::unique_ptr<WhisperSearch> greedy_search(std::int64_t eot, double temperature, std::int64_t samples, std::uint64_t key) {
  return std::make_unique<GreedySearch>(eot, temperature, samples, key);
}

std::unique_ptr<WhisperSearch> beam_search(std::int64_t eot, std::int64_t beams, double patience, WordCost words) {
  return std::make_unique<BeamSearch>(eot, beams, patience, std::move(words));
}

std::size_t most_likely(const std::vector<Hypothesis>& candidates, std::optional<double> length_penalty) {
  const auto score = [&](const Hypothesis& candidate) {
    const auto length = static_cast<double>(candidate.tokens.size());
    const double penalty = length_penalty ? std::pow((5 + length) / 6, *length_penalty) : std::max(length, 1.0);
    return (candidate.sum_logprob - candidate.word_cost) / penalty;
  };
  std::size_t best = 0;
  for (std::size_t i = 1; i < candidates.size(); ++i) {
    if (score(candidates[i]) > score(candidates[best])) best = i;
  }
  return best;
}

}  // namespace thaw
