// run_view over directories written by hand. What would be lost: a picture of the run that is wrong, or none at all because a
// file was torn, cut, missing or huge.
#include <gtest/gtest.h>

#include <cmath>

#include "framework/base/file.h"
#include "framework/base/lease.h"
#include "framework/base/random.h"
#include "framework/train/run_directory.h"
#include "launcher/page/run_view.h"
#include "tests/launcher/page_testing.h"

namespace thaw::test {
namespace {

std::string evaluation_line(std::int64_t step, double accuracy, bool best) {
  return Json{{"step", step},
              {"epoch", 0},
              {"evaluation_s", 0.5},
              {"best", best},
              {"metrics", {{"dev/accuracy", accuracy}, {"dev/f1/good", 0.4}}}}
             .dump() +
         "\n";
}

TEST(RunViewTest, NothingThereIsARunThatIsWaitedFor) {
  const RunFolder folder;
  for (const fs::path& path : {folder.path(), folder.path() / "not-there"}) {
    const Json view = run_view(path);
    EXPECT_EQ(view["state"], "waiting");
    EXPECT_EQ(view["step"], 0);
    EXPECT_EQ(view["name"], path.filename().string());
    EXPECT_TRUE(view["steps"]["step"].empty());
    EXPECT_THROW(require_run(path), FileError);
  }
}

TEST(RunViewTest, AStepIsToldAsItWasLogged) {
  const RunFolder folder;
  folder.write("log.jsonl", step_line(1, 0.75) + step_line(2, 0.5) + evaluation_line(2, 0.625, true));
  const Json view = run_view(folder.path());
  EXPECT_EQ(view["steps"]["step"], Json({1, 2}));
  EXPECT_EQ(view["steps"]["loss"], Json({0.75, 0.5}));
  EXPECT_EQ(view["steps"]["rows_per_s"], Json({320, 320}));
  EXPECT_EQ(view["means"]["loss"], Json({0.75, 0.5}));
  EXPECT_EQ(view["steps"]["comm_wait_s"], Json({0.002, 0.002}));
  EXPECT_EQ(view["steps"]["comm_hidden_s"], Json({0.05, 0.05}));
  EXPECT_EQ(view["steps"]["elapsed_s"], Json({0.1, 0.2}));
  ASSERT_EQ(view["evaluations"].size(), 1u);
  EXPECT_EQ(view["evaluations"][0]["metrics"]["dev/accuracy"], 0.625);
  EXPECT_EQ(view["evaluations"][0]["metrics"]["dev/f1/good"], 0.4);
  EXPECT_EQ(view["best"]["step"], 2);
  EXPECT_EQ(view["rows"], 64);
}

TEST(RunViewTest, HalfALastLineWaitsForItsOtherHalf) {
  const RunFolder folder;
  const std::string third = step_line(3, 0.3);
  folder.write("log.jsonl", step_line(1, 0.7) + step_line(2, 0.6) + third.substr(0, 40));
  RunView view(folder.path());
  EXPECT_EQ(view.read()["step"], 2);
  EXPECT_EQ(view.read()["step"], 2);
  folder.append("log.jsonl", third.substr(40));
  const Json now = view.read();
  EXPECT_EQ(now["step"], 3);
  EXPECT_EQ(now["refused_lines"], 0);
  EXPECT_EQ(now["steps"]["step"], Json({1, 2, 3}));
}

// A resumed run drops what was logged after its checkpoint and logs those steps again.
TEST(RunViewTest, ACutLogIsReadAnew) {
  const RunFolder folder;
  const Recipe recipe = parse_recipe("r.yaml", three_phases);
  RunDirectory run = RunDirectory::open(folder.path(), recipe);
  for (int step = 1; step <= 30; ++step) run.append_log(Json::parse(step_line(step, 1.0 / step)));
  RunView view(folder.path());
  EXPECT_EQ(view.read()["step"], 30);
  run.truncate_log(10);
  EXPECT_EQ(view.read()["step"], 10);
  for (int step = 11; step <= 40; ++step) run.append_log(Json::parse(step_line(step, 2.0 / step)));
  Json now = view.read();
  EXPECT_EQ(now["steps"]["step"].size(), 40u);
  EXPECT_EQ(now["rows"], 40 * 32);
  // Cut and grown past where it was between two looks; in place, and by another file.
  run.truncate_log(5);
  for (int step = 6; step <= 60; ++step) run.append_log(Json::parse(step_line(step, 3.0 / step)));
  now = view.read();
  EXPECT_EQ(now["steps"]["step"].size(), 60u);
  EXPECT_EQ(now["steps"]["loss"][29], 0.1);
  std::string other;
  for (int step = 1; step <= 90; ++step) other += step_line(step, 4.0);
  folder.write("log.jsonl", other);
  EXPECT_EQ(view.read()["steps"]["loss"][1], 4);
  fs::remove(folder.path() / "log.jsonl");
  EXPECT_EQ(view.read()["step"], 0);
}

TEST(RunViewTest, AMillionStepsKeepTheirExtremes) {
  RunLog log;
  constexpr int spike = 123'457, dip = 777'777, gone = 500'001;
  for (std::int64_t step = 1; step <= 1'000'000; ++step) {
    Json entry = Json::parse(step_line(step,
                                       step == spike ? 50.0
                                       : step == dip ? 0.001
                                                     : 1.0,
                                       step / 1000, 1 + static_cast<int>(step / 400'000)));
    if (step == gone) entry["loss"] = nullptr;
    if (step == 900'001) entry["grad_norm"] = 99.0;
    log.take(entry);
  }
  const Json points = log.steps().points(), means = log.steps().means();
  const auto loss_at = [&](std::int64_t step) {
    for (std::size_t i = 0; i < points["step"].size(); ++i)
      if (points["step"][i] == step) return points["loss"][i];
    return Json("not there");
  };
  EXPECT_LE(points["step"].size(), 2000u);
  EXPECT_GE(points["step"].size(), 300u);
  EXPECT_LE(means["step"].size(), StepSeries::most_spans);
  EXPECT_EQ(loss_at(spike), 50);
  EXPECT_EQ(loss_at(dip), 0.001);
  EXPECT_EQ(loss_at(gone), Json());
  EXPECT_EQ(loss_at(900'001), 1);
  EXPECT_EQ(loss_at(1'000'000), 1);
  double steps = 0;
  for (std::size_t i = 0; i < means["steps"].size(); ++i) {
    steps += means["steps"][i].get<double>();
    EXPECT_EQ(means["step"][i], steps);
  }
  EXPECT_EQ(steps, 1e6);
  EXPECT_EQ(log.not_finite(), 1);
  EXPECT_EQ(log.phases().at(2).steps, 400'000);
  EXPECT_LT((points.dump() + means.dump()).size(), 500'000u);
}

// Looks at a long log cost what is new, and the first one is done in parts.
TEST(RunViewTest, ALongLogIsReadOnce) {
  const RunFolder folder;
  std::string text;
  for (int step = 1; step <= 150'000; ++step) text += step_line(step, 0.5);
  folder.write("log.jsonl", text);
  RunView view(folder.path());
  const auto timed = [&](Json& into) {
    const auto start = std::chrono::steady_clock::now();
    into = view.read();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  Json now;
  double first = timed(now);
  EXPECT_FALSE(now["complete"].get<bool>());
  while (!now["complete"].get<bool>()) first += timed(now);
  EXPECT_EQ(now["step"], 150'000);
  folder.append("log.jsonl", step_line(150'001, 0.25));
  double again = timed(now);
  EXPECT_EQ(now["step"], 150'001);
  EXPECT_EQ(now["log_bytes"], fs::file_size(folder.path() / "log.jsonl"));
  for (int i = 0; i < 4; ++i) again = std::min(again, timed(now));
  EXPECT_LT(again, first / 10) << first;
  RecordProperty("first_look_s", fmt::format("{:.3f}", first));
  RecordProperty("later_look_s", fmt::format("{:.4f}", again));
}

TEST(RunViewTest, LinesThatAreNotOursArePassedOver) {
  const RunFolder folder;
  const std::string deep = std::string(100'000, '[') + std::string(100'000, ']');
  folder.write("log.jsonl", step_line(1, 0.7) + "\n[1,2]\nnull\n{\"step\":\n" + deep + "\n{\"a\":" + deep + "}\n" +
                                std::string(18 << 20, 'x') + "\n" +
                                R"({"step":"two","loss":1})"
                                "\n"
                                R"({"step":-3,"loss":1})"
                                "\n"
                                R"({"step":2,"loss":"high","lr":[],"phase":1e300,"epoch":null})"
                                "\n" +
                                R"({"step":2,"metrics":{"dev/accuracy":"much","dev/f1":null}})"
                                "\n" +
                                step_line(3, 0.5));
  const Json view = run_view(folder.path());
  EXPECT_EQ(view["steps"]["step"], Json({1, 2, 3}));
  EXPECT_EQ(view["steps"]["loss"], Json({0.7, nullptr, 0.5}));
  EXPECT_EQ(view["refused_lines"], 6);
}

// Whatever stands in the files, a look gives an object; bytes are changed at random places of a whole run's.
TEST(RunViewTest, NoFileStopsALook) {
  const RunFolder folder;
  const std::map<std::string, std::string> files{
      {"recipe.yaml", three_phases},
      {"log.jsonl", step_line(1, 0.7) + evaluation_line(1, 0.5, true) + step_line(2, 0.6, 1, 2)},
      {"status.json", R"({"state": "done", "exit_code": 0, "step": 2, "message": "", "updated": "2026-01-01T00:00:00Z"})"},
      {"result.json",
       R"({"ranks": 2, "metric": "dev/accuracy", "value": 0.5, "phases": [{"ended_by": "epochs", "peak_memory_bytes": 5}]})"},
      {"launch/events.jsonl", R"({"at": 1, "kind": "lost", "message": "gone", "rank": 3})"
                              "\n"},
      {"checkpoints/latest", "step-00000002\n"}};
  for (const auto& [name, text] : files) folder.write(name, text);
  fs::create_directories(folder.path() / "checkpoints/step-00000002");
  ASSERT_EQ(run_view(folder.path())["checkpoints"][0]["latest"], true);
  for (const auto& [name, text] : files)
    for (std::uint64_t round = 0; round < 150; ++round) {
      std::string changed = text;
      for (std::uint64_t i = 0; i < 1 + round % 4; ++i) {
        const auto [at, byte, kind, more] = philox(random_key(11, round), i);
        if (kind % 3 == 0) changed[at % changed.size()] = static_cast<char>(byte);
        else if (kind % 3 == 1) changed[at % changed.size()] = "0\"{}[],:-e\n"[byte % 11];
        else changed.resize(1 + at % changed.size());
      }
      folder.write(name, changed);
      const Json view = run_view(folder.path());
      ASSERT_TRUE(view.is_object() && view["phases"].is_array() && view["steps"].is_object()) << changed;
      folder.write(name, text);
    }
}

TEST(RunViewTest, PhasesStandOnTheTimeLine) {
  const RunFolder folder;
  folder.write("recipe.yaml", three_phases);
  RunView view(folder.path());
  Json now = view.read();
  ASSERT_EQ(now["phases"].size(), 3u);
  EXPECT_EQ(now["total_steps"], Json());  // nobody has counted an epoch's steps yet
  EXPECT_EQ(now["phases"][2]["planned_steps"], 7);
  for (int step = 1; step <= 5; ++step) folder.append("log.jsonl", step_line(step, 0.5, 0, 1));
  EXPECT_EQ(view.read()["phases"][0]["state"], "learning");
  folder.append("log.jsonl", step_line(6, 0.5, 1, 2));
  now = view.read();
  EXPECT_EQ(now["steps_per_epoch"], 5);
  EXPECT_EQ(now["phases"][0]["state"], "done");
  EXPECT_EQ(now["phases"][0]["end"], 5);
  EXPECT_EQ(now["phases"][1]["state"], "learning");
  EXPECT_EQ(now["phases"][1]["start"], 5);
  EXPECT_EQ(now["phases"][1]["planned_steps"], 10);
  EXPECT_EQ(now["phases"][1]["trainable"], Json({"head", "top 2"}));
  EXPECT_EQ(now["phases"][1]["until"], "2 epochs or 2 evaluations without a gain");
  EXPECT_EQ(now["phases"][2]["state"], "to come");
  EXPECT_EQ(now["phases"][2]["start"], 15);
  EXPECT_EQ(now["total_steps"], 22);
  EXPECT_FALSE(now["total_steps_exact"].get<bool>());  // patience may end the second phase
  // The second phase ends early; the trainer's own count is what counts.
  Json entry = Json::parse(step_line(7, 0.5, 1, 3));
  entry["total_steps"] = 13;
  folder.append("log.jsonl", entry.dump() + "\n");
  now = view.read();
  EXPECT_EQ(now["total_steps"], 13);
  EXPECT_TRUE(now["total_steps_exact"].get<bool>());
}

TEST(RunViewTest, TheStateIsTheOwnersOrHowItEnded) {
  const RunFolder folder;
  folder.write("recipe.yaml", three_phases);
  const auto state = [&] { return run_view(folder.path())["state"].get<std::string>(); };
  {
    const Lease lease(folder.path());
    EXPECT_EQ(state(), "starting");
    folder.write("log.jsonl", step_line(1, 0.5));
    folder.write("status.json", R"({"state": "stopped", "exit_code": 75})");  // of the start before
    EXPECT_EQ(state(), "running");
    EXPECT_EQ(run_view(folder.path())["owner"]["pid"], ::getpid());
  }
  EXPECT_EQ(state(), "stopped");
  EXPECT_EQ(run_view(folder.path())["exit_code"], 75);
  folder.write("status.json", R"({"state": "failed", "exit_code": 65, "message": "bad rows"})");
  EXPECT_EQ(run_view(folder.path())["message"], "bad rows");
  folder.write("status.json", R"({"state": "running", "step": 1})");  // its last checkpoint's; since then it was killed
  EXPECT_EQ(state(), "interrupted");
}

TEST(RunViewTest, ManyEvaluationsAreThinnedAndTheBestStays) {
  RunLog log;
  for (int i = 1; i <= 5000; ++i) log.take(Json::parse(evaluation_line(i, i == 1237 ? 0.9 : 0.5, i == 1237)));
  const Json all = log.evaluations();
  EXPECT_LE(all.size(), RunLog::most_evaluations + 2);
  EXPECT_EQ(all.back()["step"], 5000);
  EXPECT_TRUE(std::any_of(all.begin(), all.end(), [](const Json& e) { return e["step"] == 1237 && e["best"] == true; }));
  EXPECT_TRUE(std::is_sorted(all.begin(), all.end(), [](const Json& a, const Json& b) { return a["step"] < b["step"]; }));
  EXPECT_FALSE(all.front()["metrics"].contains("dev/f1/good"));
}

TEST(RunViewTest, TheLastEventsAreKept) {
  const RunFolder folder;
  for (int i = 0; i < 700; ++i) folder.append("launch/events.jsonl", Json{{"at", i}, {"kind", "note"}, {"message", "m"}}.dump() + "\n");
  const Json events = run_view(folder.path())["events"];
  EXPECT_EQ(events.size(), 500u);
  EXPECT_EQ(events.back()["at"], 699);
  EXPECT_NO_THROW(require_run(folder.path()));
}

}  // namespace
}  // namespace thaw::test
