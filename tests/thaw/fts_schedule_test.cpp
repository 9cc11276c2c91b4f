// What would be lost: a schedule file that is read, but thaws other parameters, at other rates, or for another time than
// Lightning's fine-tuning scheduler does with it.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <random>

#include "framework/base/error.h"
#include "framework/base/file.h"
#include "framework/thaw/fts_schedule.h"
#include "framework/train/recipe.h"
#include "tests/thaw/least_recipe.h"

namespace thaw {
namespace {

// As a LightningModule's `self.model = AutoModelForSequenceClassification(…)` has them, without its `model.`.
ModelNames deberta() {
  ModelNames names = numbered_blocks(12);
  names.parameters = {"deberta.embeddings.word_embeddings.weight", "deberta.embeddings.LayerNorm.weight",
                      "deberta.embeddings.LayerNorm.bias"};
  for (int layer = 0; layer < 12; ++layer)
    for (const char* part : {"attention.self.query_proj.weight", "intermediate.dense.weight", "output.dense.weight"})
      names.parameters.push_back(fmt::format("deberta.encoder.layer.{}.{}", layer, part));
  for (const char* name : {"deberta.encoder.rel_embeddings.weight", "deberta.encoder.LayerNorm.weight", "deberta.encoder.LayerNorm.bias",
                           "pooler.dense.weight", "pooler.dense.bias", "classifier.weight", "classifier.bias"})
    names.parameters.emplace_back(name);
  return names;
}

class FtsSchedule : public ::testing::Test {
 protected:
  ~FtsSchedule() override { std::filesystem::remove(file_); }
  std::vector<PhaseRecipe> read(const std::string& yaml, const FtsRun& run = {2e-5, 10, 0}) const {
    write_file_atomically(file_, yaml);
    return read_fts_schedule(file_, deberta(), run);
  }
  // Without the file's path before it.
  std::string refusal(const std::string& yaml, const FtsRun& run = {2e-5, 10, 0}) const {
    try {
      read(yaml, run);
    } catch (const RecipeError& error) {
      const std::string message = error.what();
      EXPECT_EQ(message.find(file_.string() + ":"), 0u) << message;
      return message.substr(file_.string().size() + 1);
    }
    return "no error";
  }
  std::filesystem::path file_ = std::filesystem::temp_directory_path() / fmt::format("fts-{}.yaml", ::getpid());
};

// The example that comes with finetuning-scheduler 2.14 (RteBoolqModule_ft_schedule_deberta_base_fsdp.yaml).
const std::string published = R"(0:
  params:
  - model.classifier.*
  max_transition_epoch: 1
1:
  params:
  - model.pooler.dense.*
  - model.deberta.encoder.layer.11.(output|attention|intermediate).*
  max_transition_epoch: 2
2:
  params:
  - model.deberta.encoder.layer.([0-9]|10).(output|attention|intermediate).*
  - model.deberta.encoder.LayerNorm.bias
  - model.deberta.encoder.LayerNorm.weight
  - model.deberta.encoder.rel_embeddings.weight
  # excluding these parameters from the schedule
)";

TEST_F(FtsSchedule, the_published_example) {
  const std::vector<PhaseRecipe> phases = read(published);
  ASSERT_EQ(phases.size(), 3u);
  using Words = std::vector<std::string>;
  const std::string head = "/^(?:classifier.*)/", pooler = "/^(?:pooler.dense.*)/",
                    top = "/^(?:deberta.encoder.layer.11.(output|attention|intermediate).*)/",
                    rest = "/^(?:deberta.encoder.layer.([0-9]|10).(output|attention|intermediate).*)/";
  EXPECT_EQ(phases[0].trainable, Words{head});
  EXPECT_EQ(phases[1].trainable, (Words{head, pooler, top}));
  EXPECT_EQ(phases[2].trainable, (Words{head, pooler, top, rest, "deberta.encoder.LayerNorm.bias", "deberta.encoder.LayerNorm.weight",
                                        "deberta.encoder.rel_embeddings.weight"}));
  EXPECT_FALSE(phases[0].lr) << "the optimizer's";
  EXPECT_TRUE(phases[0].rates.empty());
  EXPECT_EQ(phases[1].rates, (Rates{{head, 2e-5}, {pooler, 1e-5}, {top, 1e-5}})) << "base_max_lr for what thaws later";
  EXPECT_EQ(phases[0].until.end_epoch, 1);
  EXPECT_EQ(phases[1].until.end_epoch, 2);
  EXPECT_EQ(phases[2].until.end_epoch, 10) << "max_epochs";
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(phases[i].restore_best, i > 0);
    EXPECT_FALSE(phases[i].restart || phases[i].fresh_moments);
    EXPECT_EQ(phases[i].until.patience, 0);
  }
}

