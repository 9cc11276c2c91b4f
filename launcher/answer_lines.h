// The lines in which `thaw predict` answers: a row's label and its probability, or a number.
#pragma once

#include <ATen/ATen.h>

#include <string>
#include <vector>

#include "framework/base/json.h"
#include "framework/tasks/classification.h"

namespace thaw {

class AnswerLines {
 public:
  // `unknown_below`: a single label that is less probable is answered as "unknown"; 0: none is. UsageError where rows have several
  // labels or a number, which there is no such answer to.
  AnswerLines(Problem problem, std::vector<std::string> labels, bool json, double unknown_below);

  // logits: fp32 [outputs], of one row. `file`: the recording that it is of, which the line then begins with.
  std::string of(const at::Tensor& logits, const std::string& file = "") const;
  // Of a recording in which there was nothing to hear: "silence", which has no probability.
  std::string of_silence(const std::string& file) const;

 private:
  std::string line(const std::string& file, const std::string& label, const std::string& value, Json json) const;
  std::string of_label(const float* probabilities, std::size_t best, const std::string& file) const;
  std::string of_labels(const float* probabilities, const std::string& file) const;
  Json named(const float* probabilities) const;

  Problem problem_;
  std::vector<std::string> labels_;
  bool json_;
  double unknown_below_;
};

}  // namespace thaw
