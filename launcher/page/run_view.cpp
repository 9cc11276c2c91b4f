#include "launcher/page/run_view.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <vector>

#include "framework/base/error.h"
#include "framework/base/file.h"
#include "framework/base/lease.h"
#include "launcher/page/phase_view.h"

namespace thaw {
namespace {

constexpr std::size_t most_events = 500;

double modified_at(const fs::path& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return 0;
  return static_cast<double>(info.st_mtim.tv_sec) + 1e-9 * static_cast<double>(info.st_mtim.tv_nsec);
}

std::string schedule_text(const ScheduleRecipe& schedule) {
  switch (schedule.name) {
    case ScheduleKind::constant: return "constant";
    case ScheduleKind::linear: return "linear";
    case ScheduleKind::cosine: return "cosine";
    case ScheduleKind::slanted_triangular: return "slanted_triangular";
    case ScheduleKind::one_cycle: return "one_cycle";
    case ScheduleKind::tri_stage: return "tri_stage";
  }
  return "";
}

Json member(const Json& object, const char* key) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  return object.is_object() && found != object.end() ? *found : Json();
}

}  // namespace

RunView::RunView(std::filesystem::path run)
    : path_(std::move(run)),
      log_lines_(
          path_ / "log.jsonl", [this](const Json& entry) { log_.take(entry); }, [this] { log_.clear(); }),
      event_lines_(
          path_ / "launch" / "events.jsonl",
          [this](const Json& event) {
            events_.push_back(event);
            if (events_.size() > most_events) events_.erase(0);
          },
          [this] { events_ = Json::array(); }),
      recipe_file_{path_ / "recipe.yaml", ""},
      status_file_{path_ / "status.json", ""},
      result_file_{path_ / "result.json", ""} {}

bool RunView::Watched::changed() {
  struct stat info {};
  const std::string now = ::stat(path.c_str(), &info) != 0
                              ? "none"
                              : fmt::format("{} {} {}.{}", info.st_ino, info.st_size, info.st_mtim.tv_sec, info.st_mtim.tv_nsec);
  return std::exchange(stamp, now) != now;
}

void RunView::read_small(Watched& file, Json& value) {
  if (!file.changed()) return;
  value = Json();
  if (file.stamp == "none") return;
  try {
    value = JsonFile(file.path).raw();
  } catch (const Error&) {  // not ours to mend: the run goes on without it
  }
  if (!value.is_object()) value = Json();
}

void RunView::read_recipe_file() {
  if (!recipe_file_.changed()) return;
  recipe_.reset();
  recipe_error_.clear();
  if (recipe_file_.stamp == "none") return;
  try {
    recipe_ = read_recipe(recipe_file_.path);
  } catch (const Error& error) {
    recipe_error_ = error.what();
  }
}

Json RunView::recipe_summary() const {
  if (!recipe_) return recipe_error_.empty() ? Json() : Json{{"error", recipe_error_}};
  const Recipe& r = *recipe_;
  Json train = Json::array(), eval = Json::array();
  for (const DataSource& source : r.data.train) train.push_back(source.path);
  for (const auto& [name, file] : r.data.eval) eval.push_back({{"name", name}, {"path", file}});
  return {{"model", r.model},
          {"task", name_of(r.task)},
          {"precision", r.precision == Precision::bf16 ? "bf16" : "fp32"},
          {"batch", fmt::format("{} {}", r.batch.size, r.batch.unit_name())},
          {"optimizer", r.optimizer.name},
          {"lr", r.optimizer.lr},
          {"schedule", schedule_text(r.schedule)},
          {"metric", r.evaluate.metric.empty() ? Json() : Json(r.evaluate.metric)},
          {"labels", r.data.labels},
          {"seed", r.seed},
          {"reproducible", r.reproducible},
          {"train", train},
          {"eval", eval}};
}

Json RunView::checkpoints() const {
  const fs::path folder = path_ / "checkpoints";
  const std::string latest = first_line(folder / "latest"), best = first_line(folder / "best");
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error))
    if (const std::string name = entry->path().filename().string(); name.starts_with("step-") && !name.ends_with(".tmp"))
      names.push_back(name);
  std::sort(names.begin(), names.end());
  Json all = Json::array();
  for (const std::string& name : names)
    all.push_back({{"name", name},
                   {"step", std::strtoll(name.c_str() + 5, nullptr, 10)},
                   {"at", short_number(std::floor(modified_at(folder / name)))},
                   {"latest", name == latest},
                   {"best", name == best}});
  return all;
}

