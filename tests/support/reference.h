// Reference implementations run in Python, in the virtual environment that set-up makes.
#pragma once

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "framework/base/hash.h"
#include "framework/base/json.h"

namespace thaw::test {

inline std::filesystem::path environment() {
  const char* const given = std::getenv("THAW_VENV");
  return given != nullptr ? given : THAW_SOURCE_DIR "/build/venv";
}

// The environment's Python, or what asks one that has imported everything already (judges.py); nothing where there is none.
inline std::optional<std::string> python() {
  if (std::getenv("THAW_JUDGES") != nullptr) return THAW_SOURCE_DIR "/tests/support/ask_judges.py";
  const std::filesystem::path found = environment() / "bin/python";
  return std::filesystem::exists(found) ? std::optional(found.string()) : std::nullopt;
}

// Changes with the script, with its neighbours, which it may import, and with the versions of what it runs.
inline std::string version_of(const std::filesystem::path& script) {
  std::vector<std::filesystem::path> files{THAW_SOURCE_DIR "/tests/requirements.txt"};
  for (const auto& entry : std::filesystem::directory_iterator(script.parent_path()))
    if (entry.path().extension() == ".py") files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  Hasher hasher;
  for (const auto& file : files) hasher.update(file.string()).update(hash_file(file));
  return hasher.update(script.string()).update(environment().string()).hex();
}

// What tests/SCRIPT OUTPUT writes, run anew: for scripts that judge what the test has just made. Each case is a process of its own,
// and several run at once: so each has its own file.
inline Json judged_now(const std::string& script) {
  std::string name = script;
  for (char& c : name) c = c == '/' ? '_' : c;
  const std::string out = fmt::format("{}/{}-{}.json", THAW_BINARY_DIR, name, ::getpid());
  const std::string command = fmt::format("'{}' '{}/tests/{}' '{}'", python().value(), THAW_SOURCE_DIR, script, out);
  if (std::system(command.c_str()) != 0) throw std::runtime_error("the reference failed: " + command);
  Json read = JsonFile(std::filesystem::path(out)).raw();
  std::filesystem::remove(out);
  return read;
}

// The path that tests/SCRIPT PATH ARGUMENTS makes, a file or a folder, made once for each version of the script (and `kind`): whoever
// wants it meanwhile waits. A path has its name when it is whole.
inline std::filesystem::path made_once(const std::string& script, const std::string& arguments, const std::string& kind) {
  const std::filesystem::path path = std::filesystem::path(THAW_SOURCE_DIR "/tests") / script;
  const std::filesystem::path out =
      std::filesystem::path(THAW_BINARY_DIR) / fmt::format("{}-{}{}", path.stem().string(), version_of(path), kind);
  const int lock = ::open((out.string() + ".lock").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0666);
  if (lock < 0 || ::flock(lock, LOCK_EX) != 0) throw std::runtime_error("cannot lock " + out.string() + ".lock");
  if (!std::filesystem::exists(out)) {
    const std::filesystem::path part = out.string() + ".part";
    std::filesystem::remove_all(part);
    const std::string command = fmt::format("'{}' '{}' '{}' {} > /dev/null", python().value(), path.string(), part.string(), arguments);
    if (std::system(command.c_str()) != 0) throw std::runtime_error("the reference failed: " + command);  // the lock goes with the process
    std::filesystem::rename(part, out);
  }
  ::close(lock);
  return out;
}

// What a script writes that needs nothing of the test: all cases read one file.
inline Json reference(const std::string& script) { return JsonFile(made_once(script, "", ".json")).raw(); }

inline std::filesystem::path reference_folder(const std::string& script, const std::string& arguments = "", const std::string& kind = "") {
  return made_once(script, arguments, kind);
}

}  // namespace thaw::test

#define THAW_NEEDS_PYTHON() \
  if (!thaw::test::python()) GTEST_SKIP() << "no Python environment of references (cluster/setup.sh --tests makes it)"
