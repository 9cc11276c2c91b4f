// The recipe's `thaw:` section: reads every key, says what is wrong and where, and writes itself back.
#include "framework/thaw/thaw_recipe.h"

#include <gtest/gtest.h>

#include <random>

#include "framework/train/recipe.h"
#include "tests/thaw/least_recipe.h"
#include "tests/thaw/model.h"

namespace thaw {
namespace {

const std::string full = test::least_recipe + R"(thaw:
  layer_decay: {convention: ulmfit, decay: 2.5, min_scale: 0.01}
  phases:
    - trainable: head
      until: {epochs: 1.5, patience: 2, dev/accuracy: 0.9, dev/loss: 0.2}
      lr: 2.0e-03
      schedule: restart
    - trainable: [head, top 2, /LayerNorm/]
      until: {steps: 100, rows: 5000}
      schedule: {name: one_cycle, pct_start: 0.3, div: 5, div_final: 1000}
      moments: fresh
      restore_best: true
      reinitialise_top: 2
    - trainable: [all]
      until: {rows: 10000}
      schedule: continue
    - trainable: [encoder.layer.0-3]
      until: {epochs: 2}
      schedule: {name: tri_stage, warmup_part: 0.2, hold_part: 0.3, initial_scale: 0, final_scale: 0.1}
    - {trainable: all, until: {steps: 1}, schedule: {name: cosine, warmup_steps: 10}}
    - {trainable: all, until: {steps: 1}, schedule: {name: slanted_triangular, cut_frac: 0.2, ratio: 16}}
)";

const std::string rates = test::least_recipe + R"(thaw:
  rates: {embeddings: 1.0e-05, /^bert.encoder/: 2.0e-05, head: 1.0e-03}
  phases:
    - {trainable: head, until: {steps: 3}, rates: {'classifier.weight': 3.0e-04, /pooler|bias$/: 1.0e-04}}
)";

std::string refused(const std::string& yaml) {
  return test::refusal_of([&] { parse_recipe("r.yaml", yaml); });
}
// Of one phase, which stands in line 8 of the recipe.
std::string phase(const std::string& keys) { return refused(test::least_recipe + "thaw:\n  phases:\n    - {" + keys + "}\n"); }
// Of lines of the section, the first of which is line 7.
std::string section(const std::string& lines) { return refused(test::least_recipe + "thaw:\n" + lines + "\n"); }

TEST(ThawRecipe, ReadsEveryKey) {
  const ThawRecipe r = parse_recipe("r.yaml", full).thaw;
  EXPECT_EQ(r.layer_decay, (LayerDecay{Convention::ulmfit, 2.5, 0.01}));
  ASSERT_EQ(r.phases.size(), 6U);
  const PhaseRecipe &first = r.phases[0], &second = r.phases[1], &third = r.phases[2], &fourth = r.phases[3];
  EXPECT_EQ(first.trainable, std::vector<std::string>{"head"});
  EXPECT_EQ(first.until, (Until{1.5, {}, {}, 2, {{"dev/accuracy", 0.9}, {"dev/loss", 0.2}}, {}}));
  EXPECT_EQ(first.lr, 2e-3);
  EXPECT_TRUE(first.restart && !first.schedule && !first.fresh_moments && !first.restore_best);
  EXPECT_EQ(second.trainable, (std::vector<std::string>{"head", "top 2", "/LayerNorm/"}));
  EXPECT_EQ(second.until, (Until{{}, 100, 5000, 0, {}, {}}));
  ScheduleRecipe one_cycle;
  one_cycle.name = ScheduleKind::one_cycle, one_cycle.pct_start = 0.3, one_cycle.div = 5, one_cycle.div_final = 1000;
  EXPECT_EQ(second.schedule, one_cycle);
  EXPECT_TRUE(second.restart && second.fresh_moments && second.restore_best);
  EXPECT_EQ(second.reinitialise_top, 2);
  EXPECT_TRUE(!third.restart && !third.schedule && !third.lr);
  EXPECT_EQ(third.until, (Until{{}, {}, 10000, 0, {}, {}}));
  EXPECT_EQ(fourth.schedule->name, ScheduleKind::tri_stage);
  EXPECT_EQ(fourth.schedule->warmup_part + fourth.schedule->hold_part + fourth.schedule->initial_scale + fourth.schedule->final_scale, 0.6);
  EXPECT_EQ(parse_recipe("r.yaml", test::least_recipe + "thaw: {layer_decay: {}}").thaw.layer_decay,
            (LayerDecay{Convention::beit, 0.9, 0}));
  EXPECT_EQ(parse_recipe("r.yaml", test::least_recipe + "thaw: {layer_decay: {convention: electra}}").thaw.layer_decay.decay, 0.8);
  const ThawRecipe given = parse_recipe("r.yaml", rates).thaw;
  EXPECT_EQ(given.rates, (Rates{{"embeddings", 1e-5}, {"/^bert.encoder/", 2e-5}, {"head", 1e-3}}));
  EXPECT_EQ(given.phases[0].rates, (Rates{{"classifier.weight", 3e-4}, {"/pooler|bias$/", 1e-4}}));
}