TEST_F(FtsSchedule, lengths_and_rates) {
  const std::string yaml =
      "0: {params: [model.classifier.bias, 'model\\.classifier\\.weight'], max_transition_epoch: 3}\n"
      "1: {params: [pooler.*], max_transition_epoch: -1}\n"
      "2: {params: [model.deberta.encoder.layer.11.*], max_transition_epoch: 9, lr: 1e-06}\n"
      "10: {params: [model.deberta.embeddings.*], lr: 2.0e-05}\n";
  EXPECT_EQ(refusal(yaml, {1e-5, 12, 3}), "4: 10: expected phase 3 here: phases are numbered from 0, without gaps");
  std::string in_order = yaml;
  in_order.replace(in_order.find("10:"), 3, "3:");
  const std::vector<PhaseRecipe> phases = read(in_order, {1e-5, 12, 3});
  EXPECT_EQ(phases[0].trainable, (std::vector<std::string>{"classifier.bias", "/^(?:classifier\\.weight)/"}));
  EXPECT_EQ(phases[1].lr, 1e-5) << "one rate for all";
  EXPECT_TRUE(phases[1].rates.empty());
  EXPECT_EQ(phases[2].rates.back().second, 1e-6);
  EXPECT_EQ(phases[3].rates.back().second, 2e-5);
  std::vector<std::int64_t> ends;
  for (const PhaseRecipe& phase : phases) {
    ends.push_back(phase.until.end_epoch.value_or(0));
    EXPECT_EQ(phase.until.patience, 3);
  }
  EXPECT_EQ(ends, (std::vector<std::int64_t>{3, 12, 9, 12})) << "-1: by patience, at the latest where the run ends";
  EXPECT_EQ(read("0: {params: [classifier], max_transition_epoch: 20}", {1e-5, 3, 0})[0].until.end_epoch, 20);
  EXPECT_EQ(read("0: {params: [classifier], max_transition_epoch: 2}", {1e-5, 3, 0})[0].until.end_epoch, 3) << "the greater of the two";
}

TEST_F(FtsSchedule, names_match_from_their_beginning) {
  EXPECT_EQ(refusal("0: {params: [LayerNorm]}"),
            "1: 0.params[0]: 'LayerNorm' matches no parameter; they have names such as classifier.bias");
  EXPECT_EQ(read("0: {params: ['.*LayerNorm']}")[0].trainable, std::vector<std::string>{"/^(?:.*LayerNorm)/"});
}

TEST_F(FtsSchedule, refusals_name_line_and_key) {
  const std::string head = "0: {params: [model.classifier.*], max_transition_epoch: 1}\n1:\n  params: [model.pooler.*]\n";
  EXPECT_EQ(refusal(head), "no error");
  EXPECT_EQ(refusal(head + "  new_lr_scheduler: {lr_scheduler_init: {class_path: torch.optim.lr_scheduler.StepLR}}")
                .find("4: 1.new_lr_scheduler: one run has one optimizer and no torch schedulers here"),
            0u);
  EXPECT_EQ(refusal(head + "  new_optimizer: {optimizer_init: {class_path: torch.optim.SGD}}").find("4: 1.new_optimizer: one run has"), 0u);
  EXPECT_EQ(refusal(head + "  patience: 3"), "4: 1.patience: unknown key; the keys of a phase are params, max_transition_epoch and lr");
  EXPECT_EQ(refusal(head + "  lr: fast"), "4: 1.lr: expected a number, found fast");
  EXPECT_EQ(refusal(head + "  lr: 0"), "4: 1.lr: expected a number above 0, found 0");
  EXPECT_EQ(refusal(head + "  max_transition_epoch: 0"),
            "4: 1.max_transition_epoch: expected an epoch of 1 or more, or -1 for none, found 0");
  EXPECT_EQ(refusal(head + "2: {params: [model.classifier.bias]}", {2e-5, 10, 3}).substr(0, 57),
            "4: 2.params[0]: classifier.bias is thawed already, by " + file_.string().substr(0, 3));
  EXPECT_EQ(refusal(head + "2: {params: [model.deberta.*]}"),
            "2: 1: this phase has no end: add max_transition_epoch, or evaluate.patience to the recipe");
  EXPECT_EQ(refusal("0: {params: [classifier], lr: 1e-3}"),
            "1: 0.lr: the fine-tuning scheduler passes this over: the rate of phase 0 is optimizer.lr; leave it out");
  EXPECT_EQ(refusal("0: {max_transition_epoch: 1}"), "1: 0: expected the key params, which is missing");
  EXPECT_EQ(refusal("0: {params: []}"), "1: 0.params: nothing is thawed in this phase; name parameters");
  EXPECT_EQ(refusal("0: {params: ['model.(']}").find("1: 0.params[0]: 'model.(' is neither a parameter nor a regular expression"), 0u);
  // Expressions that take for ever, or all of the stack, where they are matched by trying and going back.
  EXPECT_EQ(refusal("0: {params: ['(([a-z._0-9]*)*)*=']}").find("1: 0.params[0]: '(([a-z._0-9]*)*)*=' matches no parameter"), 0u);
  EXPECT_NE(refusal("0: {params: ['(a?){30000}b']}").find("it repeats too much"), std::string::npos);
  EXPECT_NE(refusal("0: {params: ['a{99999999999999999999}']}").find("a number of more than 9 digits"), std::string::npos);
  EXPECT_NE(refusal("0: {params: ['" + std::string(2000, '(') + "']}").find("longer than 1000 bytes"), std::string::npos);
  EXPECT_EQ(refusal("first: {params: [classifier]}"), "1: first: expected the number of a phase, from 0, found first");
  EXPECT_EQ(refusal("0: {params: [classifier], max_transition_epoch: 10}\n1: {params: [pooler]}"),
            " the last phase would have no epoch: the run ends with epoch 10, as does a phase before it; raise epochs");
  EXPECT_EQ(refusal("{}"), " expected phases 0, 1, …, found none");
  EXPECT_THROW(read_fts_schedule("/nowhere.yaml", deberta(), {}), FileError);
}

