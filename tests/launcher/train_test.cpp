// Whole runs of the program: the same curve on any number of ranks, resume, and what people get out of it.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <sstream>

#include "framework/base/file.h"
#include "tests/launcher/program.h"
#include "tests/support/reference.h"

namespace thaw::test {
namespace {

void expect_same_curve(const std::vector<Json>& a, const std::vector<Json>& b, double tolerance) {
  ASSERT_EQ(a.size(), b.size());
  ASSERT_GT(a.size(), 5U);
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_NEAR(a[i]["loss"].get<double>(), b[i]["loss"].get<double>(), tolerance * a[i]["loss"].get<double>()) << "step " << i + 1;
    EXPECT_NEAR(a[i]["grad_norm"].get<double>(), b[i]["grad_norm"].get<double>(), 10 * tolerance * a[i]["grad_norm"].get<double>())
        << "step " << i + 1;
    EXPECT_EQ(a[i]["tokens"], b[i]["tokens"]);
  }
}

TEST(Train, SameCurveOnOneTwoAndFourRanks) {
  const Workshop shop;
  const Ran one = thaw(shop.train("one"));
  ASSERT_EQ(one.exit_code, 0) << one.output;
  const auto curve = shop.log("one");
  EXPECT_EQ(curve.size(), 12U);  // 90 rows in steps of 16, twice; the last step of an epoch has 10 rows
  for (const int ranks : {2, 4}) {
    const std::string run = "ranks" + std::to_string(ranks);
    const Ran ran = thaw(shop.train(run), ranks);
    ASSERT_EQ(ran.exit_code, 0) << ran.output;
    expect_same_curve(curve, shop.log(run), 1e-6);
    const Json result = Json::parse(shop.file(run + "/result.json")), expected = Json::parse(shop.file("one/result.json"));
    EXPECT_EQ(result["ranks"], ranks);
    EXPECT_EQ(result["metrics"]["dev/accuracy"], expected["metrics"]["dev/accuracy"]);
    EXPECT_NEAR(result["metrics"]["dev/loss"].get<double>(), expected["metrics"]["dev/loss"].get<double>(), 1e-5);
  }
  // the control: another seed is another curve
  ASSERT_EQ(thaw(shop.train("seed", "seed=43")).exit_code, 0);
  EXPECT_GT(std::abs(shop.log("seed")[3]["loss"].get<double>() - curve[3]["loss"].get<double>()), 1e-4);
}

TEST(Train, SameCurveWithClassWeightsSmoothingWeightedSourcesAndTokenBatches) {
  const Workshop shop;
  const std::string more =
      "loss.class_weights=balanced loss.label_smoothing=0.1 schedule.name=cosine batch.tokens=160 batch.grain=40 "
      "data.train=\"[{path: " +
      shop.path("train.tsv") + ", weight: 1.5}, {path: " + shop.path("dev.tsv") + ", weight: 0.5}]\"";
  ASSERT_EQ(thaw(shop.train("one", more)).exit_code, 0);
  const Ran four = thaw(shop.train("four", more), 4);
  ASSERT_EQ(four.exit_code, 0) << four.output;
  expect_same_curve(shop.log("one"), shop.log("four"), 1e-6);
}

TEST(Train, Bf16FollowsFp32) {
  const Workshop shop;
  ASSERT_EQ(thaw(shop.train("fp32")).exit_code, 0);
  ASSERT_EQ(thaw(shop.train("bf16", "precision=bf16"), 2).exit_code, 0);
  const auto a = shop.log("fp32"), b = shop.log("bf16");
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i]["loss"].get<double>(), b[i]["loss"].get<double>(), 0.03) << "step " << i + 1;
}

