#include "framework/thaw/presets.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "framework/base/nearest.h"

namespace thaw {
namespace {

using Blocks = std::vector<std::string>;

PhaseRecipe phase(std::vector<std::string> trainable, double epochs) {
  PhaseRecipe phase;
  phase.trainable = std::move(trainable);
  phase.until.epochs = epochs;
  return phase;
}

// Runs over this phase's steps alone.
void give(PhaseRecipe& phase, const ScheduleRecipe& schedule) {
  phase.restart = true;
  phase.schedule = schedule;
}

ScheduleRecipe schedule(ScheduleKind name) {
  ScheduleRecipe recipe;
  recipe.name = name;
  return recipe;
}

// Head, then one block more every epoch, then all for what is left of `epochs`; each phase has a slanted triangle of its own.
std::vector<PhaseRecipe> gradual(int blocks, double epochs, bool fresh_moments) {
  std::vector<PhaseRecipe> phases{phase({"head"}, 1)};
  for (int top = 1; top <= blocks; ++top) phases.push_back(phase({"head", fmt::format("top {}", top)}, 1));
  phases.push_back(phase({"all"}, std::max(1.0, epochs - static_cast<double>(phases.size()))));
  for (PhaseRecipe& each : phases) {
    give(each, schedule(ScheduleKind::slanted_triangular));  // cut_frac 0.1, ratio 32
    each.fresh_moments = fresh_moments && &each != &phases.front();
  }
  return phases;
}

ThawRecipe ulmfit(const Blocks& blocks) { return {{Convention::ulmfit, 2.6, 0}, {}, gradual(static_cast<int>(blocks.size()), 50, true)}; }

// The beit convention with a decay of 0.38 is AllenNLP's: lr · decay_factor^(groups above).
ThawRecipe allennlp(const Blocks& blocks) { return {{Convention::beit, 0.38, 0}, {}, gradual(static_cast<int>(blocks.size()), 20, false)}; }

ThawRecipe fastai(const Blocks& blocks, double lr) {
  PhaseRecipe frozen = phase({"head"}, 1), all = phase({"all"}, 4);
  ScheduleRecipe cycle = schedule(ScheduleKind::one_cycle);
  cycle.div_final = 1e5;
  cycle.div = 25;
  cycle.pct_start = 0.99;
  give(frozen, cycle);
  frozen.lr = lr;
  cycle.div = 5;
  cycle.pct_start = 0.3;
  give(all, cycle);
  all.lr = lr / 2;
  all.fresh_moments = true;
  // Groups' rates are a geometric row from lr/100 (embeddings) to lr (head).
  const double decay = std::pow(0.01, 1.0 / (static_cast<double>(blocks.size()) + 1));
  return {{Convention::beit, decay, 0}, {}, {frozen, all}};
}

ThawRecipe lp_ft() {
  PhaseRecipe probe = phase({"head"}, 20), tune = phase({"all"}, 20);
  probe.until.patience = 3;
  probe.lr = 1e-3;
  give(probe, schedule(ScheduleKind::constant));
  give(tune, schedule(ScheduleKind::cosine));
  tune.fresh_moments = true;
  tune.restore_best = true;
  return {{}, {}, {probe, tune}};
}

ThawRecipe freeze_feature_encoder(const std::string& convolutions) { return {{}, {}, {phase({"all", "not " + convolutions}, 15)}}; }

ThawRecipe freeze_n_steps() {
  PhaseRecipe frozen;
  frozen.trainable = {"head"};
  frozen.until.steps = 500;
  return {{}, {}, {frozen, phase({"all"}, 3)}};
}

ThawRecipe chain_thaw(const Blocks& blocks, double lr) {
  std::vector<PhaseRecipe> phases{phase({"head"}, 1000), phase({"embeddings"}, 1000)};
  for (const std::string& block : blocks) phases.push_back(phase({block}, 1000));
  phases.push_back(phase({"all"}, 1000));
  for (PhaseRecipe& each : phases) {
    const bool first = &each == &phases.front();
    each.until.patience = 5;
    each.lr = first ? 10 * lr : lr;
    give(each, schedule(ScheduleKind::constant));
    each.fresh_moments = each.restore_best = !first;
  }
  return {{}, {}, phases};
}

}  // namespace

ModelNames numbered_blocks(int blocks) {
  ModelNames names;
  for (int i = 0; i < blocks; ++i) names.blocks.push_back(fmt::format("encoder.layer.{}", i));
  return names;
}

const std::vector<Preset>& presets() {
  static const std::vector<Preset> all{
      {"ulmfit",
       "one layer more every epoch, then all, 50 epochs; each group's rate is that of the one above / 2.6",
       {"Howard and Ruder 2018, arXiv 1801.06146: gradual unfreezing, discriminative rates, slanted triangles, 50 epochs in all;",
        "each phase with its own triangle and new moments, as in its script train_clas.py. Not said here: the paper's optimizer",
        "for its AWD-LSTM is {lr: 0.01, betas: [0.7, 0.99]} with batches of 64; transformers want a lower rate."},
       {},
       true},
      {"allennlp",
       "as ulmfit, 20 epochs; each group's rate is that of the one above × 0.38, moments are kept",
       {"AllenNLP's learning rate scheduler slanted_triangular with gradual_unfreezing and discriminative_fine_tuning, its",
        "defaults (cut_frac 0.1, ratio 32, decay_factor 0.38) and its trainer's 20 epochs."},
       {},
       true},
      {"fastai",
       "fine_tune: an epoch of the head, then 4 of all at half the rate, from rate/100 (embeddings) to rate (head); one-cycle",
       {"fastai 2's Learner.fine_tune(4): base_lr 2e-3, freeze_epochs 1, lr_mult 100, pct_start 0.3, div 5; the epoch of the",
        "head has pct_start 0.99, div 25. Optimizer state is cleared when layers thaw. The number of epochs is fastai's text",
        "tutorial's. Not said here: momentum cycles too (0.95, 0.85, 0.95), Adam's other beta is 0.99, its eps 1e-5."},
       2e-3,
       true},
      {"lp_ft",
       "linear probing to convergence, then all from the best probe, 20 epochs with a cosine",
       {"Kumar et al. 2022, arXiv 2202.10054, and its configuration living17.yaml: 20 epochs of fine-tuning, cosine. Not",
        "published: how the probe is fitted by AdamW (theirs is a logistic regression); its rate, patience and 20 epochs at",
        "the most are Thaw's choice. Fine-tuning takes optimizer.lr, which the paper sweeps."},
       {},
       false,
       true},
      {"freeze_feature_encoder",
       "of a speech model all but the convolutions that read the sound, for 15 epochs",
       {"transformers' run_speech_recognition_ctc.py with --freeze_feature_encoder, its README's run on Common Voice: 15 epochs,",
        "which go with optimizer: {lr: 3.0e-4}, schedule: {name: linear, warmup_steps: 500}. fairseq never trains these",
        "convolutions when it fine-tunes (feature_grad_mult: 0)."}},
      {"freeze_n_steps",
       "the head alone for 500 steps, then all for 3 epochs, under one schedule for both",
       {"SpeechBrain's CommonVoice recipes with wav2vec 2.0: warmup_steps 500, during which the encoder stays as it is. Epochs",
        "afterwards are what a recipe has without phases (theirs: up to 45, its encoder with an optimizer of its own). fairseq",
        "does the same with 10000 of 20000 steps (base_10h.yaml), beside schedule: {name: tri_stage}."}},
      {"chain_thaw",
       "the head, then each layer alone from the lowest up, then all; patience 5, from the best so far",
       {"DeepMoji (Felbo et al. 2017, arXiv 1708.00524), finetuning.py: 1e-3 for the new layer, 1e-4 afterwards, patience 5,",
        "at most 1000 epochs, the best weights reloaded and a new Adam after each. Not said here: its epoch is 5000 rows",
        "(evaluate.every_steps sets how often patience counts), it watches the loss (evaluate.metric: dev/loss), and Keras'",
        "clipnorm clips each tensor alone."},
       1e-4,
       false,
       true}};
  return all;
}

const Preset* find_preset(const std::string& name) {
  for (const Preset& each : presets())
    if (each.name == name) return &each;
  return nullptr;
}

std::string advice_on_presets(const std::string& name) {
  std::vector<std::string> names;
  for (const Preset& each : presets()) names.emplace_back(each.name);
  return fmt::format("expected one of {}, found {}; the nearest is {}", fmt::join(names, ", "), name, nearest_of(names, name));
}

ThawRecipe preset(const std::string& name, const ModelNames& model, double lr) {
  if (name == "ulmfit") return ulmfit(model.blocks);
  if (name == "allennlp") return allennlp(model.blocks);
  if (name == "fastai") return fastai(model.blocks, lr);
  if (name == "lp_ft") return lp_ft();
  if (name == "freeze_feature_encoder") return freeze_feature_encoder(model.convolutions);
  if (name == "freeze_n_steps") return freeze_n_steps();
  if (name == "chain_thaw") return chain_thaw(model.blocks, lr);
  throw std::logic_error("unknown preset: " + name);
}

}  // namespace thaw
