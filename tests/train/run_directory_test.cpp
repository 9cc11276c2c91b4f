// What would be lost: two runs writing into one directory, a requeued job that waits for a dead one, half a line in a log.
#include <gtest/gtest.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <functional>
#include <thread>

#include "framework/base/error.h"
#include "framework/base/file.h"
#include "framework/train/run_directory.h"

namespace thaw {
namespace {

class RunDirectoryTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "thaw_run_XXXXXX").string();
    root_ = ::mkdtemp(name.data());
    for (const char* key : {"SLURM_JOB_ID", "SLURM_RESTART_COUNT"}) ::unsetenv(key);
  }
  void TearDown() override { fs::remove_all(root_); }

  // A lease as another host would have left it, its last heartbeat `age_s` ago.
  void foreign_lease(int generation, double age_s, const Json& more = Json::object()) {
    Json lease = {{"host", "node7"}, {"pid", 1},      {"pid_start", "5"}, {"machine", "another"}, {"since", "2026-01-02T03:04:05Z"},
                  {"job", "4711"},   {"restart", ""}, {"released", false}};
    lease.update(more);
    fs::create_directories(root_ / "lease");
    const fs::path file = root_ / "lease" / fmt::format("{:08}.json", generation);
    write_file_atomically(file, lease.dump());
    age(file, age_s);
  }
  static void age(const fs::path& file, double age_s) {
    timespec times[2];
    ::clock_gettime(CLOCK_REALTIME, &times[0]);
    times[0].tv_sec -= static_cast<time_t>(age_s);
    times[1] = times[0];
    ASSERT_EQ(::utimensat(AT_FDCWD, file.c_str(), times, 0), 0);
  }

  fs::path root_;
};

Recipe recipe(const std::vector<std::string>& overrides = {}) {
  return parse_recipe("r.yaml", "recipe: 1\ntask: text-classification\nmodel: m\noutput_dir: o\ndata: {train: a.tsv}\n", overrides);
}

std::string refusal(const std::function<void()>& work, ExitCode code) {
  try {
    work();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    return error.what();
  }
  return "";
}