TEST(Train, StoppedRunGoesOnToTheSameBits) {
  const Workshop shop;
  ASSERT_EQ(thaw(shop.train("whole"), 2).exit_code, 0);
  // Stops at once with a checkpoint, as a time limit would have it; then goes on, and again, on another number of ranks.
  const Ran stopped = thaw(shop.train("parts", "max_time=0.001s"), 2);
  EXPECT_EQ(stopped.exit_code, 75) << stopped.output;
  EXPECT_EQ(Json::parse(shop.file("parts/status.json"))["state"], "stopped");
  ASSERT_EQ(shop.log("parts").size(), 1U);
  EXPECT_EQ(thaw(shop.train("parts", "max_time=0.001s"), 2).exit_code, 75);
  const Ran resumed = thaw(shop.train("parts"), 2);
  ASSERT_EQ(resumed.exit_code, 0) << resumed.output;
  EXPECT_NE(resumed.output.find("resumed    from step-00000002"), std::string::npos) << resumed.output;
  EXPECT_EQ(shop.file("parts/best/model.safetensors"), shop.file("whole/best/model.safetensors"));
  expect_same_curve(shop.log("whole"), shop.log("parts"), 0);
  // A finished run is finished.
  const Ran again = thaw(shop.train("parts"), 2);
  EXPECT_EQ(again.exit_code, 0);
  EXPECT_NE(again.output.find("finished"), std::string::npos);
}

// A grain that the recipe leaves open is chosen once: the run goes on with it on fewer ranks.
TEST(Train, GoesOnOnAnotherNumberOfRanks) {
  const Workshop shop;
  const std::string open_grain = "batch.grain=0 ";
  ASSERT_EQ(thaw(shop.train("whole", open_grain), 4).exit_code, 0);
  ASSERT_EQ(thaw(shop.train("parts", open_grain + "max_time=0.001s"), 4).exit_code, 75);
  const Ran resumed = thaw(shop.train("parts", open_grain), 2);
  ASSERT_EQ(resumed.exit_code, 0) << resumed.output;
  expect_same_curve(shop.log("whole"), shop.log("parts"), 1e-6);
}

TEST(Train, EarlyStoppingEndsTheRun) {
  const Workshop shop;
  const Ran ran = thaw(shop.train("run", "epochs=50 optimizer.lr=1.0e-12 evaluate.patience=2"));
  ASSERT_EQ(ran.exit_code, 0) << ran.output;
  const Json result = Json::parse(shop.file("run/result.json"));
  EXPECT_EQ(result["stopped_by"], "early stopping");
  EXPECT_EQ(result["steps"], 18);  // three evaluations, the first the best
}

TEST(Train, MultiLabelAndRegression) {
  const Workshop shop;
  shop.write("tags.csv",
             "text,label\n\"good, fun film\",\"fun,good\"\nbad plot,bad\n\"slow\nscene\",\"bad,slow\"\ngreat fun,fun\nthe actor,\n");
  const Ran tags = thaw(shop.train("tags", "data.multi_label=true batch.size=4 batch.grain=2 data.train=" + shop.path("tags.csv") +
                                               " data.eval=" + shop.path("tags.csv")),
                        2);
  ASSERT_EQ(tags.exit_code, 0) << tags.output;
  EXPECT_EQ(Json::parse(shop.file("tags/best/config.json"))["problem_type"], "multi_label_classification");
  EXPECT_EQ(Json::parse(shop.file("tags/best/config.json"))["id2label"].size(), 4U);
  const Ran several = thaw("predict " + shop.path("tags") + " --unknown-below 0.9 " + shop.path("tags.csv"));
  EXPECT_EQ(several.exit_code, 64) << several.output;
  EXPECT_NE(several.output.find("found multi_label_classification"), std::string::npos) << several.output;
  shop.write("stars.jsonl",
             "{\"text\": \"good film\", \"label\": 4.5}\n{\"text\": \"bad film\", \"label\": 1}\n{\"text\": \"a film\", \"label\": 3}\n");
  const Ran stars = thaw(shop.train("stars", "task=text-regression batch.size=2 batch.grain=1 data.train=" + shop.path("stars.jsonl") +
                                                 " data.eval=" + shop.path("stars.jsonl")),
                         2);
  ASSERT_EQ(stars.exit_code, 0) << stars.output;
  EXPECT_TRUE(Json::parse(shop.file("stars/result.json"))["metrics"].contains("dev/pearson"));
}

