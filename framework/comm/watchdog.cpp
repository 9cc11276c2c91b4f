#include "framework/comm/watchdog.h"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>

#include "framework/base/json.h"
#include "framework/base/process.h"
#include "framework/base/signals.h"

namespace thaw {

Watchdog::Watchdog(std::shared_ptr<Communicator> comm, double timeout_s, std::function<void(const std::string&)> lost)
    : comm_(std::move(comm)), timeout_s_(timeout_s), lost_(std::move(lost)), launcher_(::getppid()) {
  if (comm_->size() == 1) return;
  const std::unique_ptr<Communicator> node = comm_->split_node();
  const Json us{comm_->rank(), ::getpid(), look_at_process(::getpid()).start};
  for (const std::string& text : node->all_gather_text(us.dump())) {
    const Json peer = Json::parse(text);
    if (peer[0] != comm_->rank()) peers_.push_back({peer[0], peer[1], peer[2]});
  }

  const SignalsBlocked blocked;
  thread_ = std::jthread([this](const std::stop_token& stop) {
    std::string before_that;
    std::unique_lock lock(mutex_);
    while (!wake_.wait_for(lock, stop, std::chrono::milliseconds(500), [&] { return stop.stop_requested(); })) {
      const std::string now = missing();
      if (!now.empty() && !before_that.empty()) lost_(now + waiting());
      before_that = now;
    }
  });
}

Watchdog::~Watchdog() = default;

std::vector<int> Watchdog::stopped() const {
  const std::lock_guard lock(stopped_mutex_);
  return stopped_;
}

// One look at each peer: who has died, and whose process is stopped.
std::string Watchdog::missing() {
  std::vector<int> ranks;
  std::string first;
  for (const Peer& peer : peers_) {
    const ProcessSeen seen = look_at_process(peer.pid);
    if (seen.start != peer.start) return fmt::format("rank {} (pid {}) has died", peer.rank, peer.pid);
    if (seen.state != 'T') continue;
    if (ranks.empty()) first = fmt::format("rank {} (pid {}) is stopped", peer.rank, peer.pid);
    ranks.push_back(peer.rank);
  }
  {
    const std::lock_guard lock(stopped_mutex_);
    stopped_ = std::move(ranks);
  }
  if (::getppid() != launcher_) return fmt::format("the launcher (pid {}) has gone", launcher_);
  const CurrentCollective now = comm_->current();
  if (*now.name == '\0' || now.seconds() < timeout_s_) return "";
  return first.empty() ? fmt::format("no answer within {:.0f} s (comm_timeout)", timeout_s_) : first;
}

std::string Watchdog::waiting() const {
  const CurrentCollective now = comm_->current();
  if (*now.name == '\0') return "";
  return fmt::format("; this rank waits in {} number {} ({} bytes) since {:.1f} s", now.name, now.sequence, now.bytes, now.seconds());
}

}  // namespace thaw
