// Metrics against scikit-learn and scipy; losses against torch.
#include "framework/tasks/metrics.h"

#include <gtest/gtest.h>

#include "framework/tasks/classification.h"
#include "framework/tasks/selective.h"
#include "tests/support/reference.h"

namespace thaw {
namespace {

const Json& expected() {
  static const Json read = test::reference("tasks/metrics_reference.py");
  return read;
}

TEST(Metrics, OneLabelAsScikitLearn) {
  THAW_NEEDS_PYTHON();
  for (const Json& c : expected()["single"]) {
    ClassCounts counts(c["classes"]);
    for (std::size_t i = 0; i < c["targets"].size(); ++i) counts.add(c["targets"][i], c["predictions"][i]);
    EXPECT_NEAR(counts.accuracy(), c["accuracy"], 1e-12);
    EXPECT_NEAR(counts.f1_macro(), c["macro"], 1e-12) << c.dump();
    EXPECT_NEAR(counts.f1_micro(), c["micro"], 1e-12);
    EXPECT_NEAR(counts.matthews(), c["matthews"], 1e-12);
    for (std::size_t k = 0; k < c["each"].size(); ++k) EXPECT_NEAR(counts.f1(k), c["each"][k], 1e-12);
    for (std::size_t k = 0; k < c["recalls"].size(); ++k) EXPECT_NEAR(counts.accuracy(k), c["recalls"][k], 1e-12);
  }
}

TEST(Metrics, SeveralLabelsAsScikitLearn) {
  THAW_NEEDS_PYTHON();
  for (const Json& c : expected()["several"]) {
    LabelCounts counts(c["each"].size());
    const auto bools = [](const Json& row) {
      std::vector<bool> values;
      for (const Json& value : row) values.push_back(value == 1);
      return values;
    };
    for (std::size_t i = 0; i < c["targets"].size(); ++i) counts.add(bools(c["targets"][i]), bools(c["predictions"][i]));
    EXPECT_NEAR(counts.accuracy(), c["accuracy"], 1e-12);
    EXPECT_NEAR(counts.f1_macro(), c["macro"], 1e-12);
    EXPECT_NEAR(counts.f1_micro(), c["micro"], 1e-12);
    for (std::size_t k = 0; k < c["each"].size(); ++k) EXPECT_NEAR(counts.f1(k), c["each"][k], 1e-12);
  }
}

TEST(Metrics, NumbersAsScipy) {
  THAW_NEEDS_PYTHON();
  for (const Json& c : expected()["numbers"]) {
    const std::vector<double> a = c["targets"], b = c["predictions"];
    EXPECT_NEAR(mean_squared_error(a, b), c["mse"], 1e-12);
    EXPECT_NEAR(mean_absolute_error(a, b), c["mae"], 1e-12);
    EXPECT_NEAR(pearson(a, b), c["pearson"], 1e-12);
    EXPECT_NEAR(spearman(a, b), c["spearman"], 1e-12);
  }
}

// Confidences have two decimals, so that some meet a threshold exactly.
TEST(Metrics, SelectiveAccuracyAsNumpy) {
  THAW_NEEDS_PYTHON();
  for (const Json& c : expected()["selective"]) {
    std::vector<Answer> answers;
    for (std::size_t i = 0; i < c["confidences"].size(); ++i) answers.push_back({c["confidences"][i], c["right"][i]});
    const std::vector<SelectivePoint> points = selective_accuracy(answers);
    ASSERT_EQ(points.size(), c["points"].size());
    for (std::size_t i = 0; i < points.size(); ++i) {
      EXPECT_EQ(points[i].threshold, c["points"][i][0]);
      EXPECT_NEAR(points[i].answered, c["points"][i][1].get<double>(), 1e-12) << points[i].threshold;
      EXPECT_EQ(points[i].accuracy.has_value(), !c["points"][i][2].is_null());
      if (points[i].accuracy) {
        EXPECT_NEAR(*points[i].accuracy, c["points"][i][2].get<double>(), 1e-12) << points[i].threshold;
      }
    }
  }
}

TEST(Loss, SumsAsTorch) {
  THAW_NEEDS_PYTHON();
  for (const Json& c : expected()["losses"]) {
    Loss loss;
    loss.problem = c["kind"] == "single" ? Problem::single_label : Problem::multi_label;
    loss.class_weights = c["weights"].get<std::vector<float>>();
    loss.label_smoothing = c["smoothing"];
    const auto rows = static_cast<std::int64_t>(c["logits"].size());
    at::Tensor logits = at::empty({rows, 4}),
               labels = loss.problem == Problem::single_label ? at::empty({rows}, at::kLong) : at::empty({rows, 4});
    double share = 0;
    for (std::int64_t row = 0; row < rows; ++row) {
      const Json& label = c["labels"][static_cast<std::size_t>(row)];
      for (std::int64_t k = 0; k < 4; ++k) {
        logits[row][k] = c["logits"][static_cast<std::size_t>(row)][static_cast<std::size_t>(k)].get<double>();
        if (label.is_array()) labels[row][k] = label[static_cast<std::size_t>(k)].get<double>();
      }
      if (!label.is_array()) labels[row] = label.get<int>();
      share += loss.share(1, label.is_array() ? 0 : label.get<int>());
    }
    EXPECT_NEAR(loss.sum(logits, {labels, at::ones({rows})}).item<double>() / share, c["mean"], 2e-6)
        << c["kind"] << c["weights"] << c["smoothing"];
    // a row that weighs twice counts as two
    at::Tensor weights = at::ones({rows});
    weights[0] = 2;
    const double once = loss.sum(logits.narrow(0, 0, 1), {labels.narrow(0, 0, 1), at::ones({1})}).item<double>();
    EXPECT_NEAR(loss.sum(logits, {labels, weights}).item<double>(), loss.sum(logits, {labels, at::ones({rows})}).item<double>() + once,
                1e-5);
  }
}

}  // namespace
}  // namespace thaw
