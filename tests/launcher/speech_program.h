// For tests that run the program on speech: small models and recordings (speech_models.py), recipes, and judges of what came of it.
#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "framework/base/file.h"
#include "tests/launcher/program.h"
#include "tests/support/reference.h"

namespace thaw::test {

class SpeechProgram : public ::testing::Test {
 protected:
  void SetUp() override {
    THAW_NEEDS_PYTHON();
    made_ = reference_folder("launcher/speech_models.py");
  }
  std::string made(const std::string& name) const { return (made_ / name).string(); }

  // A recipe NAME.yaml for one of the models: `more` are its further lines.
  void recipe(const std::string& name, const std::string& model, const std::string& more = "") const {
    recipe_for(name, "automatic-speech-recognition", made(model), made("corpus/train.tsv"), made("corpus/dev.tsv"), more);
  }
  void recipe_for(const std::string& name, const std::string& task, const std::string& model, const std::string& train,
                  const std::string& dev, const std::string& more = "") const {
    shop.write(name + ".yaml", fmt::format(R"(recipe: 1
task: {}
model: {}
output_dir: {}
data: {{train: {}, eval: {{dev: {}}}, cache_dir: {}}}
batch: {{size: 8, grain: 4}}
optimizer: {{lr: 1.0e-02}}
schedule: {{name: constant}}
{}
)",
                                           task, model, shop.path(name), train, dev, shop.path("cache"), more));
  }
  std::string train(const std::string& recipe, const std::string& run, const std::string& overrides = "") const {
    return fmt::format("train {} output_dir={} {}", shop.path(recipe + ".yaml"), shop.path(run), overrides);
  }
  Ran run(const std::string& recipe, const std::string& run, const std::string& overrides = "", int ranks = 1) const {
    Ran ran = thaw(train(recipe, run, overrides), ranks);
    EXPECT_EQ(ran.exit_code, 0) << ran.output;
    return ran;
  }
  Json result(const std::string& run) const { return Json::parse(shop.file(run + "/result.json")); }
  // The metrics of every evaluation.
  std::vector<Json> evaluations(const std::string& run) const {
    std::vector<Json> found;
    std::istringstream lines(shop.file(run + "/log.jsonl"));
    for (std::string line; std::getline(lines, line);)
      if (const Json entry = Json::parse(line); entry.contains("metrics")) found.push_back(entry["metrics"]);
    return found;
  }
  // The mean loss of a run's first and last `count` steps.
  std::pair<double, double> first_and_last(const std::string& run, std::size_t count) const {
    const std::vector<Json> steps = shop.log(run);
    double first = 0, last = 0;
    for (std::size_t i = 0; i < count; ++i) {
      first += steps.at(i)["loss"].get<double>() / static_cast<double>(count);
      last += steps.at(steps.size() - 1 - i)["loss"].get<double>() / static_cast<double>(count);
    }
    return {first, last};
  }
  void expect_same_bits(const std::string& a, const std::string& b) const {
    const auto log_a = shop.log(a), log_b = shop.log(b);
    ASSERT_EQ(log_a.size(), log_b.size()) << a << " " << b;
    for (std::size_t i = 0; i < log_a.size(); ++i)
      for (const char* key : {"step", "loss", "lr", "grad_norm"}) EXPECT_EQ(log_a[i][key], log_b[i][key]) << b << " " << key << i;
    EXPECT_EQ(evaluations(a), evaluations(b)) << b;
    EXPECT_TRUE(shop.file(a + "/best/model.safetensors") == shop.file(b + "/best/model.safetensors")) << b;
  }
  Json judged(const std::string& arguments) const {
    const std::string out = shop.path("judged.json");
    const std::string command = fmt::format("'{}' {}/tests/launcher/train_speech_reference.py {} {} > {} 2>&1", *python(), THAW_SOURCE_DIR,
                                            out, arguments, shop.path("judge.txt"));
    if (std::system(command.c_str()) != 0) throw std::runtime_error(command + "\n" + shop.file("judge.txt"));
    return Json::parse(shop.file("judged.json"));
  }
  static void expect_said(const Ran& ran, int code, const std::vector<std::string>& said) {
    EXPECT_EQ(ran.exit_code, code) << ran.output;
    for (const std::string& part : said) EXPECT_NE(ran.output.find(part), std::string::npos) << part << "\nin\n" << ran.output;
  }

  const Workshop shop;

 private:
  fs::path made_;
};

}  // namespace thaw::test
