#include "framework/train/checkpoint.h"

#include <algorithm>
#include <charconv>

#include "framework/base/error.h"
#include "framework/base/file.h"
#include "framework/base/hash.h"

namespace thaw {
namespace {

constexpr int format_version = 1;

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
    const JsonView files = manifest.view()["files"];
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

void save_checkpoint(const fs::path& run, std::int64_t step, const State& state, std::int64_t keep) {
  const fs::path directory = run / "checkpoints", final = directory / checkpoint_name(step), temporary = final.string() + ".tmp";
  make_directory(directory);
  std::error_code ignored;
  fs::remove_all(temporary, ignored);
  make_directory(temporary);
  const WrittenFile written = save_state(temporary / "state.safetensors", state);
  const Json manifest{{"format_version", format_version},
                      {"step", step},
                      {"files", {{"state.safetensors", {{"bytes", written.bytes}, {"xxh3", written.xxh3}}}}}};
  write_file_atomically(temporary / "manifest.json", manifest.dump(2) + "\n");
  fs::remove_all(final, ignored);
  std::error_code error;
  fs::rename(temporary, final, error);
  if (error) throw FileError(ExitCode::cannot_write, "{}: cannot rename into place: {}", final.string(), error.message());
  flush_to_disk(directory);
  write_file_atomically(directory / "latest", checkpoint_name(step) + "\n");
  const std::vector<std::int64_t> steps = steps_in(directory);
  for (std::size_t i = static_cast<std::size_t>(std::max<std::int64_t>(keep, 1)); i < steps.size(); ++i)
    fs::remove_all(directory / checkpoint_name(steps[i]), ignored);
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

State load_checkpoint(const fs::path& checkpoint) { return load_state(checkpoint / "state.safetensors"); }

}  // namespace thaw
