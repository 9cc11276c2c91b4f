// The training loop. Everything it needs is given to it; everything it does can be read in `Trainer::run`.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "framework/comm/gradient_sync.h"
#include "framework/models/model.h"
#include "framework/tensor/state.h"
#include "framework/train/batches.h"
#include "framework/train/data.h"
#include "framework/train/evaluator.h"
#include "framework/train/optimizer.h"
#include "framework/train/recipe.h"
#include "framework/train/run_directory.h"
#include "framework/train/schedule.h"
#include "framework/train/telemetry.h"

namespace thaw {

// Set by signal handlers; polled once a step, and agreed on by all ranks.
extern std::atomic<int> stop_signal;

struct Outcome {
  bool finished = false;   // false: stopped early with a checkpoint saved (exit code 75)
  std::string stopped_by;  // "early stopping", "max_time", "signal 15"
  std::int64_t steps = 0, last_checkpoint = 0;
  std::string metric;  // the one that chooses the best model
  double best = 0;
  std::int64_t best_step = 0;
  Metrics last;        // of the last evaluation
  double train_s = 0;  // time in steps, evaluation and saving left out
  double wall_s = 0;   // of the whole loop
  std::int64_t rows = 0, tokens = 0;
};

class Trainer {
 public:
  struct Parts {
    const Recipe& recipe;
    std::shared_ptr<Communicator> comm;     // between hosts
    std::shared_ptr<Communicator> devices;  // between the devices that the model is on; on CPUs the same
    Model& model;
    const RunData& data;
    RunDirectory* run = nullptr;  // rank 0 alone
    Telemetry& telemetry;
    std::function<void()> export_best;  // writes best/ ; called on rank 0
  };
  explicit Trainer(Parts parts);

  std::int64_t total_steps() const { return total_steps_; }
  void load(const State& state);
  State state() const;

  Outcome run();

 private:
  struct Cursor {
    std::int64_t step = 0, epoch = 0, step_in_epoch = 0;  // the next step to run
  };
  double accumulate(const Step& step);
  void update(StepReport& report);
  void advance();
  void evaluate();
  void save();
  bool last_step() const { return cursor_.step >= total_steps_; }

  Parts parts_;
  Loss loss_;
  Batches batches_;
  std::int64_t total_steps_;
  Schedule schedule_;
  std::unique_ptr<GradientSync> sync_;
  std::unique_ptr<AdamW> optimizer_;
  std::vector<std::size_t> by_name_;  // indices of gradients in name order
  Cursor cursor_;
  bool epoch_ended_ = false;
  Outcome outcome_;
  std::int64_t evaluations_without_gain_ = 0;
};

}  // namespace thaw
