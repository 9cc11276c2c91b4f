// A BERT of so many blocks without weights: names and groups are all that plans read.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "framework/base/error.h"
#include "framework/models/registry.h"

namespace thaw::test {

inline std::unique_ptr<Model> bert(int blocks) {
  const Json config{{"model_type", "bert"},    {"hidden_size", 8}, {"num_hidden_layers", blocks},   {"num_attention_heads", 2},
                    {"intermediate_size", 16}, {"vocab_size", 30}, {"max_position_embeddings", 16}, {"initializer_range", 0.1}};
  return build_model(JsonView(config, "config.json"), {2});
}

// A wav2vec 2.0 of so many blocks, likewise.
inline std::unique_ptr<Model> wav2vec2(int blocks) {
  const Json config{{"model_type", "wav2vec2"}, {"hidden_size", 16},  {"num_hidden_layers", blocks}, {"num_attention_heads", 2},
                    {"intermediate_size", 16},  {"conv_dim", {8, 8}}, {"conv_kernel", {10, 3}},      {"conv_stride", {5, 2}}};
  return build_model(JsonView(config, "config.json"), {2, -1, Head::ctc});
}

// By parameter of the model, by its full name.
template <typename Values>
auto value_of(const Model& model, const Values& values, const std::string& name) {
  for (std::size_t i = 0; i < model.parameters.size(); ++i)
    if (model.parameters[i].name == name) return values[i];
  throw ModelError("the test asks for {}, which the model lacks", name);
}

// What a recipe is told that does not fit the model; nothing where it fits.
template <typename Work>
std::string refusal_of(const Work& work) {
  try {
    work();
  } catch (const RecipeError& error) {
    return error.what();
  }
  return "nothing";
}

}  // namespace thaw::test