TEST_F(FtsSchedule, random_edits_are_read_or_refused) {
  const std::string pieces[] = {"[",  "(",  "*", "\\",   "{0,99}", "?",    ":", "- ", "-1",
                                "\n", "  ", "'", "lr: ", "1e999",  "\xff", "~", "&a", "0:"};
  std::mt19937_64 random(5);
  int parsed = 0, refused = 0;
  for (int i = 0; i < 400; ++i) {
    std::string text = published;
    for (std::size_t n = 1 + random() % 2; n > 0; --n) {
      const std::size_t at = random() % (text.size() + 1);
      if (random() % 3 == 0) text.erase(at, random() % 12);
      else text.insert(at, pieces[random() % std::size(pieces)]);
    }
    try {
      read(text);
      ++parsed;
    } catch (const RecipeError&) {
      ++refused;
    }
  }
  EXPECT_GT(parsed, 40);
  EXPECT_GT(refused, 40);
}

TEST_F(FtsSchedule, in_a_recipe) {
  write_file_atomically(file_, published);
  Recipe recipe =
      parse_recipe("r.yaml", test::least_recipe + "epochs: 6\nevaluate: {patience: 2}\nthaw: {fts_schedule: " + file_.string() + "}\n");
  EXPECT_EQ(parse_recipe("r.yaml", to_yaml(recipe)), recipe);
  EXPECT_THROW(phases_of(recipe), std::logic_error);
  expand_thaw(recipe, deberta());
  EXPECT_EQ(recipe.thaw.phases.size(), 3u);
  EXPECT_EQ(recipe.thaw.phases.back().until.end_epoch, 6);
  EXPECT_EQ(recipe.thaw.phases.back().until.patience, 2);
  EXPECT_EQ(recipe.evaluate.patience, 0) << "it would end the whole run at the first phase's plateau";
  EXPECT_EQ(parse_recipe("r.yaml", to_yaml(recipe)), recipe) << to_yaml(recipe);
  for (const auto& [lines, message] :
       {std::pair<std::string, std::string>{"thaw: {fts_schedule: f.yaml}\nsteps: 3",
                                            "r.yaml:7: steps: given beside thaw.fts_schedule, which says this itself; leave it out"},
        {"thaw: {fts_schedule: f.yaml, preset: ulmfit}",
         "r.yaml:6: thaw.preset: given beside thaw.fts_schedule, which says this itself; leave it out"},
        {"thaw: {fts_schedule: }", "r.yaml:6: thaw.fts_schedule: expected text, found nothing"}}) {
    try {
      parse_recipe("r.yaml", test::least_recipe + lines + "\n");
      ADD_FAILURE() << lines;
    } catch (const RecipeError& error) {
      EXPECT_EQ(error.what(), message);
    }
  }
}

}  // namespace
}  // namespace thaw
