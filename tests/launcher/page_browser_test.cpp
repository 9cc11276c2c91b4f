// The page in a headless Chromium. What would be lost: a page that shows nothing, that runs what a run's files say, or that
// its own Content-Security-Policy keeps from working.
#include <gtest/gtest.h>

#include <regex>

#include "tests/launcher/page_testing.h"
#include "tests/launcher/program.h"

namespace thaw::test {
namespace {

const char* const hostile = "<img src=x onerror=\"document.title='pwned'\"><script>document.title='pwned'</script>";

class PageBrowserTest : public ::testing::Test {
 protected:
  void SetUp() override {
    chromium_ = shell("command -v chromium || command -v chromium-browser || command -v google-chrome").output;
    if (chromium_.empty()) GTEST_SKIP() << "no Chromium: apt-get install chromium";
    chromium_.erase(chromium_.find('\n'));
  }
  // The page as the browser has it after its first answer; what it said on its console follows.
  std::string page_of(const Served& served, const std::string& query = "", const std::string& window = "1600,1000") const {
    const RunFolder profile;
    const Ran ran = shell(fmt::format(
        "{} --headless --no-sandbox --disable-gpu --user-data-dir={} --enable-logging=stderr --virtual-time-budget=3000 --window-size={} "
        "--dump-dom \"{}{}\" 2>&1 | grep -v :dbus/",
        chromium_, profile.path().string(), window, served.server().url(), query));
    return ran.output;
  }
  static void expect_quiet(const std::string& page) {
    EXPECT_EQ(page.find("CONSOLE"), std::string::npos) << page.substr(page.find("CONSOLE"), 400);
    EXPECT_EQ(page.find("Content Security Policy"), std::string::npos);
    const std::size_t body = page.find("<body"), script = page.find("<script");
    ASSERT_LT(body, script);
    for (const char* const slip : {"NaN", "Infinity", "undefined", "[object"})
      EXPECT_EQ(page.substr(body, script - body).find(slip), std::string::npos) << slip;
  }
  static PageOptions options(const RunFolder& folder, std::function<Json()> live = {}) {
    PageOptions chosen;
    chosen.run = folder.path();
    chosen.live = std::move(live);
    return chosen;
  }
  // What stands between the tags of an element that has this id.
  static std::string text_of(const std::string& page, const std::string& id) {
    const std::size_t at = page.find("id=\"" + id + "\"");
    return at == std::string::npos ? "" : page.substr(page.find('>', at) + 1, page.find("</", at) - page.find('>', at) - 1);
  }

 private:
  std::string chromium_;
};

TEST_F(PageBrowserTest, ARunIsShownAndNothingItSaysIsRun) {
  const RunFolder folder;
  folder.write("recipe.yaml", three_phases);
  for (int step = 1; step <= 8; ++step)
    folder.append("log.jsonl", step_line(step, step == 4 ? NAN : 0.9 / step, step > 5 ? 1 : 0, step > 5 ? 2 : 1));
  folder.append("log.jsonl", Json{{"step", 8},
                                  {"epoch", 1},
                                  {"evaluation_s", 1.5},
                                  {"best", true},
                                  {"metrics", {{"dev/accuracy", 0.8125}, {std::string(hostile) + "/accuracy", 0.25}}}}
                                     .dump() +
                                 "\n");
  folder.append("launch/events.jsonl", Json{{"at", 1.7e9}, {"kind", hostile}, {"message", hostile}, {"rank", 3}}.dump() + "\n");
  folder.write("status.json", Json{{"state", "failed"}, {"exit_code", 65}, {"message", hostile}}.dump());
  const Served served(options(folder, [] {
    Json ranks = Json::array();
    for (int rank = 0; rank < 4; ++rank)
      ranks.push_back({{"rank", rank},
                       {"host", rank < 2 ? "alpha" : hostile},
                       {"pid", 7},
                       {"state", rank == 3 ? hostile : "training"},
                       {"step", 8},
                       {"phase", 2},
                       {"in", rank == 3 ? Json() : Json{{"name", "all_reduce"}, {"sequence", 12}, {"since_s", 7.5}}},
                       {"memory_bytes", 3'221'225'472},
                       {"step_s", 0.125},
                       {"wait_s", 0.0125},
                       {"slow", rank == 1 ? 2.5 : 1.0},
                       {"seen_s", 0.25}});
    return Json{{"attempt", 2}, {"restarts", 1}, {"max_restarts", 3}, {"ranks", ranks}, {"log", {"step 8/22", hostile}}};
  }));
  const std::string page = page_of(served);
  expect_quiet(page);
  EXPECT_EQ(text_of(page, "state"), "failed");
  EXPECT_NE(text_of(page, "recipe").find("some-model"), std::string::npos) << page.substr(0, 2000);
  for (const char* const shown : {"step 8", "0.8125", "head, top 2", "all_reduce 12", "2.5 × the median's step", "3.00&nbsp;GiB",
                                  "125&nbsp;ms", "3 of 4 ranks wait in all_reduce 12", "10 %", "1 of at most 3 restarts", "attempt 2"})
    EXPECT_NE(page.find(shown), std::string::npos) << shown;
  EXPECT_EQ(page.find("<img"), std::string::npos);
  EXPECT_EQ(page.find("pwned</title>"), std::string::npos);
  EXPECT_NE(page.find("&lt;img src=x"), std::string::npos);
  EXPECT_NE(page.find("Thaw</title>"), std::string::npos);
  std::size_t scripts = 0;
  for (std::size_t at = page.find("<script"); at != std::string::npos; at = page.find("<script", at + 1)) ++scripts;
  EXPECT_EQ(scripts, 1u);
}

TEST_F(PageBrowserTest, RunsOfNoStepAndOfOneAreShown) {
  const RunFolder folder;
  folder.write("recipe.yaml", three_phases);
  const Served served(options(folder));
  std::string page = page_of(served, "&theme=dark", "400,900");
  expect_quiet(page);
  EXPECT_EQ(text_of(page, "state"), "waiting");
  EXPECT_NE(page.find("No step yet."), std::string::npos);
  EXPECT_NE(page.find("data-theme=\"dark\""), std::string::npos);
  folder.write("log.jsonl", step_line(1, 0.6931));
  page = page_of(served);
  expect_quiet(page);
  EXPECT_NE(page.find("0.6931"), std::string::npos);
}

TEST_F(PageBrowserTest, ManyRanksAreShownByHost) {
  const RunFolder folder;
  folder.write("log.jsonl", step_line(1, 0.5));
  const Served served(options(folder, [] {
    Json ranks = Json::array();
    for (int rank = 0; rank < 4096; ++rank)
      ranks.push_back({{"rank", rank},
                       {"host", fmt::format("node{:03}", rank / 8)},
                       {"state", rank == 4001 ? "silent" : "training"},
                       {"step", 1},
                       {"in", nullptr},
                       {"memory_bytes", 1e9},
                       {"step_s", 0.1},
                       {"wait_s", 0.01},
                       {"slow", 1.0},
                       {"seen_s", 0.1}});
    return Json{{"ranks", ranks}};
  }));
  const std::string page = page_of(served);
  expect_quiet(page);
  EXPECT_NE(page.find("on 512 hosts"), std::string::npos);
  EXPECT_NE(page.find("rank 4001: silent"), std::string::npos);
  EXPECT_LT(page.find("node500"), page.find("node000"));  // trouble comes first
}

}  // namespace
}  // namespace thaw::test
