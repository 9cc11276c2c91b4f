// The live page over a run that the program made, and the command `thaw view`.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <sys/wait.h>

#include <cstdio>
#include <utility>

#include "framework/base/text.h"
#include "launcher/page/run_view.h"
#include "tests/launcher/page_testing.h"
#include "tests/launcher/program.h"

namespace thaw::test {
namespace {

// A command in a process of its own, whose standard error goes to a file.
class Viewer {
 public:
  Viewer(const std::string& run, const std::string& errors) : process_(::fork()) {
    if (process_ != 0) return;
    if (std::freopen(errors.c_str(), "w", stderr) == nullptr) ::_exit(127);
    ::execl(THAW_BINARY_DIR "/thaw", "thaw", "view", run.c_str(), nullptr);
    ::_exit(127);
  }
  Viewer(const Viewer&) = delete;
  ~Viewer() {
    if (process_ > 0) end(SIGKILL);
  }
  int end(int signal) {  // its exit code
    int status = 0;
    ::kill(process_, signal);
    ::waitpid(std::exchange(process_, -1), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

 private:
  pid_t process_;
};

TEST(PageTest, ARunIsSeenAsItWasAndWhileItGoesOn) {
  const Workshop shop;
  shop.write("three.yaml", shop.file("recipe.yaml") + R"(evaluate: {metric: dev/accuracy, every_steps: 3}
thaw:
  phases:
    - {trainable: head, until: {epochs: 1}, lr: 1.0e-02}
    - {trainable: [head, top 1], until: {steps: 5}}
    - {trainable: all, until: {epochs: 40, dev/accuracy: 0.5}}
)");
  const std::string yaml = shop.file("three.yaml");
  shop.write("three.yaml", yaml.substr(0, yaml.find("epochs: 2\n")) + yaml.substr(yaml.find("epochs: 2\n") + 10));
  const Ran ran = thaw(fmt::format("train {} output_dir={}", shop.path("three.yaml"), shop.path("run")), 2);
  ASSERT_EQ(ran.exit_code, 0) << ran.output;

  const Json view = run_view(shop.path("run")), result = Json::parse(shop.file("run/result.json"));
  EXPECT_EQ(view["state"], "done");
  EXPECT_EQ(view["name"], "run");
  EXPECT_EQ(view["ranks"], 2);
  EXPECT_EQ(view["complete"], true);
  EXPECT_EQ(view["refused_lines"], 0);
  EXPECT_EQ(view["step"], result["steps"]);
  EXPECT_EQ(view["total_steps"], result["steps"]);
  EXPECT_EQ(view["rows"], result["rows"]);
  EXPECT_NEAR(view["best"]["value"].get<double>(), result["value"].get<double>(), 1e-4);
  EXPECT_EQ(view["best"]["step"], result["best_step"]);
  EXPECT_EQ(view["recipe"]["task"], "text-classification");
  EXPECT_EQ(view["steps"]["step"].size(), result["steps"].get<std::size_t>());
  ASSERT_EQ(view["phases"].size(), 3u);
  std::int64_t at = 0;
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(view["phases"][i]["state"], "done");
    EXPECT_EQ(view["phases"][i]["start"], at);
    EXPECT_EQ(view["phases"][i]["steps"], result["phases"][i]["steps"]);
    EXPECT_EQ(view["phases"][i]["ended_by"], result["phases"][i]["ended_by"]);
    EXPECT_EQ(view["phases"][i]["trainable"], result["phases"][i]["trainable"]);
    EXPECT_EQ(view["phases"][i]["rows"], result["phases"][i]["rows"]);
    at += view["phases"][i]["steps"].get<std::int64_t>();
  }
  ASSERT_FALSE(view["checkpoints"].empty());
  EXPECT_EQ(view["checkpoints"].back()["latest"], true);

  const Ran printed = thaw("view --json " + shop.path("run"));
  EXPECT_EQ(printed.exit_code, 0);
  EXPECT_EQ(Json::parse(printed.output), view);
}

// From its first step on it is known how long a run will be, in epochs or not; a killed one is seen to be gone at once.
TEST(PageTest, ARunUnderWayIsSeen) {
  const Workshop shop;
  {
    const Background running(thaw_command(shop.train("run", "epochs=4000 checkpoint.every_steps=1000000 evaluate.every_steps=1000000")));
    RunView view(shop.path("run"));
    Json now;
    ASSERT_TRUE(wait_until([&] { return (now = view.read())["step"] > 2; }));
    EXPECT_EQ(now["state"], "running");
    EXPECT_EQ(now["total_steps"], 4000 * 6);  // 90 rows, 16 a step
    EXPECT_EQ(now["phases"][0]["planned_steps"], 4000 * 6);
    EXPECT_TRUE(wait_until([&] { return view.read()["step"] > now["step"]; }));
  }
  EXPECT_EQ(run_view(shop.path("run"))["state"], "interrupted");
}

TEST(PageTest, TheCommandServesUntilItIsToldToEnd) {
  const RunFolder folder;
  folder.write("log.jsonl", step_line(1, 0.5));
  for (const int signal : {SIGINT, SIGTERM}) {
    const std::string errors = (folder.path() / "errors").string();
    Viewer viewer(folder.path().string(), errors);
    ASSERT_TRUE(wait_until([&] { return shell("cat " + errors).output.find("Ctrl-C") != std::string::npos; }));
    const std::string said = shell("cat " + errors).output, url = split(said, '\n').front();
    EXPECT_TRUE(url.starts_with("http://127.0.0.1:")) << said;
    const std::size_t query = url.find("/?token=");
    ASSERT_NE(query, std::string::npos) << said;
    EXPECT_NE(shell("curl -s --max-time 5 " + url.substr(0, query) + "/api/run" + url.substr(query + 1)).output.find("\"step\":1"),
              std::string::npos);
    EXPECT_EQ(viewer.end(signal), 0);
  }
}

TEST(PageTest, WhatIsNoRunIsNamed) {
  const Workshop shop;
  for (const std::string& path : {shop.path("nowhere"), shop.path("model"), shop.path("recipe.yaml")})
    for (const char* const mode : {"", "--json "}) {
      const Ran ran = thaw("view " + std::string(mode) + path);
      EXPECT_EQ(ran.exit_code, 66) << ran.output;
      EXPECT_NE(ran.output.find(path + ": expected a run directory"), std::string::npos) << ran.output;
    }
  shop.write("log.jsonl", "");
  EXPECT_EQ(thaw("view --port 70000 " + shop.path()).exit_code, 64);
  EXPECT_EQ(thaw("view --address 203.0.113.7 " + shop.path()).exit_code, 64);
}

}  // namespace
}  // namespace thaw::test
