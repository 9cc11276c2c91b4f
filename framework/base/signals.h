// Signals are for the main thread: other threads are born with all of them blocked.
#pragma once

#include <signal.h>

namespace thaw {

// A thread that is started while one of these lives gets no signals.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t every;
    ::sigfillset(&every);
    ::pthread_sigmask(SIG_SETMASK, &every, &before_);
  }
  ~SignalsBlocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_;
};

}  // namespace thaw
