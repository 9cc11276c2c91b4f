#include "launcher/doctor/vigil.h"

#include <utility>

namespace thaw::doctor {

Vigil::Vigil(std::function<void(const std::string&)> late) : late_(std::move(late)) {
  thread_ = std::jthread([this](const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    while (!wake_.wait_for(lock, stop, std::chrono::milliseconds(100), [&] { return stop.stop_requested(); })) {
      if (Clock::now() < deadline_) continue;
      deadline_ = Clock::time_point::max();
      const std::string stage = stage_;
      lock.unlock();
      late_(stage);
      lock.lock();
    }
  });
}

void Vigil::begin(const std::string& stage, double limit_s) {
  const std::lock_guard lock(mutex_);
  stage_ = stage;
  deadline_ = Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(limit_s));
}

void Vigil::end() {
  const std::lock_guard lock(mutex_);
  deadline_ = Clock::time_point::max();
}

}  // namespace thaw::doctor
