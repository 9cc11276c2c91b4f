// A rank's side of the supervision: a thread that tells the supervisor once a second what the rank is at, and brings back its
// orders. It knows nothing of training: `look` is asked. Without THAW_SUPERVISOR in the environment there is none.
#pragma once

#include <atomic>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "framework/comm/communicator.h"
#include "launcher/supervisor/messages.h"

namespace thaw {

// What `thaw launch` hands to its ranks in the environment.
struct SupervisorPlace {
  static constexpr const char* addresses_key = "THAW_SUPERVISOR";    // "10.0.0.1:4711,192.168.0.1:4711": tried in turn
  static constexpr const char* token_key = "THAW_SUPERVISOR_TOKEN";  // the secret that a Hello has to know
  static constexpr const char* launch_key = "THAW_LAUNCH";           // one id for all attempts
  static constexpr const char* attempt_key = "THAW_ATTEMPT";         // 1, 2, …
};

class Reporter {
 public:
  struct Duties {
    std::function<Pulse()> look;                      // all but memory_bytes and process
    std::function<void(int)> stop;                    // the supervisor wants a checkpoint and an end
    std::function<void()> alone;                      // the supervisor has gone
    std::function<void(const std::string&)> cut_off;  // nothing comes through any more, and a collective waits: has to end the process
  };
  // Takes its duties back when it goes: what they point at may go then.
  class Following {
   public:
    explicit Following(Reporter& reporter) : reporter_(&reporter) {}
    Following(const Following&) = delete;
    Following& operator=(const Following&) = delete;
    ~Following() { reporter_->take({}); }

   private:
    Reporter* reporter_;
  };

  static std::unique_ptr<Reporter> of_environment(const LaunchedWorld& world);
  ~Reporter();
  Reporter(const Reporter&) = delete;
  Reporter& operator=(const Reporter&) = delete;

  [[nodiscard]] std::unique_ptr<Following> follow(Duties duties);
  void last_words(int exit_code, const std::string& message);  // returns when they are sent, within 2 s in any case

 private:
  class Talk;
  Reporter(std::string addresses, Hello hello);
  void take(Duties duties);
  void left_alone();

  std::mutex mutex_;  // held while a duty runs
  Duties duties_;
  bool alone_ = false;
  std::unique_ptr<Talk> talk_;
  std::jthread thread_;
};

}  // namespace thaw
