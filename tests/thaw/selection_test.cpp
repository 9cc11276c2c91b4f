// Words for parameters: what would be lost is a layer that silently never learns.
#include "framework/thaw/selection.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "tests/thaw/model.h"

namespace thaw {
namespace {

class Selection : public ::testing::Test {
 protected:
  const std::unique_ptr<Model> model = test::bert(4);

  // The names that are chosen.
  std::set<std::string> chosen(const std::vector<std::string>& selectors) const {
    const std::vector<bool> flags = select(*model, selectors, "r.yaml: here");
    std::set<std::string> names;
    for (std::size_t i = 0; i < flags.size(); ++i)
      if (flags[i]) names.insert(model->parameters[i].name);
    return names;
  }
  // All names that begin with one of these.
  std::set<std::string> beginning(const std::vector<std::string>& prefixes) const {
    std::set<std::string> names;
    for (const Parameter& p : model->parameters)
      if (std::any_of(prefixes.begin(), prefixes.end(), [&](const std::string& prefix) { return p.name.starts_with(prefix); }))
        names.insert(p.name);
    return names;
  }
  std::string refusal(const std::string& selector) const {
    return test::refusal_of([&] { select(*model, {"head", selector}, "r.yaml: thaw.phases[1].trainable"); });
  }
};

TEST_F(Selection, EverySelector) {
  const std::string block = "bert.encoder.layer.";
  EXPECT_EQ(chosen({"head"}), beginning({"bert.pooler.", "classifier."}));
  EXPECT_EQ(chosen({"head"}).size(), 4U);
  EXPECT_EQ(chosen({"embeddings"}), beginning({"bert.embeddings."}));
  EXPECT_EQ(chosen({"embeddings"}).size(), 5U);
  EXPECT_EQ(chosen({"encoder.layer.2"}), beginning({block + "2."}));
  EXPECT_EQ(chosen({"encoder.layer.2"}).size(), 16U);
  EXPECT_EQ(chosen({"encoder.layer.1-2"}), beginning({block + "1.", block + "2."}));
  EXPECT_EQ(chosen({"encoder.layer.3-3"}), beginning({block + "3."}));
  EXPECT_EQ(chosen({"top 1"}), beginning({block + "3."}));
  EXPECT_EQ(chosen({"top 3"}), beginning({block + "1.", block + "2.", block + "3."}));
  EXPECT_EQ(chosen({"all"}), beginning({""}));
  EXPECT_EQ(chosen({"all"}).size(), 5U + 4 * 16 + 4);
  EXPECT_EQ(chosen({"classifier.bias"}), (std::set<std::string>{"classifier.bias"}));
  EXPECT_EQ(chosen({"/^classifier/"}), beginning({"classifier."}));
  EXPECT_EQ(chosen({"/embeddings.LayerNorm/"}), beginning({"bert.embeddings.LayerNorm."}));
  EXPECT_EQ(chosen({"/layer\\.[02]\\./"}), beginning({block + "0.", block + "2."}));
  EXPECT_EQ(chosen({"/./"}), chosen({"all"}));
}

TEST_F(Selection, SeveralAreTogether) {
  EXPECT_EQ(chosen({"head", "top 1", "bert.embeddings.word_embeddings.weight"}),
            beginning({"bert.pooler.", "classifier.", "bert.encoder.layer.3.", "bert.embeddings.word"}));
  EXPECT_EQ(chosen({"head", "head", "/classifier/"}), chosen({"head"}));
  EXPECT_TRUE(chosen({}).empty());
}

TEST_F(Selection, WhatIsTakenAway) {
  EXPECT_EQ(chosen({"all", "not embeddings", "not encoder.layer.0-3"}), chosen({"head"}));
  EXPECT_EQ(chosen({"head", "not classifier.bias", "not /pooler/"}), (std::set<std::string>{"classifier.weight"}));
  EXPECT_EQ(chosen({"all", "not head", "head"}), chosen({"all"})) << "in their order";
  EXPECT_EQ(test::refusal_of([&] {
              select(*model, {"not head", "all"}, "r.yaml: here");
            }),
            "r.yaml: here: 'not head' takes away from nothing; name what learns before it, such as all");
  EXPECT_TRUE(refusal("not haed").starts_with("r.yaml: thaw.phases[1].trainable: 'haed' is neither")) << refusal("not haed");
}

// Two layers stand below the blocks of a speech model; all but the lower one is what its published fine-tuning trains.
TEST(SelectionOfSpeech, FeatureExtractorIsNoBlock) {
  const std::unique_ptr<Model> model = test::wav2vec2(3);
  const auto of = [&](const std::vector<std::string>& selectors) {
    std::vector<int> groups;
    const std::vector<bool> flags = select(*model, selectors, "here");
    for (std::size_t i = 0; i < flags.size(); ++i)
      if (flags[i] && (groups.empty() || groups.back() != model->parameters[i].group)) groups.push_back(model->parameters[i].group);
    return groups;
  };
  EXPECT_EQ(of({"all"}), (std::vector<int>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(of({"all", "not feature_extractor"}), (std::vector<int>{1, 2, 3, 4, 5}));
  EXPECT_EQ(model->frontier_of(select(*model, {"all", "not feature_extractor"}, "here")), 1);
  EXPECT_EQ(of({"head", "top 3"}), (std::vector<int>{2, 3, 4, 5}));
  EXPECT_EQ(of({"top 1"}), (std::vector<int>{4}));
  EXPECT_EQ(of({"encoder.layers.0-1"}), (std::vector<int>{2, 3}));
  EXPECT_EQ(test::refusal_of([&] { select(*model, {"top 4"}, "here"); }),
            "here: expected top 1 to top 3, the model's blocks, found 'top 4'");
  EXPECT_EQ(names_of(*model).blocks, (std::vector<std::string>{"encoder.layers.0", "encoder.layers.1", "encoder.layers.2"}));
}

// "layer.1" is not "layer.10": names are whole.
TEST_F(Selection, LayersOfTwoDigits) {
  const std::unique_ptr<Model> twelve = test::bert(12);
  const auto count = [&](const std::string& selector) {
    const std::vector<bool> flags = select(*twelve, {selector}, "here");
    return std::count(flags.begin(), flags.end(), true);
  };
  EXPECT_EQ(count("encoder.layer.1"), 16);
  EXPECT_EQ(count("encoder.layer.9-11"), 3 * 16);
  EXPECT_EQ(count("top 12"), 12 * 16);
}

TEST_F(Selection, WhatMeansNothingIsRefusedWithTheNearest) {
  const std::string where = "r.yaml: thaw.phases[1].trainable: ";
  const auto nearest = [&](const char* word, const char* near) {
    return fmt::format("{}'{}' is neither a layer nor a parameter; the nearest is '{}' (layers: embeddings … head)", where, word, near);
  };
  EXPECT_EQ(refusal("haed"), nearest("haed", "head"));
  EXPECT_EQ(refusal("embedding"), nearest("embedding", "embeddings"));
  EXPECT_EQ(refusal("encoder.layer.4"), nearest("encoder.layer.4", "encoder.layer.0"));
  EXPECT_EQ(refusal("encoder.layer.2-9"), nearest("encoder.layer.2-9", "encoder.layer.2"));
  EXPECT_EQ(refusal("encoder.layer.3-1"), nearest("encoder.layer.3-1", "encoder.layer.1"));
  EXPECT_EQ(refusal("classifier.wieght"), nearest("classifier.wieght", "classifier.weight"));
  EXPECT_EQ(refusal("All"), nearest("All", "all"));
  for (const char* word : {"top 0", "top 5", "top -1", "top x", "top 1.5", "top ", "top 99999999999999999999"})
    EXPECT_EQ(refusal(word), fmt::format("{}expected top 1 to top 4, the model's blocks, found '{}'", where, word));
  EXPECT_EQ(refusal("/decoder/"), where + "'/decoder/' matches no parameter; they have names such as classifier.bias");
  EXPECT_TRUE(refusal("/(/").starts_with(where + "'/(/' is no regular expression: ")) << refusal("/(/");
  EXPECT_EQ(refusal("/(([a-z.]*)*)*=/"), where + "'/(([a-z.]*)*)*=/' matches no parameter; they have names such as classifier.bias");
}

}  // namespace
}  // namespace thaw