TEST(ThawRecipe, WritesItselfBack) {
  for (const std::string& yaml :
       {full, rates, test::least_recipe + "thaw: {layer_decay: {convention: sun}}\n",
        test::least_recipe + "thaw: {layer_decay: {decay: 0.8}}\n", test::least_recipe + "thaw: {rates: {all: 1.0e-05}}\nepochs: 2\n",
        test::least_recipe +
            "thaw: {phases: [{trainable: 'encoder.layer.0', until: {epochs: 1.0e-09}}, {trainable: ['/a: b#c/', '/''\"/'], until: {rows: "
            "9000000000000}}]}\n"}) {
    const Recipe r = parse_recipe("r.yaml", yaml);
    const std::string written = to_yaml(r);
    EXPECT_EQ(parse_recipe("r.yaml", written), r) << written;
    EXPECT_EQ(to_yaml(parse_recipe("r.yaml", written)), written);
  }
}

TEST(ThawRecipe, ARunWithOtherPhasesIsAnotherRun) {
  const Recipe r = parse_recipe("r.yaml", full);
  for (const char* change : {"thaw.layer_decay.decay=2.6", "thaw.layer_decay.min_scale=0"}) {
    const auto found = differences(r, parse_recipe("r.yaml", full, {change}));
    ASSERT_EQ(found.size(), 1U) << change;
    EXPECT_TRUE(found[0].starts_with("thaw.layer_decay")) << found[0];
  }
  std::string other = full;
  other.replace(other.find("moments: fresh"), 14, "moments: keep");
  ASSERT_EQ(differences(r, parse_recipe("r.yaml", other)).size(), 1U);
}

TEST(ThawRecipe, PhasesThatCannotBe) {
  const char* end =
      "this phase may never end: add until: {epochs: N}, steps, rows or end_epoch, as its longest length (patience and a metric may never "
      "come)";
  EXPECT_EQ(phase("until: {steps: 3}"), "r.yaml:8: thaw.phases[0]: nothing learns in this phase; add trainable: [head], or all");
  EXPECT_EQ(phase("trainable: [], until: {steps: 3}"),
            "r.yaml:8: thaw.phases[0]: nothing learns in this phase; add trainable: [head], or all");
  EXPECT_EQ(phase("trainable: [head]"), fmt::format("r.yaml:8: thaw.phases[0]: {}", end));
  EXPECT_EQ(phase("trainable: [head], until: {patience: 3, dev/accuracy: 0.9}"), fmt::format("r.yaml:8: thaw.phases[0]: {}", end));
  EXPECT_EQ(phase("trainable: [head], until: {steps: 3}, restore_best: true"),
            "r.yaml:8: thaw.phases[0].restore_best: there is no best model yet before the first phase");
  EXPECT_EQ(section("  phases: []"), "r.yaml:7: thaw.phases: expected at least one phase, found none");
  EXPECT_EQ(section("  phases: [{trainable: all, until: {steps: 1}}]\nepochs: 3"),
            "r.yaml:8: epochs: given beside thaw.phases, whose sum is the run's length; leave it out");
  EXPECT_EQ(section("  phases: [{trainable: all, until: {steps: 1}}]\nsteps: 3"),
            "r.yaml:8: steps: given beside thaw.phases, whose sum is the run's length; leave it out");
}

