#include "launcher/answer_lines.h"

#include <fmt/format.h>

#include "framework/base/error.h"

namespace thaw {

AnswerLines::AnswerLines(Problem problem, std::vector<std::string> labels, bool json, double unknown_below)
    : problem_(problem), labels_(std::move(labels)), json_(json), unknown_below_(unknown_below) {
  if (unknown_below > 0 && problem != Problem::single_label)
    throw UsageError("--unknown-below: expected a model that gives one label a row, found {}: leave it out", name_of(problem));
}

std::string AnswerLines::of(const at::Tensor& logits, const std::string& file) const {
  if (problem_ == Problem::regression) {
    const double value = logits[0].item<double>();
    return line(file, fmt::format("{:.6g}", value), "", {{"value", value}});
  }
  const at::Tensor probabilities = (problem_ == Problem::multi_label ? at::sigmoid(logits) : at::softmax(logits, 0)).contiguous();
  if (problem_ == Problem::multi_label) return of_labels(probabilities.data_ptr<float>(), file);
  return of_label(probabilities.data_ptr<float>(), static_cast<std::size_t>(logits.argmax().item<std::int64_t>()), file);
}

std::string AnswerLines::of_silence(const std::string& file) const {
  return line(file, "silence", "-", {{"label", "silence"}, {"confidence", nullptr}});
}

std::string AnswerLines::of_label(const float* probabilities, std::size_t best, const std::string& file) const {
  const double confidence = probabilities[best];
  const std::string label = confidence < unknown_below_ ? "unknown" : labels_[best];
  return line(file, label, fmt::format("{:.6f}", confidence),
              {{"label", label}, {"confidence", confidence}, {"probabilities", named(probabilities)}});
}

std::string AnswerLines::of_labels(const float* probabilities, const std::string& file) const {
  std::string names, values;
  Json answered = Json::array();
  for (std::size_t i = 0; i < labels_.size(); ++i) {
    if (probabilities[i] <= 0.5F) continue;
    names += (names.empty() ? "" : ",") + labels_[i];
    values += fmt::format("{}{:.6f}", values.empty() ? "" : ",", probabilities[i]);
    answered.push_back(labels_[i]);
  }
  return line(file, names, values, {{"label", answered}, {"probabilities", named(probabilities)}});
}

Json AnswerLines::named(const float* probabilities) const {
  Json named;
  for (std::size_t i = 0; i < labels_.size(); ++i) named[labels_[i]] = probabilities[i];
  return named;
}

std::string AnswerLines::line(const std::string& file, const std::string& label, const std::string& value, Json json) const {
  if (json_) {
    if (!file.empty()) json["file"] = file;
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
  }
  return fmt::format("{}{}{}{}{}", printable_cell(file), file.empty() ? "" : "\t", label, problem_ == Problem::regression ? "" : "\t",
                     value);
}

}  // namespace thaw
