// Rates by layer: the published tables, and one rate for every parameter that learns.
#include "framework/thaw/rates.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "framework/thaw/selection.h"
#include "tests/thaw/model.h"

namespace thaw {
namespace {

// Factors of four blocks from the head down: the head, blocks 3, 2, 1, 0, the embeddings. The numbers are the products of the
// published formulas, worked out by hand.
struct Table {
  Convention convention;
  double decay;  // 0: the convention's own
  double factors[6];
};
constexpr Table tables[] = {
    {Convention::none, 0, {1, 1, 1, 1, 1, 1}},
    {Convention::beit, 0, {1, 0.9, 0.81, 0.729, 0.6561, 0.59049}},
    {Convention::beit, 0.75, {1, 0.75, 0.5625, 0.421875, 0.31640625, 0.2373046875}},
    {Convention::few_sample, 0, {1, 0.95, 0.9025, 0.857375, 0.81450625, 0.7737809375}},
    {Convention::electra, 0, {1, 0.64, 0.512, 0.4096, 0.32768, 0.262144}},
    {Convention::electra, 0.9, {1, 0.81, 0.729, 0.6561, 0.59049, 0.531441}},
    {Convention::sun, 0, {1, 1, 0.95, 0.9025, 0.857375, 0.857375}},
    {Convention::ulmfit, 0, {1, 0.384615384615385, 0.147928994082840, 0.0568957669549386, 0.0218829872903610, 0.00841653357321577}},
    {Convention::ulmfit, 2, {1, 0.5, 0.25, 0.125, 0.0625, 0.03125}},
};

class LayerRates : public ::testing::Test {
 protected:
  const std::unique_ptr<Model> model = test::bert(4);
  const std::vector<bool> all = std::vector<bool>(model->parameters.size(), true);

  std::vector<ParameterRate> by_layer(const LayerDecay& decay) const { return rates_of(*model, all, 1e-3, decay, {}, "here"); }
  std::vector<ParameterRate> given(const Rates& rates, const std::vector<bool>& learning) const {
    return rates_of(*model, learning, 1e-3, {}, rates, "r.yaml: thaw.rates");
  }
  double lr(const std::vector<ParameterRate>& rates, const std::string& name) const { return test::value_of(*model, rates, name).lr; }
  bool decays(const std::vector<ParameterRate>& rates, const std::string& name) const { return test::value_of(*model, rates, name).decays; }
};

TEST_F(LayerRates, AsPublished) {
  for (const Table& table : tables) {
    const auto rates = by_layer({table.convention, table.decay, 0});
    for (std::size_t i = 0; i < rates.size(); ++i) {
      const double expected = 1e-3 * table.factors[5 - model->parameters[i].group];
      EXPECT_NEAR(rates[i].lr, expected, 1e-12 * expected) << static_cast<int>(table.convention) << " " << model->parameters[i].name;
    }
  }
  // Twelve blocks at ELECTRA's base setting: the embeddings learn at .8^14 of the rate.
  EXPECT_NEAR(layer_factor({Convention::electra, 0, 0}, 0, 12), 0.0439804651, 1e-10);
  EXPECT_NEAR(layer_factor({Convention::sun, 0, 0}, 1, 12), 0.5688000923, 1e-10);  // .95^11
}

TEST_F(LayerRates, NoneIsBelowMinScale) {
  const auto rates = by_layer({Convention::beit, 0, 0.7});
  EXPECT_DOUBLE_EQ(lr(rates, "classifier.weight"), 1e-3);
  EXPECT_DOUBLE_EQ(lr(rates, "bert.encoder.layer.3.output.dense.weight"), 0.9e-3);
  EXPECT_DOUBLE_EQ(lr(rates, "bert.encoder.layer.1.output.dense.weight"), 0.729e-3);
  EXPECT_DOUBLE_EQ(lr(rates, "bert.encoder.layer.0.output.dense.weight"), 0.7e-3);
  EXPECT_DOUBLE_EQ(lr(rates, "bert.embeddings.word_embeddings.weight"), 0.7e-3);
}

TEST_F(LayerRates, WeightDecayIsOfMatricesAndEmbeddings) {
  for (const Convention convention : {Convention::none, Convention::beit, Convention::few_sample, Convention::ulmfit}) {
    const auto rates = by_layer({convention, 0, 0});
    EXPECT_TRUE(decays(rates, "bert.encoder.layer.3.output.dense.weight"));
    EXPECT_TRUE(decays(rates, "bert.embeddings.word_embeddings.weight"));
    for (const char* name : {"bert.encoder.layer.3.output.dense.bias", "bert.encoder.layer.3.output.LayerNorm.weight", "classifier.bias"})
      EXPECT_FALSE(decays(rates, name)) << name;
    EXPECT_EQ(decays(rates, "classifier.weight"), convention != Convention::few_sample);
    EXPECT_EQ(decays(rates, "bert.pooler.dense.weight"), convention != Convention::few_sample);
  }
}

TEST_F(LayerRates, EveryLearningParameterHasOneRateExactly) {
  const std::vector<bool> head = select(*model, {"head"}, ""), two = select(*model, {"head", "top 1"}, "");
  const auto rates = given({{"head", 3e-3}, {"top 2", 2e-3}}, two);
  EXPECT_EQ(lr(rates, "classifier.weight"), 3e-3);
  EXPECT_EQ(lr(rates, "bert.encoder.layer.3.output.dense.bias"), 2e-3);
  EXPECT_EQ(lr(rates, "bert.encoder.layer.2.output.dense.bias"), 0) << "does not learn";
  EXPECT_EQ(test::refusal_of([&] {
              given({{"top 1", 2e-3}}, two);
            }),
            "r.yaml: thaw.rates: bert.pooler.dense.weight learns, but no selector here gives it a rate; add one, such as 'head'");
  EXPECT_EQ(test::refusal_of([&] {
              given({{"head", 1e-3}, {"/^classifier/", 2e-3}}, head);
            }),
            "r.yaml: thaw.rates: classifier.weight has two rates, by 'head' and by '/^classifier/'; let the selectors not overlap");
  EXPECT_EQ(test::refusal_of([&] {
              given({{"head", 1e-3}, {"all", 2e-3}}, head);
            }),
            "r.yaml: thaw.rates: bert.pooler.dense.weight has two rates, by 'head' and by 'all'; let the selectors not overlap");
  EXPECT_EQ(test::refusal_of([&] {
              given({{"haed", 1e-3}}, head);
            }),
            "r.yaml: thaw.rates: 'haed' is neither a layer nor a parameter; the nearest is 'head' (layers: embeddings … head)");
}

// Everything below the blocks is the lowest group of a convention.
TEST(Rates, OfASpeechModel) {
  const std::unique_ptr<Model> model = test::wav2vec2(2);
  const std::vector<bool> all(model->parameters.size(), true);
  const std::vector<ParameterRate> rates = rates_of(*model, all, 1, {Convention::beit, 0.5, 0}, {}, "here");
  for (std::size_t i = 0; i < rates.size(); ++i) {
    const int below_head = std::min(3, model->head() - model->parameters[i].group);
    EXPECT_DOUBLE_EQ(rates[i].lr, std::pow(0.5, below_head)) << model->parameters[i].name;
  }
}

}  // namespace
}  // namespace thaw
