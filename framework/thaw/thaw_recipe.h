// The `thaw:` part of a recipe: contiguous phases, each with what learns and when it ends, and rates by layer.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "framework/thaw/schedule.h"

namespace thaw {

// Rates by layer as published implementations have them, with L blocks between embeddings and head (see rates.h).
enum class Convention { none, beit, few_sample, electra, sun, ulmfit };

constexpr double default_decay(Convention convention) {
  switch (convention) {
    case Convention::beit: return 0.9;
    case Convention::few_sample: return 0.95;
    case Convention::electra: return 0.8;
    case Convention::sun: return 0.95;
    case Convention::ulmfit: return 2.6;
    case Convention::none: break;
  }
  return 1;
}

struct LayerDecay {
  Convention convention = Convention::none;
  double decay = 0;      // 0: the convention's own; a recipe that was read has the number
  double min_scale = 0;  // no layer's factor is below it
  bool operator==(const LayerDecay&) const = default;
};

// Selector (as in `trainable`) → rate, in the recipe's order.
using Rates = std::vector<std::pair<std::string, double>>;

// When a phase ends: whichever comes first. One of epochs, steps, rows and end_epoch is there: its longest length.
struct Until {
  std::optional<double> epochs;
  std::optional<std::int64_t> steps, rows;
  std::int64_t patience = 0;                            // evaluations without a better evaluate.metric within the phase; 0: not asked for
  std::vector<std::pair<std::string, double>> metrics;  // "dev/accuracy" → the value that is enough
  std::optional<std::int64_t> end_epoch = {};           // counted from the run's beginning: 9 is its first nine; one at the least
  bool operator==(const Until&) const = default;
};

std::string in_words(const Until& until);  // "2 epochs or 3 evaluations without a gain"

struct PhaseRecipe {
  std::vector<std::string> trainable;  // the whole set that learns: see selection.h
  Until until;
  std::optional<double> lr;                // else optimizer.lr
  Rates rates;                             // instead of the whole run's rates or layer_decay
  bool restart = false;                    // schedule: restart, or one of its own; else the whole run's goes on
  std::optional<ScheduleRecipe> schedule;  // one of its own, over this phase's steps
  bool fresh_moments = false;              // moments: fresh; else kept by name
  bool restore_best = false;               // begin from the best weights so far
  std::int64_t reinitialise_top = 0;       // blocks drawn anew before the phase, and the head
  bool augment = true;                     // its rows are heard as the recipe's `augment` says; else as recorded, each time the same
  bool operator==(const PhaseRecipe&) const = default;
};

struct ThawRecipe {
  LayerDecay layer_decay;
  Rates rates;
  std::vector<PhaseRecipe> phases;  // none: everything learns for the recipe's epochs or steps
  std::string preset = {};          // a published way (presets.h), until expand_thaw writes it out as phases
  std::string fts_schedule = {};    // a file (fts_schedule.h), likewise
  bool operator==(const ThawRecipe&) const = default;
};

}  // namespace thaw
