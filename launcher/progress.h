// How far a command is: on a terminal one line that moves, in a log a plain line now and then, so none for a short job.
#pragma once

#include <fmt/format.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>

namespace thaw {

class Progress {
 public:
  // `whose` stands before the count: "" or "rank 0: ".
  Progress(std::FILE* to, bool terminal, std::string whose, std::chrono::duration<double> every = std::chrono::seconds(10))
      : to_(to), terminal_(terminal), whose_(std::move(whose)), every_(every) {}

  void operator()(std::uint64_t done, std::uint64_t all) {
    const std::string line = fmt::format("{}{} of {} rows", whose_, done, all);
    if (terminal_) {
      fmt::print(to_, "\r{}{}", line, done == all ? "\n" : "");
    } else if (const auto now = std::chrono::steady_clock::now(); now - last_ >= every_) {
      fmt::print(to_, "{}\n", line);
      last_ = now;
    }
    std::fflush(to_);
  }

 private:
  std::FILE* to_;
  bool terminal_;
  std::string whose_;
  std::chrono::duration<double> every_;
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

}  // namespace thaw