// A child that runs `work` and ends with its result, or with an Error's code.
pid_t child(const std::function<int()>& work) {
  const pid_t pid = ::fork();
  if (pid != 0) return pid;
  int code = 99;
  try {
    code = work();
  } catch (const Error& error) {
    code = static_cast<int>(error.code());
  } catch (...) {
  }
  ::_exit(code);
}
int wait_for(pid_t pid) {
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

TEST_F(RunDirectoryTest, of_processes_that_compete_exactly_one_wins) {
  for (int round = 0; round < 60; ++round) {
    const fs::path place = root_ / std::to_string(round);
    const int before = round % 3;  // nothing there, a dead owner's lease, a released one
    if (before > 0) {
      fs::create_directories(place / "lease");
      Json lease = {{"host", "h"}, {"pid", 1}, {"pid_start", "1"}, {"machine", "another"}, {"released", before == 2}};
      const fs::path file = place / "lease" / "00000005.json";
      write_file_atomically(file, lease.dump());
      age(file, before == 1 ? 100 : 0);
    }
    int go[2], result[2], end[2];
    ASSERT_EQ(::pipe(go) | ::pipe(result) | ::pipe(end), 0);
    constexpr int rivals = 3;
    std::vector<pid_t> pids;
    for (int i = 0; i < rivals; ++i)
      pids.push_back(child([&] {
        ::close(go[1]);
        ::close(end[1]);
        char c = 0;
        static_cast<void>(::read(go[0], &c, 1));
        char outcome = 'W';
        std::optional<RunDirectory> run;
        try {
          run.emplace(RunDirectory::open(place, recipe()));
        } catch (const FileError& error) {
          outcome = error.code() == ExitCode::cannot_write ? 'L' : 'E';
        } catch (...) {
          outcome = 'X';
        }
        static_cast<void>(::write(result[1], &outcome, 1));
        static_cast<void>(::read(end[0], &c, 1));  // until everybody has tried
        if (run) run->check();
        return 0;
      }));
    ::close(go[1]);
    std::string outcomes;
    for (char c = 0; outcomes.size() < rivals && ::read(result[0], &c, 1) == 1;) outcomes += c;
    ::close(end[1]);
    for (const pid_t pid : pids) EXPECT_EQ(wait_for(pid), 0) << "the winner was fenced out in round " << round;
    for (const int descriptor : {go[0], result[0], result[1], end[0]}) ::close(descriptor);
    std::sort(outcomes.begin(), outcomes.end());
    ASSERT_EQ(outcomes, "LLW") << "round " << round;
  }
}

TEST_F(RunDirectoryTest, a_killed_owner_is_succeeded_at_once) {
  for (int round = 0; round < 5; ++round) {
    int ready[2];
    ASSERT_EQ(::pipe(ready), 0);
    const pid_t owner = child([&] {
      const RunDirectory run = RunDirectory::open(root_, recipe());
      static_cast<void>(::write(ready[1], "r", 1));
      ::pause();
      return 0;
    });
    ::close(ready[1]);  // a child that is refused ends the read
    char c = 0;
    ASSERT_EQ(::read(ready[0], &c, 1), 1);
    const std::string message = refusal([&] { RunDirectory::open(root_, recipe()); }, ExitCode::cannot_write);
    EXPECT_NE(message.find(fmt::format("pid {}", owner)), std::string::npos) << message;
    ::kill(owner, SIGKILL);
    siginfo_t info;
    ::waitid(P_PID, static_cast<id_t>(owner), &info, WEXITED | WNOWAIT);  // dead, and still a zombie
    const auto start = std::chrono::steady_clock::now();
    EXPECT_NO_THROW(RunDirectory::open(root_, recipe()));
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
    wait_for(owner);
    ::close(ready[0]);
  }
}

TEST_F(RunDirectoryTest, a_reused_process_number_is_not_the_owner) {
  std::int64_t generation = 0;
  {
    const Lease ours(root_);
    generation = ours.generation();
  }
  const fs::path file = root_ / "lease" / fmt::format("{:08}.json", generation);
  Json lease = Json::parse(read_file(file));
  lease["released"] = false;
  write_file_atomically(file, lease.dump());
  EXPECT_THROW(Lease second(root_), FileError) << "this process is alive";
  lease["pid_start"] = "1";
  write_file_atomically(file, lease.dump());
  EXPECT_NO_THROW(Lease second(root_));
}

TEST_F(RunDirectoryTest, a_live_foreign_lease_is_refused_and_a_stale_one_taken) {
  foreign_lease(3, 20);
  const auto start = std::chrono::steady_clock::now();
  const std::string message = refusal([&] { Lease lease(root_); }, ExitCode::cannot_write);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
  for (const char* part :
       {"host node7", "pid 1", "Slurm job 4711", "since 2026-01-02T03:04:05Z", "heartbeat 20 s ago", "another output_dir"})
    EXPECT_NE(message.find(part), std::string::npos) << part << " in " << message;
  foreign_lease(3, 61);
  const Lease lease(root_);
  EXPECT_EQ(lease.generation(), 4);
  EXPECT_FALSE(fs::exists(root_ / "lease" / "00000003.json"));
  int files = 0;
  for ([[maybe_unused]] const auto& entry : fs::directory_iterator(root_ / "lease")) ++files;
  EXPECT_EQ(files, 1) << "claims are cleared away";
}

TEST_F(RunDirectoryTest, a_damaged_lease_is_refused_while_fresh) {
  foreign_lease(1, 0);
  const fs::path file = root_ / "lease" / "00000001.json";
  for (const char* text : {"", "{\"host\"", "[1]", "{\"pid\": \"x\", \"host\": 3, \"released\": 1}"}) {
    write_file_atomically(file, text);
    const auto start = std::chrono::steady_clock::now();
    EXPECT_THROW(Lease lease(root_), FileError) << text;
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
  }
  age(file, 100);
  EXPECT_NO_THROW(Lease lease(root_));
}

TEST_F(RunDirectoryTest, a_requeued_job_follows_itself_at_once) {
  foreign_lease(1, 5);
  ::setenv("SLURM_JOB_ID", "4711", 1);
  EXPECT_THROW(Lease lease(root_), FileError) << "the same start of the job";
  ::setenv("SLURM_RESTART_COUNT", "1", 1);
  EXPECT_NO_THROW(Lease lease(root_));
  foreign_lease(9, 5, {{"job", "4712"}});
  EXPECT_THROW(Lease lease(root_), FileError) << "another job";
}

TEST_F(RunDirectoryTest, who_was_fenced_out_writes_nothing) {
  RunDirectory slow = RunDirectory::open(root_, recipe(), {1000, 60});
  slow.append_log({{"step", 1}});
  age(root_ / "lease" / "00000001.json", 61);  // as if it had been stopped for a minute
  const RunDirectory next = RunDirectory::open(root_, recipe());
  const std::string log = read_file(root_ / "log.jsonl");
  for (const auto& write : std::vector<std::function<void()>>{[&] { slow.check(); },
                                                              [&] {
                                                                slow.append_log({{"step", 2}});
                                                              },
                                                              [&] { slow.truncate_log(0); },
                                                              [&] {
                                                                slow.write_status({{"state", "done"}});
                                                              },
                                                              [&] { slow.write_result({}); }})
    EXPECT_NE(refusal(write, ExitCode::cannot_write).find("lost its directory to host"), std::string::npos);
  EXPECT_EQ(read_file(root_ / "log.jsonl"), log);
  EXPECT_FALSE(fs::exists(root_ / "status.json"));
  slow.release();
  EXPECT_NO_THROW(next.check());
  fs::remove_all(root_ / "lease");
  EXPECT_THROW(next.check(), FileError);
}

TEST_F(RunDirectoryTest, the_heartbeat_keeps_a_busy_owner) {
  const Lease lease(root_, {0.05, 1.5});
  for (int i = 0; i < 8; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    EXPECT_THROW(Lease rival(root_, {0.05, 1.5}), FileError);
  }
  EXPECT_NO_THROW(lease.check());
}

TEST_F(RunDirectoryTest, released_at_the_end_and_numbered_on) {
  for (int i = 1; i <= 4; ++i) {
    Lease lease(root_);
    EXPECT_EQ(lease.generation(), i);
    if (i % 2 == 0) lease.release();
  }
}

TEST_F(RunDirectoryTest, a_place_that_cannot_be_written_is_named) {
  write_file_atomically(root_ / "file", "x");
  EXPECT_NE(refusal([&] { RunDirectory::open(root_ / "file" / "run", recipe()); }, ExitCode::cannot_write)
                .find((root_ / "file" / "run").string()),
            std::string::npos);
  refusal([&] { RunDirectory::open("/proc/thaw-run", recipe()); }, ExitCode::cannot_write);
  EXPECT_FALSE(fs::exists("/proc/thaw-run"));
}

TEST_F(RunDirectoryTest, another_recipe_is_refused_with_what_differs) {
  {
    RunDirectory run = RunDirectory::open(root_, recipe({"optimizer.lr=5e-3"}));  // refused later, before its first step
  }
  {
    RunDirectory run = RunDirectory::open(root_, recipe());
    run.append_log({{"step", 1}, {"loss", 0.5}});
  }
  const std::string first = read_file(root_ / "recipe.yaml");
  const std::string message = refusal([&] { RunDirectory::open(root_, recipe({"optimizer.lr=1e-3"})); }, ExitCode::bad_data);
  EXPECT_NE(message.find("optimizer.lr: 2.0e-05 → 0.001"), std::string::npos) << message;
  EXPECT_NE(message.find("another output_dir"), std::string::npos);
  EXPECT_EQ(read_file(root_ / "recipe.yaml"), first);
  { const RunDirectory run = RunDirectory::open(root_, recipe({"max_time=1h"})); }  // the lease was given back, and this may change
  EXPECT_NE(read_file(root_ / "recipe.yaml").find("max_time: '1h'"), std::string::npos);
  EXPECT_EQ(parse_recipe("r.yaml", read_file(root_ / "recipe.yaml")), recipe({"max_time=1h"}));
}

TEST_F(RunDirectoryTest, what_a_killed_owner_left_half_written_goes) {
  fs::create_directories(root_ / "checkpoints" / "step-00000001");
  const std::string number = ".tmp-0123456789abcdef";
  const auto write = [&](const std::string& name) { write_file_atomically(root_ / name, "half"); };
  for (const std::string name : {"status.json", "checkpoints/latest"}) write(name + number);
  for (const char* name : {"notes.tmp-1", "checkpoints/step-00000001/a.tmp-0123456789abcdef", "checkpoints/latest"}) write(name);
  RunDirectory::open(root_, recipe()).release();
  for (const std::string name : {"status.json", "checkpoints/latest"}) EXPECT_FALSE(fs::exists(root_ / (name + number))) << name;
  for (const char* name : {"notes.tmp-1", "checkpoints/step-00000001/a.tmp-0123456789abcdef", "checkpoints/latest"})
    EXPECT_TRUE(fs::exists(root_ / name)) << name << " is somebody else's";
}

TEST_F(RunDirectoryTest, the_log_is_cut_at_the_step_that_a_run_goes_on_from) {
  {
    RunDirectory run = RunDirectory::open(root_, recipe());
    for (int step = 1; step <= 5; ++step) run.append_log({{"step", step}, {"loss", 0.5 * step}});
    run.append_log({{"event", "after 5"}});
    run.append_log({{"step", 5}, {"text", "ä\n\xff"}});
  }
  const std::string whole = read_file(root_ / "log.jsonl");
  write_file_atomically(root_ / "log.jsonl", whole + "{\"step\": 6, \"lo");  // killed while writing
  RunDirectory run = RunDirectory::open(root_, recipe());
  EXPECT_EQ(read_file(root_ / "log.jsonl"), whole);
  run.truncate_log(5);
  EXPECT_EQ(read_file(root_ / "log.jsonl"), whole);
  run.truncate_log(3);
  run.append_log({{"step", 4}});
  EXPECT_EQ(read_file(root_ / "log.jsonl"), whole.substr(0, whole.find("{\"loss\":2.0")) + "{\"step\":4}\n");
  run.truncate_log(0);
  EXPECT_EQ(read_file(root_ / "log.jsonl"), "");
}

// A checkpoint may be of before its step's evaluation: a run that went on from it and was killed has logged that already.
TEST_F(RunDirectoryTest, an_evaluation_that_comes_again_is_logged_once) {
  RunDirectory run = RunDirectory::open(root_, recipe());
  for (const int step : {1, 2}) {
    run.append_log({{"step", step}, {"loss", 0.5}});
    run.append_log({{"step", step}, {"evaluation_s", 0.1}});
  }
  run.append_log({{"step", 3}, {"loss", 0.5}});
  const std::string whole = read_file(root_ / "log.jsonl");
  run.truncate_log(2);
  EXPECT_EQ(read_file(root_ / "log.jsonl"), whole.substr(0, whole.find("{\"loss\":0.5,\"step\":3")));
  run.truncate_log(2, /*before_evaluation=*/true);
  EXPECT_EQ(read_file(root_ / "log.jsonl"), whole.substr(0, whole.find("{\"evaluation_s\":0.1,\"step\":2")));
}

TEST_F(RunDirectoryTest, status_tells_the_outcome) {
  RunDirectory run = RunDirectory::open(root_, recipe());
  EXPECT_FALSE(run.status());
  run.write_status({{"state", "running"}, {"step", 3}, {"last_checkpoint", "step-00000003"}});
  run.write_status({{"state", "stopped"}, {"exit_code", 75}, {"step", 4}, {"last_checkpoint", "step-00000004"}, {"message", "max_time"}});
  const Json status = *run.status();
  EXPECT_EQ(status["state"], "stopped");
  EXPECT_EQ(status["exit_code"], 75);
  EXPECT_EQ(status["step"], 4);
  EXPECT_EQ(status["updated"].get<std::string>().size(), 20u);
  EXPECT_THROW(run.write_status({{"state", "fine"}}), FileError);
  run.write_result({{"metric", "dev/accuracy"}});
  EXPECT_EQ(Json::parse(read_file(root_ / "result.json"))["metric"], "dev/accuracy");
  RunDirectory moved = std::move(run);
  EXPECT_NO_THROW(moved.append_log({{"step", 1}}));
}

// Fills what there is to fill; the error is 73, and what stays is whole lines.
int fill(const fs::path& place) {
  RunDirectory run = RunDirectory::open(place, recipe());
  int refused = 0;
  try {
    for (int step = 0; step < 100'000; ++step) run.append_log({{"step", step}, {"text", std::string(1000, 'x')}});
  } catch (const FileError& error) {
    refused += error.code() == ExitCode::cannot_write;
  }
  try {
    run.write_status({{"state", "running"}, {"message", std::string(200'000, 'y')}});
  } catch (const FileError& error) {
    refused += error.code() == ExitCode::cannot_write;
  }
  const std::string log = read_file(place / "log.jsonl");
  if (log.empty() || log.back() != '\n' || fs::exists(place / "status.json")) return 1;
  return refused == 2 ? 0 : 2;
}

TEST_F(RunDirectoryTest, a_file_size_limit_leaves_whole_lines) {
  EXPECT_EQ(wait_for(child([&] {
              const rlimit limit{100'000, 100'000};
              ::signal(SIGXFSZ, SIG_IGN);
              ::setrlimit(RLIMIT_FSIZE, &limit);
              return fill(root_ / "run");
            })),
            0);
}

TEST_F(RunDirectoryTest, a_full_disk_leaves_whole_lines) {
  if (::mount("tmpfs", root_.c_str(), "tmpfs", 0, "size=160k") != 0) GTEST_SKIP() << "mounting a small file system is not allowed here";
  EXPECT_EQ(wait_for(child([&] { return fill(root_ / "run"); })), 0);
  ::umount(root_.c_str());
}

}  // namespace
}  // namespace thaw
