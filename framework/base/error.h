// Errors: what Thaw throws, and the sysexits.h code each kind ends the program with.
// A message says where (file, line, rank or row), what was expected, what was found, and the remedy.
// Only `main` ends the process.
#pragma once

#include <fmt/format.h>

#include <exception>
#include <stdexcept>
#include <string>
#include <utility>

#include "framework/base/text.h"

namespace thaw {

enum class ExitCode : int {
  done = 0,
  usage = 64,          // a wrong command line, or a wrong launcher
  bad_data = 65,       // a recipe, row, shard or model that says something wrong
  input_missing = 66,  // a file or model that is not there
  peer_lost = 69,      // another rank died or was cut off
  bug = 70,            // ours
  cannot_write = 73,   // output directory or disk
  io_error = 74,       // reading or writing failed half-way
  requeue = 75,        // stopped with a checkpoint saved
};

class Error : public std::runtime_error {
 public:
  Error(ExitCode code, const std::string& message) : std::runtime_error(printable(message)), code_(code) {}
  ExitCode code() const { return code_; }

 private:
  ExitCode code_;
};

// Each domain below throws with its usual code; pass another code first where it differs.
#define THAW_ERROR_DOMAIN(Name, usual_code)                                                               \
  class Name : public Error {                                                                             \
   public:                                                                                                \
    explicit Name(const std::string& message) : Error(usual_code, message) {}                             \
    Name(ExitCode code, const std::string& message) : Error(code, message) {}                             \
    template <typename... Args>                                                                           \
    explicit Name(fmt::format_string<Args...> format, Args&&... args) requires(sizeof...(Args) > 0)       \
        : Error(usual_code, fmt::format(format, std::forward<Args>(args)...)) {}                          \
    template <typename... Args>                                                                           \
    Name(ExitCode code, fmt::format_string<Args...> format, Args&&... args) requires(sizeof...(Args) > 0) \
        : Error(code, fmt::format(format, std::forward<Args>(args)...)) {}                                \
  };

THAW_ERROR_DOMAIN(UsageError, ExitCode::usage)      // command line, launcher
THAW_ERROR_DOMAIN(RecipeError, ExitCode::bad_data)  // the recipe
THAW_ERROR_DOMAIN(DataError, ExitCode::bad_data)    // rows, shards, labels
THAW_ERROR_DOMAIN(ModelError, ExitCode::bad_data)   // config, weights, tokenizer
THAW_ERROR_DOMAIN(CommError, ExitCode::peer_lost)   // ranks
THAW_ERROR_DOMAIN(FileError, ExitCode::io_error)    // reading and writing

#undef THAW_ERROR_DOMAIN

// What any exception comes to: itself where it is ours; FileError for the standard library's; memory that ran out is 65,
// with a remedy; everything else is a bug (70).
Error as_error(const std::exception& exception);

}  // namespace thaw