TEST(ThawRecipe, ValuesThatCannotBe) {
  EXPECT_EQ(
      phase("trainable: all, until: {epoch: 3}"),
      "r.yaml:8: thaw.phases[0].until.epoch: unknown key; the keys here are epochs, steps, rows, end_epoch, patience, and a metric such as "
      "dev/accuracy");
  EXPECT_EQ(phase("trainable: all, until: {steps: 0}"),
            "r.yaml:8: thaw.phases[0].until.steps: expected a whole number of 1 or more, found 0");
  EXPECT_EQ(phase("trainable: all, until: {epochs: -1}"), "r.yaml:8: thaw.phases[0].until.epochs: expected a number above 0, found -1");
  EXPECT_EQ(phase("trainable: all, until: {epochs: .nan}"), "r.yaml:8: thaw.phases[0].until.epochs: expected a number, found .nan");
  EXPECT_EQ(phase("trainable: all, until: {steps: 1, dev/loss: .nan}"),
            "r.yaml:8: thaw.phases[0].until.dev/loss: expected a number, found .nan");
  EXPECT_EQ(phase("trainable: all, until: {steps: 1, patience: 0}"),
            "r.yaml:8: thaw.phases[0].until.patience: expected a whole number of 1 or more, found 0");
  EXPECT_EQ(phase("trainable: all, until: {rows: 1.5}"), "r.yaml:8: thaw.phases[0].until.rows: expected a whole number, found 1.5");
  EXPECT_EQ(phase("trainable: all, until: {steps: 1, test/accuracy: 1}"),
            "r.yaml:8: thaw.phases[0].until.test/accuracy: expected SET/METRIC with a set of data.eval (dev), found test/accuracy");
  EXPECT_EQ(phase("trainable: all, until: {steps: 1}, lr: -1.0e-03"),
            "r.yaml:8: thaw.phases[0].lr: expected a number above 0, found -1.0e-03");
  EXPECT_EQ(phase("trainable: all, until: {steps: 1}, lr: .inf"), "r.yaml:8: thaw.phases[0].lr: expected a number, found .inf");
  EXPECT_EQ(phase("trainable: all, until: {steps: 1}, rates: {all: 0}"),
            "r.yaml:8: thaw.phases[0].rates.all: expected a number above 0, found 0");
  EXPECT_EQ(phase("trainable: all, until: {steps: 1}, rates: {head: .nan}"),
            "r.yaml:8: thaw.phases[0].rates.head: expected a number, found .nan");
  EXPECT_EQ(phase("trainable: all, until: {steps: 1}, moments: none"),
            "r.yaml:8: thaw.phases[0].moments: expected one of keep, fresh, found none");
  EXPECT_EQ(phase("trainable: all, until: {steps: 1}, schedule: again"),
            "r.yaml:8: thaw.phases[0].schedule: expected continue, restart, or a schedule of its own: {name: …}, found again");
  EXPECT_EQ(phase("trainable: all, until: {steps: 1}, schedule: {name: one_cycle, cut_frac: 0.1}"),
            "r.yaml:8: thaw.phases[0].schedule.cut_frac: belongs to schedule.name: slanted_triangular alone; leave it out");
  EXPECT_EQ(phase("trainable: all, until: {steps: 1}, schedule: {name: tri_stage, warmup_part: 0.5, hold_part: 0.5}"),
            "r.yaml:8: thaw.phases[0].schedule.name: warmup_part and hold_part leave nothing to decay over: let their sum be below 1");
  EXPECT_EQ(phase("trainable: all, until: {steps: 1}, reinitialise_top: -1"),
            "r.yaml:8: thaw.phases[0].reinitialise_top: expected a whole number of 0 or more, found -1");
  EXPECT_EQ(phase("trainable: all, until: {steps: 1}, trainble: head"),
            "r.yaml:8: thaw.phases[0].trainble: unknown key; the nearest key is thaw.phases[0].trainable");
  EXPECT_EQ(section("  layer_decay: {convention: beit, decay: 0}"), "r.yaml:7: thaw.layer_decay.decay: expected a number above 0, found 0");
  EXPECT_EQ(section("  layer_decay: {convention: beit, decay: -1}"),
            "r.yaml:7: thaw.layer_decay.decay: expected a number above 0, found -1");
  EXPECT_EQ(section("  layer_decay: {convention: bert}"),
            "r.yaml:7: thaw.layer_decay.convention: expected one of beit, few_sample, electra, sun, ulmfit, found bert");
  EXPECT_EQ(section("  layer_decay: 0.9"),
            "r.yaml:7: thaw.layer_decay: expected {convention: beit, decay: 0.9}, or another convention, found 0.9");
  EXPECT_EQ(section("  layer_decay: {min_scale: 2}"), "r.yaml:7: thaw.layer_decay.min_scale: expected a number from 0 to 1, found 2");
}

