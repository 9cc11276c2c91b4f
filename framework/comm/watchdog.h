// Ends a rank that would otherwise wait for ever: its launcher is gone, another rank of its node has died, or a collective takes
// longer than any should. A thread of its own looks twice a second; what it finds has to last for a second.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "framework/comm/communicator.h"

namespace thaw {

class Watchdog {
 public:
  // Collective. `lost` is told who is missing, on the watchdog's thread, while the rank's own may be stuck for good: it has to
  // end the process. `timeout_s`: of one collective.
  Watchdog(std::shared_ptr<Communicator> comm, double timeout_s, std::function<void(const std::string&)> lost);
  ~Watchdog();                       // before the last barrier: after it ranks may leave
  std::vector<int> stopped() const;  // the ranks of this node whose process is stopped; from any thread
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

 private:
  struct Peer {
    int rank;
    std::int64_t pid;
    std::string start;
  };
  std::string missing();        // who, or what; empty where all is well
  std::string waiting() const;  // in which collective, since when

  std::shared_ptr<Communicator> comm_;
  double timeout_s_;
  std::function<void(const std::string&)> lost_;
  std::vector<Peer> peers_;  // of this node
  std::int64_t launcher_;
  mutable std::mutex stopped_mutex_;  // of its own: `lost` runs under the other, and may ask for `stopped`
  std::vector<int> stopped_;          // at the last look
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::jthread thread_;
};

}  // namespace thaw
