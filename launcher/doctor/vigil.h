// Watches over an examination that talks to other ranks: where a stage takes longer than it may, `late` is told which, on a
// thread of its own, and has to end the process.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "framework/base/clock.h"

namespace thaw::doctor {

class Vigil {
 public:
  explicit Vigil(std::function<void(const std::string& stage)> late);
  void begin(const std::string& stage, double limit_s);
  void end();  // nothing is waited for

 private:
  std::function<void(const std::string&)> late_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::string stage_;
  Clock::time_point deadline_ = Clock::time_point::max();
  std::jthread thread_;
};

}  // namespace thaw::doctor