TEST(ThawRecipe, TwoRatesForOneParameter) {
  EXPECT_EQ(section("  layer_decay: {convention: beit}\n  rates: {all: 1.0e-05}"),
            "r.yaml:8: thaw.rates: given beside thaw.layer_decay: two rates for one parameter; keep one of them");
  EXPECT_EQ(section("  layer_decay: {convention: beit}\n  phases: [{trainable: all, until: {steps: 1}, rates: {all: 1.0e-05}}]"),
            "r.yaml:8: thaw.phases[0].rates: given beside thaw.layer_decay: two rates for one parameter; keep one of them");
  EXPECT_EQ(phase("trainable: all, until: {steps: 1}, lr: 1.0e-03, rates: {all: 1.0e-05}"),
            "r.yaml:8: thaw.phases[0].rates: given beside thaw.phases[0].lr: two rates for one parameter; keep one of them");
  EXPECT_EQ(section("  rates: {all: 1.0e-05}\n  phases: [{trainable: all, until: {steps: 1}, lr: 1.0e-03}]"),
            "r.yaml:8: thaw.phases[0].lr: given beside thaw.rates; keep one of them");
}

// Whatever a hand does to the section, it is read or refused, and what is read writes itself back.
TEST(ThawRecipe, ThousandsOfRandomEditsParseOrThrow) {
  const std::string pieces[] = {":",
                                "\n",
                                "  ",
                                "- ",
                                "[",
                                "]",
                                "{",
                                "}",
                                "'",
                                "\"",
                                "#",
                                "~",
                                "1e999",
                                "-1",
                                ".nan",
                                ",",
                                "/",
                                "until: ",
                                "rates: {all: 1}",
                                "schedule: ",
                                "dev/",
                                "top ",
                                "restart",
                                "lr: ",
                                "0"};
  std::mt19937_64 random(3);
  int parsed = 0;
  for (int i = 0; i < 4000; ++i) {
    std::string text = i % 2 == 0 ? full : rates;
    for (std::size_t n = 1 + random() % 2; n > 0; --n) {
      const std::size_t at = test::least_recipe.size() + random() % (text.size() + 1 - test::least_recipe.size()), length = random() % 12;
      if (random() % 2 == 0) text.insert(at, pieces[random() % std::size(pieces)]);
      else text.erase(std::min(at, text.size()), length);
    }
    try {
      const Recipe r = parse_recipe("r.yaml", text);
      ++parsed;
      ASSERT_EQ(parse_recipe("r.yaml", to_yaml(r)), r) << text << to_yaml(r);
    } catch (const RecipeError& error) {
      ASSERT_NE(std::string(error.what()), "") << text;
    }
  }
  EXPECT_GT(parsed, 200);
  EXPECT_LT(parsed, 3800);
}

TEST(ThawRecipe, NothingToEvaluateOn) {
  const auto without = [&](const std::string& keys) {
    return refused(
        "recipe: 1\ntask: text-classification\nmodel: m\noutput_dir: runs/x\ndata: {train: a.tsv}\nthaw:\n  phases:\n"
        "    - {trainable: head, until: {steps: 1}}\n    - {trainable: all, " +
        keys + "}\n");
  };
  EXPECT_EQ(without("until: {steps: 1}"), "nothing");
  EXPECT_EQ(without("until: {steps: 1, patience: 2}"), "r.yaml:9: thaw.phases[1].until: there is nothing to evaluate on; add data.eval");
  EXPECT_EQ(without("until: {steps: 1, dev/accuracy: 1}"),
            "r.yaml:9: thaw.phases[1].until: there is nothing to evaluate on; add data.eval");
  EXPECT_EQ(without("until: {steps: 1}, restore_best: true"),
            "r.yaml:9: thaw.phases[1].restore_best: there is nothing to evaluate on; add data.eval");
}

}  // namespace
}  // namespace thaw
