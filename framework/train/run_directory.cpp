#include "framework/train/run_directory.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <ctime>
#include <utility>

#include "framework/base/error.h"
#include "framework/base/file.h"
#include "framework/base/temporaries.h"

namespace thaw {
namespace {

std::string dump(const Json& value, int indent) { return value.dump(indent, ' ', false, Json::error_handler_t::replace) + "\n"; }

[[noreturn]] void fail(const fs::path& path, const char* what, int error) {
  throw FileError(ExitCode::cannot_write, "{}: cannot {}: {}{}", path.string(), what, std::strerror(error),
                  error == ENOSPC || error == EDQUOT ? "; free some space, or choose another output_dir" : "");
}

// A run that was refused before its first step (a row of its data, say) left nothing to keep: its recipe may be mended.
bool begun(const fs::path& run) {
  std::error_code error;
  const auto logged = fs::file_size(run / "log.jsonl", error);
  return (!error && logged > 0) || fs::exists(run / "checkpoints") || fs::exists(run / "result.json");
}

void keep_recipe(const fs::path& path, const Recipe& recipe, bool fork) {
  if (fs::exists(path) && begun(path.parent_path())) {
    std::string lines;
    for (const std::string& line : differences(read_recipe(path), recipe)) lines += "\n  " + line;
    if (!lines.empty() && !fork)
      throw RecipeError(
          "{}: this directory holds the run of another recipe; choose another output_dir, undo these changes, or go on with them by "
          "--fork:{}",
          path.string(), lines);
    if (!lines.empty()) {
      int number = 1;
      fs::path old;
      do old = path.parent_path() / fmt::format("recipe.{}.yaml", number++);
      while (fs::exists(old));
      write_file_atomically(old, read_file(path));
    }
  }
  const std::string text = "# The resolved recipe of this run, written by thaw.\n" + to_yaml(recipe);
  if (!fs::exists(path) || read_file(path) != text) write_file_atomically(path, text);
}

}  // namespace

RunDirectory RunDirectory::open(const fs::path& path, const Recipe& recipe, LeaseTimes times, bool fork) {
  RunDirectory run(path, times);
  for (const fs::path& folder : {path, path / "checkpoints"}) remove_temporaries(folder);
  keep_recipe(path / "recipe.yaml", recipe, fork);
  run.open_log();
  return run;
}

RunDirectory::RunDirectory(fs::path path, LeaseTimes times) : path_(std::move(path)) {
  make_directory(path_);
  lease_ = std::make_unique<Lease>(path_, times);
}

RunDirectory::RunDirectory(RunDirectory&& other) noexcept
    : path_(std::move(other.path_)), lease_(std::move(other.lease_)), log_(std::exchange(other.log_, -1)) {}

RunDirectory::~RunDirectory() { close_log(); }

void RunDirectory::release() noexcept {
  close_log();
  if (lease_) lease_->release();
}

void RunDirectory::open_log() {
  const fs::path path = path_ / "log.jsonl";
  log_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (log_ < 0) fail(path, "open", errno);
  // A writer that was killed may have left half a line.
  off_t end = ::lseek(log_, 0, SEEK_END);
  for (char last = 0; end > 0 && ::pread(log_, &last, 1, end - 1) == 1 && last != '\n';) --end;
  if (::ftruncate(log_, end) != 0) fail(path, "truncate", errno);
}

void RunDirectory::close_log() {
  if (const int descriptor = std::exchange(log_, -1); descriptor >= 0) ::close(descriptor);
}

void RunDirectory::append_log(const Json& entry) {
  check();
  const std::string line = dump(entry, -1);
  const off_t before = ::lseek(log_, 0, SEEK_END);
  ssize_t wrote = 0;
  do wrote = ::write(log_, line.data(), line.size());
  while (wrote < 0 && errno == EINTR);
  if (wrote == static_cast<ssize_t>(line.size())) return;
  const int error = wrote < 0 ? errno : ENOSPC;  // a short write is a full disk
  if (::ftruncate(log_, before) != 0) fail(path_ / "log.jsonl", "take back half a line", errno);
  fail(path_ / "log.jsonl", "write", error);
}

void RunDirectory::truncate_log(std::int64_t step, bool before_evaluation) {
  check();
  const fs::path path = path_ / "log.jsonl";
  const std::string text = read_file(path);
  std::string kept;
  bool keep = true;  // a line without a step goes with the line before it
  for (std::size_t start = 0; start < text.size();) {
    const std::size_t end = std::min(text.find('\n', start), text.size() - 1) + 1;
    const std::string line = text.substr(start, end - start);
    const Json entry = Json::parse(line, nullptr, false);
    if (entry.is_object() && entry.contains("step") && entry["step"].is_number())
      keep = entry["step"].get<double>() <= static_cast<double>(step - (before_evaluation && entry.contains("evaluation_s") ? 1 : 0));
    if (keep && !entry.is_discarded()) kept += line;
    start = end;
  }
  if (kept.size() == text.size()) return;
  close_log();
  write_file_atomically(path, kept);
  open_log();
}

void RunDirectory::write_status(const Json& status) {
  check();
  const std::string state = status.value("state", "");
  constexpr std::array states{"running", "done", "stopped", "failed"};
  if (std::find(states.begin(), states.end(), state) == states.end())
    throw FileError(ExitCode::bug, "status.json: no such state: '{}'", state);
  OrderedJson out = {{"state", state}, {"exit_code", nullptr}, {"step", nullptr}, {"last_checkpoint", nullptr}, {"message", ""}};
  for (const auto& [key, value] : status.items()) out[key] = value;
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  char updated[32];
  std::strftime(updated, sizeof updated, "%Y-%m-%dT%H:%M:%SZ", &parts);
  out["updated"] = updated;
  write_file_atomically(path_ / "status.json", dump(out, 2));
}

void RunDirectory::write_result(const Json& result) {
  check();
  write_file_atomically(path_ / "result.json", dump(result, -1));
}

std::optional<Json> RunDirectory::status() const {
  const fs::path path = path_ / "status.json";
  if (!fs::exists(path)) return std::nullopt;
  return JsonFile(path).raw();
}

}  // namespace thaw
