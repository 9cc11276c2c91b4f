#include "framework/train/checkpoint.h"

#include <algorithm>
#include <charconv>

#include "framework/base/error.h"
#include "framework/base/file.h"
#include "framework/base/hash.h"

namespace thaw {
namespace {

constexpr int format_version = 1;
constexpr std::string_view aside = ".replaced";

// Steps of the finished checkpoints, newest first.
std::vector<std::int64_t> steps_in(const fs::path& directory) {
  std::vector<std::int64_t> steps;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(directory, error)) {
    const std::string name = entry.path().filename();
    std::int64_t step = 0;
    if (name.starts_with("step-") && std::from_chars(name.data() + 5, name.data() + name.size(), step).ptr == name.data() + name.size())
      steps.push_back(step);
  }
  std::sort(steps.rbegin(), steps.rend());
  return steps;
}

// Empty where the checkpoint is whole, else what is wrong with it.
std::string damage_of(const fs::path& checkpoint) {
  try {
    const JsonFile manifest(checkpoint / "manifest.json");
    if (manifest.view()["format_version"].integer() != format_version) return "written by another version of Thaw";
    if (checkpoint_name(manifest.view()["step"].integer()) != checkpoint.filename()) return "its manifest is of another step";
    const JsonView files = manifest.view()["files"];
    if (files.raw().empty()) return "its manifest names no files";
    for (const auto& [name, unused] : files.raw().items()) {
      if (name.find('/') != std::string::npos) return "its manifest names a file outside";
      const JsonView file = files[name];
      const MappedFile content(checkpoint / name);
      if (static_cast<std::int64_t>(content.bytes().size()) != file["bytes"].integer())
        return fmt::format("{} has {} bytes instead of {}", name, content.bytes().size(), file["bytes"].integer());
      if (hash_hex(content.text()) != file["xxh3"].text()) return fmt::format("the checksum of {} fails", name);
    }
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

}  // namespace

std::string checkpoint_name(std::int64_t step) { return fmt::format("step-{:08}", step); }

fs::path CheckpointPlace::temporary() const { return run / "checkpoints" / fmt::format("{}.{}.tmp", checkpoint_name(step), generation); }

void begin_checkpoint(const CheckpointPlace& place) {
  std::error_code ignored;
  fs::remove_all(place.temporary(), ignored);
  make_directory(place.temporary());
}

Json write_share(const CheckpointPlace& place, const State& share, int writer, int of) {
  const std::string name = fmt::format("state-{:05}-of-{:05}.safetensors", writer, of);
  const WrittenFile file = save_state(place.temporary() / name, share);
  return {{name, {{"bytes", file.bytes}, {"xxh3", file.xxh3}}}};
}

void publish_checkpoint(const CheckpointPlace& place, const Json& files, std::int64_t keep, bool is_best) {
  const fs::path directory = place.run / "checkpoints", final = directory / checkpoint_name(place.step);
  const Json manifest{{"format_version", format_version}, {"step", place.step}, {"files", files}};
  write_file_atomically(place.temporary() / "manifest.json", manifest.dump(2) + "\n");
  // One of the same step (saved before its evaluation, say) goes aside first, not away: a kill in between leaves it there.
  const fs::path replaced = final.string() + std::string(aside);
  std::error_code error, ignored;
  fs::remove_all(replaced, ignored);
  if (fs::exists(final)) fs::rename(final, replaced, error);
  if (!error) fs::rename(place.temporary(), final, error);
  if (error) throw FileError(ExitCode::cannot_write, "{}: cannot rename into place: {}", final.string(), error.message());
  flush_to_disk(directory);
  fs::remove_all(replaced, ignored);
  write_file_atomically(directory / "latest", checkpoint_name(place.step) + "\n");
  if (is_best) write_file_atomically(directory / "best", checkpoint_name(place.step) + "\n");
  const std::string best = fs::exists(directory / "best") ? read_file(directory / "best") : "";
  const std::vector<std::int64_t> steps = steps_in(directory);
  for (std::size_t i = static_cast<std::size_t>(std::max<std::int64_t>(keep, 1)); i < steps.size(); ++i)
    if (checkpoint_name(steps[i]) + "\n" != best) fs::remove_all(directory / checkpoint_name(steps[i]), ignored);
}

void save_checkpoint(const fs::path& run, std::int64_t step, const State& state, std::int64_t keep) {
  const CheckpointPlace place{run, step};
  begin_checkpoint(place);
  publish_checkpoint(place, write_share(place, state, 0, 1), keep, /*is_best=*/false);
}

void clear_unfinished_checkpoints(const fs::path& run) {
  std::error_code error, ignored;
  std::vector<fs::path> entries;
  for (const fs::directory_entry& entry : fs::directory_iterator(run / "checkpoints", error)) entries.push_back(entry.path());
  for (const fs::path& path : entries) {
    const std::string name = path.string();
    if (name.ends_with(".tmp")) fs::remove_all(path, ignored);
    if (!name.ends_with(aside)) continue;
    const fs::path final = name.substr(0, name.size() - aside.size());
    if (fs::exists(final)) fs::remove_all(path, ignored);
    else fs::rename(path, final, ignored);
  }
  const std::vector<std::int64_t> steps = steps_in(run / "checkpoints");
  const fs::path latest = run / "checkpoints" / "latest";
  if (steps.empty() || (fs::exists(latest) && read_file(latest) == checkpoint_name(steps.front()) + "\n")) return;
  write_file_atomically(latest, checkpoint_name(steps.front()) + "\n");
}

FoundCheckpoint newest_checkpoint(const fs::path& run) {
  FoundCheckpoint found;
  for (const std::int64_t step : steps_in(run / "checkpoints")) {
    const fs::path checkpoint = run / "checkpoints" / checkpoint_name(step);
    const std::string damage = damage_of(checkpoint);
    if (damage.empty()) {
      found.path = checkpoint;
      break;
    }
    found.damaged.push_back(fmt::format("{}: {}", checkpoint_name(step), damage));
  }
  return found;
}

State load_checkpoint(const fs::path& checkpoint) {
  const JsonFile manifest(checkpoint / "manifest.json");
  State state;
  for (const auto& [name, unused] : manifest.view()["files"].raw().items()) {
    State share = load_state(checkpoint / name);
    state.tensors.merge(share.tensors);
    state.mapped.merge(share.mapped);
    if (!share.values.empty()) state.values = std::move(share.values);
  }
  return state;
}

}  // namespace thaw