// Longer than the model can take: cut, counted, and said once.
TEST(Train, LongRowsAreCutAndCounted) {
  const Workshop shop;
  std::string rows = shop.file("train.tsv");
  for (int row = 0; row < 3; ++row) {
    for (int word = 0; word < 50; ++word) rows += "good film ";
    rows += "\tgood\n";
  }
  shop.write("long.tsv", rows);
  const Ran ran = thaw(shop.train("run", "steps=1 data.max_length=512 data.eval=null data.train=" + shop.path("long.tsv")), 2);
  ASSERT_EQ(ran.exit_code, 0) << ran.output;
  EXPECT_NE(ran.output.find("           3 rows were longer than 32 tokens and are cut there"), std::string::npos) << ran.output;
  EXPECT_EQ(ran.output.find("longer than"), ran.output.rfind("longer than")) << ran.output;
}

// Files without a header, with other delimiters; and labels that are numbers keep their order in however many files they are.
TEST(Train, DataAsItComes) {
  const Workshop shop;
  std::string one, two, both;
  for (int label = 0; label <= 10; ++label) (label % 2 == 0 ? one : two) += fmt::format("a film;{}\n", label);
  shop.write("one.csv", one), shop.write("two.csv", two), shop.write("both.csv", one + two);
  const auto labels = [&](const std::string& run, const std::string& train) {
    const Ran ran =
        thaw(shop.train(run, "steps=1 data.eval={} data.format=csv data.delimiter=\";\" data.header=no data.train=" + train), 2);
    EXPECT_EQ(ran.exit_code, 0) << ran.output;
    EXPECT_NE(ran.output.find(".csv: no header; column 0 is the text, column 1 the label\n"), std::string::npos) << ran.output;
    return ran.exit_code == 0 ? Json::parse(shop.file(run + "/best/config.json"))["id2label"] : Json();
  };
  const Json expected = labels("both", shop.path("both.csv"));
  EXPECT_EQ(expected["10"], "10");
  EXPECT_EQ(labels("apart", fmt::format("[{},{}]", shop.path("one.csv"), shop.path("two.csv"))), expected);
}

TEST(Predict, LabelsInTheOrderOfTheInputAndExportPredictsTheSame) {
  const Workshop shop;
  ASSERT_EQ(thaw(shop.train("run", "epochs=8 optimizer.lr=3.0e-03"), 2).exit_code, 0);
  shop.write("in.tsv", "good fun film\nbad dull plot\n");
  const Ran run = thaw("predict " + shop.path("run") + " " + shop.path("in.tsv"));
  EXPECT_EQ(run.exit_code, 0);
  EXPECT_EQ(run.output.substr(0, 5), "good\t") << run.output;
  EXPECT_NE(run.output.find("\nbad\t"), std::string::npos) << run.output;
  ASSERT_EQ(thaw("export " + shop.path("run") + " " + shop.path("out")).exit_code, 0);
  EXPECT_EQ(thaw("predict " + shop.path("out") + " " + shop.path("in.tsv")).output, run.output);
  const Ran unsure = thaw("predict " + shop.path("run") + " " + shop.path("in.tsv") + " --unknown-below 1");
  EXPECT_EQ(unsure.output.substr(0, 10), "unknown\t0.") << unsure.output;
  const Ran one = thaw("eval " + shop.path("run") + " --json --data " + shop.path("dev.tsv"));
  const Ran three = thaw("eval " + shop.path("run") + " --json --data " + shop.path("dev.tsv"), 3);  // 41 rows do not divide
  EXPECT_EQ(one.exit_code, 0) << one.output;
  const Json a = Json::parse(one.output), b = Json::parse(three.output), result = Json::parse(shop.file("run/result.json"));
  EXPECT_EQ(a["metrics"], b["metrics"]);
  EXPECT_EQ(a["metrics"]["accuracy"], result["value"]);
  shop.write("odd.tsv", "text\tlabel\na film\tgood\na plot\tugly\n");
  const Ran odd = thaw("eval " + shop.path("run") + " --data " + shop.path("odd.tsv"));
  EXPECT_EQ(odd.exit_code, 65) << odd.output;
  EXPECT_NE(odd.output.find("odd.tsv:3: row 2: unknown label 'ugly': expected one of bad, good"), std::string::npos) << odd.output;
}

