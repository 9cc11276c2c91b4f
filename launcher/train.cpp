// thaw train: from a recipe to a fine-tuned model in the hub's layout.
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <memory>

#include "framework/base/clock.h"
#include "framework/base/file.h"
#include "framework/base/process.h"
#include "framework/comm/watchdog.h"
#include "framework/train/checkpoint.h"
#include "framework/train/export.h"
#include "framework/train/trainer.h"
#include "launcher/commands.h"
#include "launcher/job.h"
#include "launcher/ranks.h"
#include "launcher/supervisor/reporter.h"

namespace thaw {
namespace {

// Seconds since this process was started, by the kernel's clock.
double process_age_s() {
  std::ifstream uptime("/proc/uptime");
  double up = 0;
  uptime >> up;
  return up - std::strtod(look_at_process(::getpid()).start.c_str(), nullptr) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

// The first signal asks for a stop with a checkpoint; a second one ends the process at once. What comes within a second of the
// first is the same wish: a shell and its terminal may both hand it on.
void on_signal(int signal) {
  static std::atomic<std::int64_t> first_ns{0};
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  constexpr std::int64_t second_ns = 1'000'000'000;
  const std::int64_t now_ns = now.tv_sec * second_ns + now.tv_nsec;
  if (stop_signal.load() == 0) {
    first_ns = now_ns;
    stop_signal = signal;
  } else if (now_ns - first_ns >= second_ns) {
    ::_exit(128 + signal);
  }
}

// Under a launcher or in a Slurm job a second signal is no person's impatience: mpirun repeats TERM three seconds after the
// first, and Slurm sends it at the beginning and at the end of a grace period. Whoever has waited enough there sends KILL.
void on_signal_in_job(int signal) {
  if (stop_signal.load() == 0) stop_signal = signal;
}

void listen_to_signals() {
  struct sigaction action {};
  action.sa_handler = launched_world().launcher.empty() && std::getenv("SLURM_JOB_ID") == nullptr ? on_signal : on_signal_in_job;
  action.sa_flags = SA_RESTART;
  for (const int signal : {SIGTERM, SIGINT, SIGUSR1, SIGUSR2}) ::sigaction(signal, &action, nullptr);
}

// How much of the model a run of one phase teaches; several phases each say it themselves.
std::string learning_of(const Model& model, const ThawPlan& plan) {
  if (plan.phases.size() != 1) return "";
  bool all = true;
  std::int64_t learning = 0;
  for (std::size_t i = 0; i < model.parameters.size(); ++i) {
    const Parameter& parameter = model.parameters[i];
    const bool learns = plan.phases[0].learning[i];
    all = all && (learns || parameter.fixed);
    learning += learns ? parameter.value.numel() : 0;
  }
  return all ? ", all learning" : fmt::format(", {} learning", count_of(static_cast<double>(learning)));
}

// What this job is about to do, before it does it.
void banner(Telemetry& out, const Job& job, const Trainer& trainer, const Placement& placement, const std::string& resumed) {
  const Recipe& recipe = job.recipe;
  const RunData& data = job.data;
  std::int64_t rows = 0, tokens = 0, truncated = 0;
  double hours = 0;
  for (const DataSet& set : data.train) {
    hours += set.shards->index().seconds / 3600;
    rows += static_cast<std::int64_t>(set.shards->rows());
    tokens += static_cast<std::int64_t>(set.shards->tokens());
    truncated += static_cast<std::int64_t>(set.shards->truncated());
  }
  std::string sets;
  for (const DataSet& set : data.eval) {
    sets += fmt::format("{}{} {}", sets.empty() ? "" : ", ", set.name, set.shards->rows());
    truncated += static_cast<std::int64_t>(set.shards->truncated());
  }
  const double parameters = static_cast<double>(job.model->parameter_count());
  const bool bf16 = recipe.precision == Precision::bf16;
  out.say(fmt::format("model      {}{} ({}, {} parameters{})", job.place.name,
                      job.place.revision.empty() ? "" : "@" + job.place.revision.substr(0, 12), job.model->architecture,
                      count_of(parameters), learning_of(*job.model, trainer.plan())));
  if (!job.report.initialised.empty()) out.say(fmt::format("           new, to be learnt: {}", fmt::join(job.report.initialised, ", ")));
  out.say("task       " + printable(data.objective->words()));
  const std::string size = data.inputs->hears() ? fmt::format("{:.2f} h", hours) : count_of(static_cast<double>(tokens)) + " tokens";
  out.say(fmt::format("rows       train {} ({}){}{}", rows, size, sets.empty() ? "" : ", ", sets));
  if (truncated > 0)
    out.say(fmt::format("           {} rows were longer than {} tokens and are cut there", truncated, recipe.data.max_length));
  out.say(fmt::format("steps      {} of {} {}, {} grains of {}", trainer.total_steps(), recipe.batch.size, recipe.batch.unit_name(),
                      recipe.batch.size / recipe.batch.grain, recipe.batch.grain));
  out.say(fmt::format("ranks      {}, {}{} thread{} each, {:.0f} GiB of memory a node", placement.hosts,
                      placement.gpu.empty() ? "" : placement.gpu + ", ", placement.threads, placement.threads == 1 ? "" : "s",
                      static_cast<double>(placement.memory_bytes) / 1073741824.0));
  // weights and gradients in fp32, the bf16 copy, and moments, shared or not
  const double of_parameter = 8 + (bf16 ? 2 : 0) + 8.0 / (recipe.optimizer.sharded ? placement.ranks : 1);
  out.say(fmt::format("precision  {}, {:.2f} GiB of weights, gradients and optimizer state a rank",
                      bf16 ? "bf16 (fp32 master weights)" : "fp32", parameters * of_parameter / 1073741824.0));
  if (!resumed.empty()) out.say("resumed    from " + resumed);
  if (!placement.warning.empty()) out.say("warning    " + placement.warning);
  if (const std::int64_t grains = recipe.batch.size / recipe.batch.grain; grains % placement.ranks != 0)
    out.say(fmt::format(
        "warning    {} grains on {} ranks: some run one more than others, which wait; make batch.size / batch.grain a multiple of {}",
        grains, placement.ranks, placement.ranks));
}

Json result_of(const Recipe& recipe, const RunData& data, const ModelPlace& place, const Outcome& outcome, const Placement& placement,
               double started, double first_step) {
  Json result{{"task", name_of(recipe.task)},
              {"metric", outcome.metric.empty() ? Json() : Json(outcome.metric)},
              {"value", outcome.metric.empty() ? Json() : Json(outcome.best)},
              {"best_step", outcome.metric.empty() ? Json() : Json(outcome.best_step)},
              {"steps", outcome.steps},
              {"skipped_steps", outcome.skipped_steps},
              {"stopped_by", outcome.stopped_by},
              {"rows", outcome.rows},
              {"wall_s", outcome.wall_s},
              {"train_s", outcome.train_s},
              {"saves", outcome.saves},
              {"saving_s", outcome.saving_s},
              {"startup_s", first_step},
              {"first_step_at", started},
              {"rows_per_s", outcome.train_s > 0 ? static_cast<double>(outcome.rows) / outcome.train_s : 0},
              {"ranks", placement.ranks},
              {"threads", placement.threads},
              {"precision", recipe.precision == Precision::bf16 ? "bf16" : "fp32"},
              {"seed", recipe.seed},
              {"model", place.name},
              {"model_revision", place.revision},
              {"phases", outcome.phases},
              {"version", THAW_VERSION}};
  const bool audio = data.inputs->hears();
  const Json size = size_value(outcome.tokens, audio);
  result[size_name(audio)] = size;
  result[fmt::format("{}_per_s", size_name(audio))] = outcome.train_s > 0 ? size.get<double>() / outcome.train_s : 0;
  for (const auto& [name, value] : outcome.last) result["metrics"][name] = value;
  return result;
}

// Text that rank 0 knows, on every rank.
std::string from_first(Communicator& comm, std::string text) {
  std::uint64_t size = text.size();
  comm.broadcast(&size, sizeof size, 0);
  text.resize(size);
  comm.broadcast(text.data(), size, 0);
  return text;
}

// One run of one recipe; holds what the parts point at.
class TrainCommand {
 public:
  struct Options {
    std::string recipe;
    std::vector<std::string> overrides;
    bool json = false, fork = false;
    int stopped_exit_code = static_cast<int>(ExitCode::requeue);
  };
  // `reporter`: to the supervisor, where one started this rank.
  TrainCommand(Options options, Reporter* reporter) : options_(std::move(options)), reporter_(reporter) {}

  int run(Ranks& ranks) {
    listen_to_signals();
    Job job =
        resolve_job(options_.recipe, options_.overrides, ranks, [&](const Recipe& recipe) { return grain_of_run(recipe, *ranks.comm); });
    const Recipe& recipe = job.recipe;

    // Rank 0 owns the directory; what it finds there decides for all.
    std::string found;
    if (ranks.first()) {
      run_ = std::make_unique<RunDirectory>(RunDirectory::open(recipe.output_dir, recipe, {}, options_.fork));
      clear_unfinished_checkpoints(run_->path());
      const std::optional<Json> status = run_->status();
      found = status && status->value("state", "") == "done" ? "finished" : "";
      if (found.empty()) {
        const FoundCheckpoint checkpoint = newest_checkpoint(run_->path());
        for (const std::string& damage : checkpoint.damaged) fmt::print(stderr, "thaw: passed over {}\n", damage);
        found = checkpoint.path.value_or("").string();
      }
    }
    found = from_first(*ranks.comm, found);
    if (found == "finished") {
      if (ranks.first() && options_.json) fmt::print("{}", read_file(run_->path() / "result.json"));
      else if (ranks.first()) fmt::print("{}: this run is finished; its result stands in result.json\n", recipe.output_dir);
      return 0;
    }

    const auto lost = [this, &ranks](const std::string& who) {
      fmt::print(stderr, "\nthaw: rank {} of {}: {}\n", ranks.comm->rank(), ranks.comm->size(), who);
      std::fflush(stderr);
      failed(CommError(who));
      std::_Exit(static_cast<int>(ExitCode::peer_lost));
    };
    auto watchdog = std::make_unique<Watchdog>(ranks.comm, recipe.comm_timeout_s, lost);
    Telemetry telemetry(run_.get(), !ranks.first());
    std::unique_ptr<Reporter::Following> following = report(*ranks.comm, telemetry, *watchdog, recipe.without_supervisor, lost);
    load_job(job, ranks, [&](const std::string& line) { telemetry.say(printable(line)); });
    const auto export_best = [&] {
      export_model(*job.model, job.data, recipe.data.max_length, job.place.directory, run_->path() / "best");
    };
    if (job.data.inputs->hears()) telemetry.count_audio();
    Trainer trainer(
        {recipe, ranks.comm, ranks.devices, *job.model, job.data, run_.get(), telemetry, export_best, ranks.placement.memory_bytes});
    std::int64_t from = 0;
    bool evaluation_due = false;
    if (!found.empty()) {
      const State state = load_checkpoint(found);
      from = state.values.at("cursor").at("step");
      evaluation_due = state.values.at("evaluation_due");
      trainer.load(state, options_.fork);
    }
    if (run_) run_->truncate_log(from, evaluation_due);  // a killed run may have logged further than it saved
    banner(telemetry, job, trainer, ranks.placement, found.empty() ? "" : fs::path(found).filename().string());
    if (job.cut) telemetry.say(fmt::format("           max_length is the model's {}", recipe.data.max_length));

    const double first_step = process_age_s(), started = unix_now();
    const Outcome outcome = trainer.run();
    if (run_) close(recipe, job.data, job.place, outcome, ranks.placement, started, first_step, export_best);
    following.reset();
    watchdog.reset();
    ranks.comm->barrier();  // nobody leaves before all that was written is
    return outcome.finished ? static_cast<int>(ExitCode::done) : options_.stopped_exit_code;
  }

  void failed(const Error& error) {
    if (reporter_ != nullptr) reporter_->last_words(static_cast<int>(error.code()), error.what());
    if (!run_) return;
    try {
      run_->write_status({{"state", "failed"}, {"exit_code", static_cast<int>(error.code())}, {"message", error.what()}});
    } catch (const Error&) {
      // The disk may be what failed: the message on the terminal has to do.
    }
  }

 private:
  // What was chosen when this run began, perhaps on another number of ranks; 0 where it has not begun.
  static std::int64_t grain_of_run(const Recipe& recipe, Communicator& comm) {
    std::int64_t grain = 0;
    const fs::path resolved = fs::path(recipe.output_dir) / "recipe.yaml";
    if (comm.rank() == 0 && fs::exists(fs::path(recipe.output_dir) / "checkpoints") && fs::exists(resolved)) {
      const BatchRecipe before = read_recipe(resolved).batch;
      if (before.unit == recipe.batch.unit && before.size == recipe.batch.size) grain = before.grain;
    }
    comm.broadcast(&grain, sizeof grain, 0);
    return grain;
  }

  // Tells the supervisor, if there is one, what this rank is at, and does as it says.
  std::unique_ptr<Reporter::Following> report(const Communicator& comm, const Telemetry& telemetry, const Watchdog& watchdog,
                                              WithoutSupervisor without, const std::function<void(const std::string&)>& lost) {
    if (reporter_ == nullptr) return nullptr;
    Reporter::Duties duties;
    duties.look = [&] {
      const Activity now = telemetry.activity();
      const CurrentCollective collective = comm.current();
      Pulse pulse;
      pulse.state = now.state;
      pulse.step = now.step;
      pulse.total_steps = now.total_steps;
      pulse.phase = now.phase;
      pulse.loss = now.loss;
      pulse.collective = collective.name;
      pulse.collectives = collective.sequence;
      pulse.bytes = collective.bytes;
      pulse.since_s = collective.seconds();
      pulse.waited_s = comm.waited_s();
      pulse.stopped = watchdog.stopped();
      return pulse;
    };
    duties.stop = [](int signal) { stop_signal = signal; };
    duties.alone = [&comm, without] {
      if (comm.rank() == 0)
        fmt::print(stderr, "thaw: the supervisor has gone: {} (without_supervisor)\n",
                   without == WithoutSupervisor::stop ? "a checkpoint is saved, then the run stops" : "the run goes on without it");
      if (without == WithoutSupervisor::stop) stop_signal = SIGTERM;
    };
    duties.cut_off = lost;
    return reporter_->follow(std::move(duties));
  }

  void close(const Recipe& recipe, const RunData& data, const ModelPlace& place, const Outcome& outcome, const Placement& placement,
             double started, double first_step, const std::function<void()>& export_best) {
    run_->check();
    const Json last = outcome.last_checkpoint > 0 ? Json(checkpoint_name(outcome.last_checkpoint)) : Json();
    if (!outcome.finished) {
      const Json status{
          {"state", "stopped"}, {"exit_code", 75}, {"step", outcome.steps}, {"last_checkpoint", last}, {"message", outcome.stopped_by}};
      run_->write_status(status);
      if (options_.json) fmt::print("{}\n", status.dump());
      else fmt::print("stopped at step {} ({}); the same command goes on from there\n", outcome.steps, outcome.stopped_by);
      return;
    }
    if (outcome.best_step == 0) export_best();  // nothing to choose by: the last weights
    run_->write_result(result_of(recipe, data, place, outcome, placement, started, first_step));
    run_->write_status(
        {{"state", "done"}, {"exit_code", 0}, {"step", outcome.steps}, {"last_checkpoint", last}, {"message", outcome.stopped_by}});
    if (options_.json) {
      fmt::print("{}", read_file(run_->path() / "result.json"));
      return;
    }
    fmt::print(
        "{}model      {}\n",
        outcome.metric.empty() ? "" : fmt::format("best       {} {:.4f} at step {}\n", outcome.metric, outcome.best, outcome.best_step),
        (run_->path() / "best").string());
  }

  Options options_;
  Reporter* reporter_;
  std::unique_ptr<RunDirectory> run_;
};

}  // namespace

void add_train(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("train", "Fine-tune a pretrained model as a recipe says");
  auto options = std::make_shared<TrainCommand::Options>();
  command->add_option("recipe", options->recipe, "The recipe, a YAML file")->required();
  command->add_option("overrides", options->overrides, "key.sub=value: changes to the recipe");
  command->add_flag("--fork", options->fork,
                    "Go on from the run's last checkpoint although the recipe has changed; what it was is kept beside it");
  command
      ->add_option("--stopped-exit-code", options->stopped_exit_code,
                   "Instead of 75: mpirun takes what is not 0 for a crash, and waits for twice its odls_base_sigkill_timeout; status.json "
                   "tells what became of the run")
      ->check(CLI::Range(0, 125));
  command->add_flag("--json", options->json, "At the end, the result as one JSON object on standard output");
  command->footer(
      "Example:  mpirun -n 2 thaw train recipes/quickstart.yaml seed=7 optimizer.lr=3e-5\nRun again, it goes on where it stopped. `touch "
      "RUN/save-now` "
      "saves a checkpoint; TERM, INT, USR1 and USR2 stop with one (exit code 75).");
  command->callback([=, &exit_code] {
    const std::unique_ptr<Reporter> reporter = Reporter::of_environment(launched_world());
    TrainCommand run(*options, reporter.get());
    exit_code = run_on_ranks([&](Ranks& ranks) { return run.run(ranks); }, [&](const Error& error) { run.failed(error); });
    if (reporter && exit_code % static_cast<int>(ExitCode::requeue) == 0) reporter->last_words(exit_code, "");
  });
}

}  // namespace thaw