// status.json tells how the last process ended, or what one wrote at its last checkpoint; whether one is alive, the lease tells.
Json RunView::outcome() const {
  std::optional<LeaseSeen> owner;
  try {
    owner = look_at_lease(path_);
  } catch (const Error&) {  // not ours to read
  }
  const std::string said =
      status_.is_object() && status_.contains("state") && status_["state"].is_string() ? status_["state"].get<std::string>() : "";
  const bool begun = log_.steps().count() > 0 || !said.empty();
  const std::string state = owner && owner->alive                                     ? (log_.steps().count() > 0 ? "running" : "starting")
                            : said == "done" || said == "stopped" || said == "failed" ? said
                            : begun || owner                                          ? "interrupted"
                                                                                      : "waiting";
  Json out{{"state", state}, {"exit_code", Json()}, {"message", ""}, {"updated", member(status_, "updated")}, {"owner", Json()}};
  if (state == said) {
    out["exit_code"] = member(status_, "exit_code");
    out["message"] = member(status_, "message");
  }
  if (owner)
    out["owner"] = {{"host", owner->host},
                    {"pid", owner->pid},
                    {"job", owner->job},
                    {"since", owner->since},
                    {"heartbeat_at", short_number(std::floor(owner->heartbeat_at))}};
  return out;
}

Json RunView::read(std::size_t budget_bytes) {
  read_recipe_file();
  read_small(status_file_, status_);
  read_small(result_file_, result_);
  const bool events_whole = event_lines_.read(budget_bytes), log_whole = log_lines_.read(budget_bytes);

  Json view = outcome();
  const PhaseTimeline line = phase_timeline(recipe_ ? &*recipe_ : nullptr, log_, result_);
  const StepSeries& steps = log_.steps();
  const bool any = steps.count() > 0;
  std::error_code ignored;
  const fs::path whole = fs::absolute(path_, ignored).lexically_normal();
  view["name"] = (whole.has_filename() ? whole : whole.parent_path()).filename().string();
  view["directory"] = whole.string();
  view["complete"] = events_whole && log_whole;
  view["log_bytes"] = log_lines_.bytes();
  view["refused_lines"] = log_lines_.refused() + event_lines_.refused();
  view["recipe"] = recipe_summary();
  view["ranks"] = member(result_, "ranks");
  view["step"] = any ? static_cast<std::int64_t>(steps.last().step) : 0;
  view["epoch"] = any ? short_number(steps.last().epoch) : Json();
  view["phase"] = any ? short_number(steps.last().phase) : Json();
  view["total_steps"] = line.total_steps ? Json(*line.total_steps) : Json();
  view["total_steps_exact"] = line.exact;
  view["steps_per_epoch"] = log_.steps_per_epoch() ? Json(*log_.steps_per_epoch()) : Json();
  view["rows"] = short_number(log_.rows());
  view["train_s"] = short_number(log_.train_s());
  view["not_finite"] = log_.not_finite();
  view["steps"] = steps.points();
  view["means"] = steps.means();
  view["phases"] = line.phases;
  view["evaluations"] = log_.evaluations();
  const Json& best = log_.best_evaluation();
  const std::string metric = recipe_ ? recipe_->evaluate.metric : "";
  view["best"] = best.is_null() ? Json()
                                : Json{{"step", best["step"]},
                                       {"metric", metric.empty() ? Json() : Json(metric)},
                                       {"value", metric.empty() ? Json() : member(best["metrics"], metric.c_str())}};
  view["checkpoints"] = checkpoints();
  view["events"] = events_;
  view["result"] = result_;
  return view;
}

Json run_view(const std::filesystem::path& run) {
  RunView view(run);
  return view.read(std::numeric_limits<std::size_t>::max());
}

void require_run(const std::filesystem::path& path) {
  if (!fs::is_directory(path))
    throw FileError(ExitCode::input_missing, "{}: expected a run directory, found {}; name the output_dir of a recipe", path.string(),
                    fs::exists(path) ? "a file" : "nothing");
  for (const char* const part : {"recipe.yaml", "log.jsonl", "status.json", "launch"})
    if (fs::exists(path / part)) return;
  throw FileError(ExitCode::input_missing,
                  "{}: expected a run directory, found neither recipe.yaml nor log.jsonl in it; name the output_dir of a recipe",
                  path.string());
}

}  // namespace thaw
