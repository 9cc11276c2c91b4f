// The training loop. Everything it needs is given to it; everything it does can be read in `Trainer::run`.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "framework/base/clock.h"
#include "framework/comm/gradient_sync.h"
#include "framework/models/model.h"
#include "framework/tensor/state.h"
#include "framework/thaw/activation_cache.h"
#include "framework/thaw/plan.h"
#include "framework/train/batches.h"
#include "framework/train/checkpoint_writer.h"
#include "framework/train/data.h"
#include "framework/train/divergence.h"
#include "framework/train/evaluator.h"
#include "framework/train/optimizer.h"
#include "framework/train/recipe.h"
#include "framework/train/run_directory.h"
#include "framework/train/telemetry.h"

namespace thaw {

// The recipe's phases compiled against the model, as compile_plan has it; `data` is asked meanwhile alone.
ThawPlan plan_of(const Recipe& recipe, const Model& model, const DataLength& data);

// Set by signal handlers; polled after every step and every batch of an evaluation, and agreed on by all ranks.
extern std::atomic<int> stop_signal;

struct Outcome {
  bool finished = false;   // false: stopped early with a checkpoint saved (exit code 75)
  std::string stopped_by;  // "early stopping", "max_time", "signal 15"
  std::int64_t steps = 0, last_checkpoint = 0;
  std::string metric;  // the one that chooses the best model
  double best = 0;
  std::int64_t best_step = 0;
  Metrics last;         // of the last evaluation
  double train_s = 0;   // time in steps, evaluation and saving left out
  double wall_s = 0;    // of the whole loop
  double saving_s = 0;  // that training stood still for checkpoints: their writing goes on beside it
  std::int64_t saves = 0;
  std::int64_t rows = 0, tokens = 0;
  std::int64_t skipped_steps = 0;  // whose loss or gradient was not finite
  std::vector<Json> phases;        // of those that ended: what they cost, what ended them, and the last evaluation
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
    std::uint64_t memory_bytes = 0;     // of the job on this node
  };
  explicit Trainer(Parts parts);

  const ThawPlan& plan() const { return plan_; }
  std::int64_t total_steps() const;  // done, and still to come at the most
  // Goes on from there. DataError where it was made of other data, ModelError where of another model. `forked`: the recipe has
  // changed since, and the data may have; moments of what learns newly begin anew.
  void load(const State& state, bool forked = false);
  State state() const;

  Outcome run();

  // For forecasts and range tests, on a trainer that will not run (trainer_trials.cpp):
  void jump_to_phase(std::size_t number);  // begins it as if the earlier ones had passed
  StepReport take(const Step& step);       // forward, backward, update; counts nothing
  // The longest batch of every set, on every rank; of two others seconds a token: of the model's pass, and of all that is done.
  struct EvaluationCost {
    double model = 0, all = 0;
  };
  EvaluationCost sample_evaluation(bool time_it);
  void sum_in_fixed_order(bool fixed) { reproducible_ = fixed; }  // whatever the recipe says, to compare the two
  void expect_ids(const at::Tensor& ids);                         // the optimizer goes over these tokens' embeddings, as once all have come
  // The next step of phase 1 with `lr` as its highest rate: the loss; not finite where nothing was learnt.
  double probe(double lr);
  double factor(std::int64_t step_in_phase) const { return schedule_->factor(schedule_start_ + step_in_phase); }
  const std::vector<int>& cached_layers() const { return cached_layers_; }  // whose input is kept, in this phase and later ones
  int kept_layer(std::size_t phase) const { return parts_.model.kept_layer(plan_.phases[phase].frontier); }  // that it may be read from
  bool changes_rows(std::size_t phase) const { return parts_.data.inputs->changes_rows() && plan_.phases[phase].recipe.augment; }
  const Batches& batches() const { return batches_; }
  const GradientSync& gradients() const { return *sync_; }
  std::uint64_t learning_bytes() const;  // of this rank's gradients and moments
  std::uint64_t bytes_per_step() const { return sync_->bytes_per_step() + optimizer_->bytes_per_step(); }  // handed to collectives

 private:
  struct Cursor {
    std::int64_t step = 0;  // the next step to run
    Position at;
  };
  // Of the phase that runs.
  struct Phase {
    std::size_t number = 0;  // index into the plan
    Position start;          // where in the data it began
    std::int64_t limit = 0;  // its steps at the most
    std::int64_t steps = 0, rows = 0, tokens = 0;
    double train_s = 0;
    std::uint64_t comm_bytes = 0;
    double best = 0;  // of its own evaluations
    std::int64_t evaluations = 0, evaluations_without_gain = 0;
  };
  struct Wishes {
    int signal;
    bool out_of_time, written;  // written: every rank has its share of the checkpoint on the disk
    bool stop() const { return signal > 0 || out_of_time; }
  };
  Wishes agree();
  bool enough() const;                       // early stopping
  bool due(std::int64_t every_steps) const;  // whether what happens so often does after this step; 0: once an epoch
  void refuse_to_diverge(const Step& step);
  const PlannedPhase& planned() const { return plan_.phases[phase_.number]; }
  bool done() const { return phase_.number == plan_.phases.size(); }
  // Makes what depends on who learns, for phase_.number.
  enum class Kept { undecided, filled, no };  // what its frontier reads: kept by earlier phases, or by a resumed one not at all
  void enter_phase(Kept kept);
  std::vector<int> layers_to_cache(Kept kept) const;
  void change_weights();                  // what a phase does to them before it begins
  std::string end_of_phase() const;       // what ends it now, else empty
  void end_phase(const std::string& by);  // and begins the next one
  void say_phase();
  std::vector<RowOfSet> rows_of(const std::vector<Order::Pick>& grain) const;
  Packed forward(const std::vector<RowOfSet>& rows, const Context& context);
  double accumulate(const Step& step);
  double gradient_norm() const;
  void update(double gradient_norm, double factor);
  void advance(const Step& step, StepReport& report);
  bool evaluate();  // false: left, as the ranks were asked to stop; to be done again
  void save();
  State moments_of_sleepers() const;
  State own_moments(const State& loaded) const;
  Json made_with() const;  // what a run's bits depend on besides its recipe and model
  void compare_made_with(const Json& before, bool forked);
  void keep_best();

  Parts parts_;
  Batches batches_;
  ThawPlan plan_;
  bool restores_ = false;  // some phase begins from the best weights
  bool reproducible_;
  std::optional<Schedule> schedule_;
  std::int64_t schedule_start_ = 0;  // the schedule's step at the phase's first
  ActivationCache cache_;
  std::vector<int> cached_layers_;
  std::vector<std::string> cache_notes_;
  std::unique_ptr<GradientSync> sync_;
  std::unique_ptr<AdamW> optimizer_;
  State kept_;                        // moments of parameters that learned and will learn again
  std::vector<std::size_t> by_name_;  // indices of gradients in name order
  Cursor cursor_;
  Phase phase_;
  bool epoch_ended_ = false, evaluation_due_ = false, save_wanted_ = false;
  std::int64_t begun_at_ = 0;  // the step that this start of the run went on from
  Outcome outcome_;
  std::int64_t evaluations_without_gain_ = 0;
  std::map<std::string, at::Tensor> best_weights_;  // where some phase restores them
  DivergenceWatch divergence_;
  CheckpointWriter writer_;
  Clock::time_point started_, last_save_, last_look_;  // last_look_: for a file that asks for a checkpoint
};

}  // namespace thaw
