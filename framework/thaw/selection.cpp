#include "framework/thaw/selection.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "framework/base/error.h"
#include "framework/base/expression.h"
#include "framework/base/nearest.h"

namespace thaw {
namespace {

constexpr std::string_view without = "not ";

std::optional<int> number_of(std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

class Selector {
 public:
  Selector(const Model& model, const std::string& word, const std::string& where) : model_(model), word_(word), where_(where) {}

  std::vector<bool> chosen() const {
    if (word_ == "all") return by([](const Parameter&) { return true; });
    if (word_.size() >= 2 && word_.front() == '/' && word_.back() == '/') return by_expression();
    if (word_.starts_with("top ")) return top();
    if (word_ == "encoder" && model_.decoder > 0) return layers(0, model_.decoder - 1);
    if (word_ == "decoder" && model_.decoder > 0) return layers(model_.decoder, model_.head());
    if (const std::optional<int> layer = layer_named(word_)) return layers(*layer, *layer);
    const auto named = [&](const Parameter& p) { return p.name == word_; };
    if (std::any_of(model_.parameters.begin(), model_.parameters.end(), named)) return by(named);
    return range();
  }

 private:
  template <typename Test>
  std::vector<bool> by(const Test& test) const {
    std::vector<bool> chosen;
    for (const Parameter& parameter : model_.parameters) chosen.push_back(test(parameter));
    return chosen;
  }
  std::vector<bool> layers(int first, int last) const {
    return by([&](const Parameter& p) { return p.group >= first && p.group <= last; });
  }
  std::optional<int> layer_named(std::string_view name) const {
    for (std::size_t i = 0; i < model_.layers.size(); ++i)
      if (model_.layers[i].name == name) return static_cast<int>(i);
    return std::nullopt;
  }

  std::vector<bool> by_expression() const {
    std::vector<bool> chosen;
    try {
      const Expression expression(word_.substr(1, word_.size() - 2));
      chosen = by([&](const Parameter& p) { return expression.is_in(p.name); });
    } catch (const BadExpression& error) {
      throw RecipeError("{}: '{}' is no regular expression: {}", where_, word_, error.what());
    }
    if (std::find(chosen.begin(), chosen.end(), true) == chosen.end())
      throw RecipeError("{}: '{}' matches no parameter; they have names such as {}", where_, word_, model_.parameters.back().name);
    return chosen;
  }

  std::vector<bool> top() const {
    const int blocks = model_.blocks();
    const std::optional<int> count = number_of(std::string_view(word_).substr(4));
    if (!count || *count < 1 || *count > blocks)
      throw RecipeError("{}: expected top 1 to top {}, the model's blocks, found '{}'", where_, blocks, word_);
    return layers(model_.head() - *count, model_.head() - 1);
  }

  // "encoder.layer.3-5": a name that ends in a number, and the number of the last one.
  std::vector<bool> range() const {
    const std::size_t dash = word_.rfind('-'), dot = word_.rfind('.');
    if (dash != std::string::npos && dot != std::string::npos && dash > dot) {
      const std::optional<int> first = layer_named(word_.substr(0, dash)),
                               last = layer_named(word_.substr(0, dot + 1) + word_.substr(dash + 1));
      if (first && last && *first <= *last) return layers(*first, *last);
    }
    std::vector<std::string> names{"all", fmt::format("top {}", model_.blocks())};
    for (const Layer& layer : model_.layers) names.push_back(layer.name);
    for (const Parameter& parameter : model_.parameters) names.push_back(parameter.name);
    throw RecipeError("{}: '{}' is neither a layer nor a parameter; the nearest is '{}' (layers: {} … {})", where_, word_,
                      nearest_of(names, word_), model_.layers.front().name, model_.layers.back().name);
  }

  const Model& model_;
  const std::string &word_, &where_;
};

}  // namespace

std::vector<bool> select(const Model& model, const std::vector<std::string>& selectors, const std::string& where) {
  std::vector<bool> chosen(model.parameters.size());
  for (const std::string& word : selectors) {
    const bool takes_away = word.starts_with(without);
    const std::string named = takes_away ? word.substr(without.size()) : word;
    if (takes_away && std::find(chosen.begin(), chosen.end(), true) == chosen.end())
      throw RecipeError("{}: '{}' takes away from nothing; name what learns before it, such as all", where, word);
    const std::vector<bool> meant = Selector(model, named, where).chosen();
    for (std::size_t i = 0; i < chosen.size(); ++i)
      chosen[i] = takes_away ? chosen[i] && !meant[i] : chosen[i] || (meant[i] && !model.parameters[i].fixed);
  }
  return chosen;
}

ModelNames names_of(const Model& model) {
  ModelNames names;
  for (int i = model.first_block; i < model.head(); ++i) names.blocks.push_back(model.layers[static_cast<std::size_t>(i)].name);
  for (const Parameter& parameter : model.parameters) names.parameters.push_back(parameter.name);
  if (model.hears) names.convolutions = model.layers.front().name;
  return names;
}

}  // namespace thaw
