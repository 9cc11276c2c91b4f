#include "framework/models/hub.h"

#include <algorithm>
#include <cstdlib>

#include "framework/base/error.h"
#include "framework/base/file.h"

namespace thaw {
namespace {

fs::path hub_cache() {
  const auto variable = [](const char* name) {
    const char* const value = std::getenv(name);
    return fs::path(value != nullptr ? value : "");
  };
  if (const fs::path cache = variable("HF_HUB_CACHE"); !cache.empty()) return cache;
  if (const fs::path home = variable("HF_HOME"); !home.empty()) return home / "hub";
  if (const fs::path cache = variable("XDG_CACHE_HOME"); !cache.empty()) return cache / "huggingface/hub";
  return variable("HOME") / ".cache/huggingface/hub";
}

bool plain(const std::string& part) {
  return !part.empty() && part != "." && part != ".." &&
         std::all_of(part.begin(), part.end(), [](unsigned char c) { return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.'; });
}

bool commit_like(const std::string& revision) {
  return revision.size() == 40 && revision.find_first_not_of("0123456789abcdef") == std::string::npos;
}

}  // namespace

ModelPlace find_model(const std::string& model) {
  if (fs::is_directory(model)) {
    const auto is_model = [](const fs::directory_entry& file) {
      const fs::path name = file.path().filename();
      return name == "config.json" || name == "model.bin" || name.extension() == ".pt";  // the hub's, CTranslate2's, OpenAI's
    };
    if (std::none_of(fs::directory_iterator(model), fs::directory_iterator(), is_model))
      throw ModelError(ExitCode::input_missing, "{}: expected a model directory, but there is no config.json in it", model);
    return {model, model, ""};
  }
  const std::size_t at = model.find('@'), slash = model.find('/');
  const std::string name = model.substr(0, at), revision = at == std::string::npos ? "main" : model.substr(at + 1);
  const std::string org = name.substr(0, slash), rest = slash == std::string::npos ? "" : name.substr(slash + 1);
  if (!plain(org) || !plain(rest) || revision.empty() || revision.find("..") != std::string::npos)
    throw ModelError(ExitCode::input_missing,
                     "model: '{}' is neither a directory that exists nor a hub name (org/name or org/name@revision)", model);

  const fs::path cache = hub_cache(), repository = cache / fmt::format("models--{}--{}", org, rest);
  std::string commit = revision;
  if (!commit_like(revision)) {
    const fs::path reference = repository / "refs" / revision;
    commit = fs::is_regular_file(reference) ? read_file(reference) : "";
    commit.erase(commit.find_last_not_of(" \r\n") + 1);
  }
  const fs::path snapshot = repository / "snapshots" / commit;
  if (commit.empty() || !commit_like(commit) || !fs::exists(snapshot / "config.json"))
    throw ModelError(ExitCode::input_missing, "model: {} is not in the hub's cache {}; on a machine with a network run: hf download {}{}",
                     model, cache.string(), name, revision == "main" ? "" : " --revision " + revision);
  return {snapshot, model, commit};
}

}  // namespace thaw
