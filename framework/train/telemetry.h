// What people and machines see of a run: one live bar on a terminal, plain lines in a log, and log.jsonl.
// Only rank 0 shows anything; the others keep what they are at, for whoever asks.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <mutex>
#include <string>

#include "framework/base/terminal.h"
#include "framework/train/evaluator.h"
#include "framework/train/run_directory.h"

namespace thaw {

struct StepReport {
  std::int64_t step = 0, total_steps = 0, epoch = 0, phase = 1;  // step: 1 after the first
  double loss = 0, lr = 0, gradient_norm = 0;
  bool skipped = false;                                   // not finite, and not learned from
  std::int64_t rows = 0, tokens = 0;                      // of this step, all ranks; tokens: their sizes
  double step_s = 0, comm_wait_s = 0, comm_hidden_s = 0;  // of comm_: open, and behind the backward pass
  std::uint64_t comm_bytes = 0;
};

// What this rank is at.
struct Activity {
  const char* state = "starting";  // then "training" or "evaluating"
  std::int64_t step = 0, total_steps = 0, phase = 0;
  double loss = 0;
};

// How logs and results name the sizes of rows: tokens, or of audio, whose sizes are hundredths of them, seconds.
inline const char* size_name(bool audio) { return audio ? "audio_s" : "tokens"; }
inline Json size_value(std::int64_t size, bool audio) { return audio ? Json(static_cast<double>(size) / 100) : Json(size); }

class Telemetry {
 public:
  // `run` is null on ranks that stay silent.
  Telemetry(RunDirectory* run, bool silent);

  void count_audio() { audio_ = true; }  // rows are of audio: their sizes are hundredths of a second

  void say(const std::string& line);  // a line of its own, above the bar
  void step(const StepReport& report);
  void evaluation(std::int64_t step, std::int64_t epoch, const Metrics& metrics, double seconds, bool best);
  void progress(const std::string& what, std::int64_t done, std::int64_t total);  // of an evaluation
  void end_bar();
  Activity activity() const;  // from any thread

 private:
  void draw(const std::string& line);
  void now_at(const char* state);

  RunDirectory* run_;
  bool silent_, audio_ = false;
  Terminal terminal_;
  std::size_t drawn_ = 0;
  std::chrono::steady_clock::time_point last_draw_{}, start_ = std::chrono::steady_clock::now();
  double smooth_rows_ = 0, smooth_tokens_ = 0, smooth_step_ = 0, loss_sum_ = 0;
  std::int64_t loss_count_ = 0;
  mutable std::mutex mutex_;
  Activity activity_;
};

}  // namespace thaw
