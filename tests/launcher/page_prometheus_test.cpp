// The text that Prometheus reads, held against its format line by line: https://prometheus.io/docs/instrumenting/exposition_formats
#include <gtest/gtest-spi.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <regex>
#include <set>

#include "launcher/page/prometheus.h"
#include "launcher/page/run_view.h"
#include "tests/launcher/page_testing.h"

namespace thaw::test {
namespace {

// Sample → value, of a text that is what the format allows: names, labels and escapes as they must be, HELP and TYPE once
// and ahead of their samples, each family's samples together, no sample twice, a line end at the end.
std::map<std::string, std::string> parsed(const std::string& text) {
  static const std::regex help(R"(# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) ([^\\]|\\\\|\\n)+)"),
      type(R"(# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (counter|gauge))"),
      sample(
          R"RE(([a-zA-Z_:][a-zA-Z0-9_:]*)(\{([a-zA-Z_][a-zA-Z0-9_]*="([^"\\\n]|\\["\\n])*")(,[a-zA-Z_][a-zA-Z0-9_]*="([^"\\\n]|\\["\\n])*")*\})? (NaN|[+-]Inf|[+-]?[0-9.]+(e[+-]?[0-9]+)?))RE");
  std::map<std::string, std::string> samples;
  std::set<std::string> helped, typed;
  std::string family;
  EXPECT_TRUE(text.empty() || text.back() == '\n');
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string line = text.substr(at, end - at);
    at = end + 1;
    std::smatch match;
    if (std::regex_match(line, match, help)) {
      EXPECT_TRUE(helped.insert(match[1]).second) << line;
      family = match[1];
    } else if (std::regex_match(line, match, type)) {
      EXPECT_TRUE(typed.insert(match[1]).second && match[1] == family) << line;
      EXPECT_TRUE(match[2] != "counter" || family.ends_with("_total")) << line;
    } else if (std::regex_match(line, match, sample)) {
      EXPECT_EQ(match[1], family) << line;
      EXPECT_TRUE(typed.contains(family)) << line;
      EXPECT_TRUE(samples.emplace(match[1].str() + match[2].str(), match[7]).second) << line;
    } else {
      ADD_FAILURE() << "no line of the format: " << line;
    }
  }
  return samples;
}

TEST(PrometheusTest, ARunIsToldInTheFormat) {
  const RunFolder folder;
  folder.write("recipe.yaml", three_phases);
  folder.write(
      "log.jsonl",
      step_line(1, 0.75) +
          R"({"step": 1, "epoch": 0, "evaluation_s": 1, "best": true, "metrics": {"dev/accuracy": 0.5, "dev/f1/a \"b\" \\ c\n": 0.25}})"
          "\n" +
          step_line(2, 0.5, 1, 2));
  Json view = run_view(folder.path());
  view["live"] = {{"attempt", 2}, {"restarts", 1}, {"ranks", Json::array()}};
  for (int rank = 0; rank < 3; ++rank)
    view["live"]["ranks"].push_back({{"rank", rank},
                                     {"host", "node\"\\\n1"},
                                     {"step", 2},
                                     {"memory_bytes", 3.5e9},
                                     {"step_s", 0.125},
                                     {"wait_s", 0.01},
                                     {"slow", 1.0},
                                     {"seen_s", nullptr}});
  const auto samples = parsed(prometheus_text(view));
  EXPECT_EQ(samples.at("thaw_step"), "2");
  EXPECT_EQ(samples.at("thaw_loss"), "0.5");
  EXPECT_EQ(samples.at("thaw_phase"), "2");
  EXPECT_EQ(samples.at("thaw_rows_total"), "64");
  EXPECT_EQ(samples.at("thaw_rows_per_second"), "320");
  EXPECT_EQ(samples.at("thaw_learning_rate"), "0.001");
  EXPECT_EQ(samples.at("thaw_run_state{state=\"interrupted\"}"), "1");
  EXPECT_EQ(samples.at("thaw_run_state{state=\"running\"}"), "0");
  EXPECT_EQ(samples.at("thaw_metric{set=\"dev\",metric=\"accuracy\"}"), "0.5");
  EXPECT_EQ(samples.at(R"(thaw_metric{set="dev",metric="f1/a \"b\" \\ c\n"})"), "0.25");
  EXPECT_EQ(samples.at("thaw_best_metric{metric=\"dev/accuracy\"}"), "0.5");
  EXPECT_EQ(samples.at("thaw_restarts_total"), "1");
  EXPECT_EQ(samples.at(R"(thaw_rank_memory_bytes{rank="2",host="node\"\\\n1"})"), "3500000000");
  EXPECT_EQ(samples.at(R"(thaw_rank_silent_seconds{rank="0",host="node\"\\\n1"})"), "NaN");
}

TEST(PrometheusTest, WhatIsNotKnownIsLeftOutAndALostLossIsNaN) {
  const RunFolder folder;
  const auto empty = parsed(prometheus_text(run_view(folder.path())));
  EXPECT_EQ(empty.at("thaw_run_state{state=\"waiting\"}"), "1");
  EXPECT_FALSE(empty.contains("thaw_loss"));
  EXPECT_FALSE(empty.contains("thaw_planned_steps"));
  folder.write("log.jsonl", step_line(1, NAN));
  const auto lost = parsed(prometheus_text(run_view(folder.path())));
  EXPECT_EQ(lost.at("thaw_loss"), "NaN");
  EXPECT_EQ(lost.at("thaw_not_finite_steps_total"), "1");
}

TEST(PrometheusTest, TheRuleBookItselfRefuses) {  // the check above can fail
  for (const char* const wrong :
       {"thaw_x 1\n", "# HELP thaw_x x\n# TYPE thaw_x gauge\nthaw_x{a=b} 1\n", "# HELP thaw_x x\n# TYPE thaw_x gauge\nthaw_x 1"}) {
    ::testing::TestPartResultArray failures;
    {
      const ::testing::ScopedFakeTestPartResultReporter catching(::testing::ScopedFakeTestPartResultReporter::INTERCEPT_ALL_THREADS,
                                                                 &failures);
      parsed(wrong);
    }
    EXPECT_GT(failures.size(), 0) << wrong;
  }
}

}  // namespace
}  // namespace thaw::test