// An exported directory is transformers' own: it loads with nothing missing, and predicts what `thaw predict` does.
class Export : public ::testing::Test {
 protected:
  const Workshop shop;

  void expect_same_in_transformers(const std::string& run) {
    ASSERT_EQ(thaw("export " + shop.path(run) + " " + shop.path("out")).exit_code, 0);
    shop.write("in.txt", "A moving, funny film that I would see again.\nbad dull plot\ngood\n" +
                             std::string("the film is very slow and weak ") + std::string(300, 'x') + "\n");
    const Ran python_ran = shell(python().value() + " " THAW_SOURCE_DIR "/tests/launcher/export_reference.py " + shop.path("out") + " " +
                                 shop.path("in.txt") + " " + shop.path("theirs.json"));
    ASSERT_EQ(python_ran.exit_code, 0) << python_ran.output;
    const Json theirs = Json::parse(shop.file("theirs.json"));
    const Ran ours = thaw("predict --json " + shop.path("out") + " " + shop.path("in.txt"));
    std::istringstream lines(ours.output);
    for (std::size_t row = 0; row < 4; ++row) {
      std::string line;
      ASSERT_TRUE(std::getline(lines, line)) << ours.output;
      const Json mine = Json::parse(line);
      EXPECT_EQ(mine["label"], theirs[row]["label"]);
      ASSERT_EQ(mine["probabilities"].size(), theirs[row]["probabilities"].size());
      for (const auto& [label, p] : theirs[row]["probabilities"].items())
        EXPECT_NEAR(mine["probabilities"][label].get<double>(), p.get<double>(), 2e-6) << row << label;
    }
  }
};

TEST_F(Export, OneLabelInTransformers) {
  THAW_NEEDS_PYTHON();
  ASSERT_EQ(thaw(shop.train("run", "epochs=4 optimizer.lr=3.0e-03"), 2).exit_code, 0);
  expect_same_in_transformers("run");
}

TEST_F(Export, SeveralLabelsInTransformers) {
  THAW_NEEDS_PYTHON();
  shop.write("tags.tsv", "text\tlabel\ngood fun film\tfun,good\nbad plot\tbad\nslow scene\tbad,slow\ngreat fun\tfun\n");
  ASSERT_EQ(
      thaw(shop.train("run", "epochs=20 optimizer.lr=3.0e-03 data.multi_label=true batch.size=4 batch.grain=2 data.eval=null data.train=" +
                                 shop.path("tags.tsv")),
           2)
          .exit_code,
      0);
  expect_same_in_transformers("run");
}

TEST_F(Export, MiniLmInTransformers) {
  THAW_NEEDS_PYTHON();
  const std::string model = THAW_SOURCE_DIR "/build/models/all-MiniLM-L6-v2";
  if (!fs::exists(model)) GTEST_SKIP() << "no MiniLM weights (cluster/setup.sh brings them)";
  const Ran ran = thaw(shop.train("run", "epochs=1 model=" + model), 2);
  ASSERT_EQ(ran.exit_code, 0) << ran.output;
  expect_same_in_transformers("run");
}

}  // namespace
}  // namespace thaw::test
