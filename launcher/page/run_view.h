// A run directory as one JSON object, for the live page and for other programs; README.md says what is in it. The log is read
// on from where the last look ended, so a look at a log of gigabytes costs what is new. Files that are missing, torn, cut or
// written in the very moment never stop it: what they do not tell is null or absent. Nothing is written.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "framework/base/json.h"
#include "framework/train/recipe.h"
#include "launcher/page/json_lines.h"
#include "launcher/page/run_log.h"

namespace thaw {

class RunView {
 public:
  // The directory need not be there yet.
  explicit RunView(std::filesystem::path run);
  RunView(const RunView&) = delete;
  RunView& operator=(const RunView&) = delete;

  // One look. At most about `budget_bytes` of the log are parsed (4 MiB: less than a tenth of a second); "complete" says whether it was
  // all, and the next look goes on.
  Json read(std::size_t budget_bytes = 4 << 20);

  const std::filesystem::path& path() const { return path_; }

 private:
  // A small file that is parsed again only where it has changed; `parse` may throw, and then what was there stays.
  struct Watched {
    std::filesystem::path path;
    std::string stamp;
    bool changed();  // since the last call; also to being gone
  };
  void read_recipe_file();
  void read_small(Watched& file, Json& value);
  Json recipe_summary() const;
  Json checkpoints() const;
  Json outcome() const;

  std::filesystem::path path_;
  RunLog log_;
  Json events_ = Json::array();
  JsonLines log_lines_, event_lines_;
  Watched recipe_file_, status_file_, result_file_;
  std::optional<Recipe> recipe_;
  std::string recipe_error_;
  Json status_, result_;  // null where there is none
};

// All of it at once.
Json run_view(const std::filesystem::path& run);

// FileError (66) where `path` is no run directory: there is neither a recipe nor a log nor a launch in it.
void require_run(const std::filesystem::path& path);

}  // namespace thaw
