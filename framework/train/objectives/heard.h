// What a recogniser heard, measured: the part of an evaluation that CTC models and Whisper share.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "framework/train/objectives/objective.h"

namespace thaw {

struct HeardOptions {
  std::int64_t max_rows = 0;                                     // of each set, evenly spaced; 0: all
  std::int64_t beams = 0;                                        // of the search; 0: the most probable token, or label, each time
  std::function<bool(const std::string& word)> known_word = {};  // of the search by a decoder: words that cost nothing; all, if null
  double unknown_word = 0;                                       // log-probability that others cost
  std::function<std::string(const std::string&)> spelling = {};  // what both texts go through before they are compared
};

struct HeardRow {
  double loss = 0;  // the row's sum, weighted
  std::string text;
};

class Recognition : public Objective {
 public:
  explicit Recognition(HeardOptions options) : options_(std::move(options)) {}
  std::vector<std::string> metrics() const override { return {"loss", "wer", "cer"}; }
  std::string usual_metric() const override { return "wer"; }

 protected:
  // loss, wer, cer; and wer/speaker/NAME, wer/language/NAME where a set has 2 to 20 of them. Writes eval/NAME.wer.txt where there is a
  // run directory. Nothing where `progress` ended it. Collective.
  using Hear = std::function<std::vector<HeardRow>(const std::vector<RowOfSet>& batch)>;
  std::optional<Metrics> measure_heard(const DataSet& set, const Evaluation& evaluation, const Hear& hear) const;

 private:
  HeardOptions options_;
};

}  // namespace thaw
