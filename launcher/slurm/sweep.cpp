#include "launcher/slurm/sweep.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <set>

#include "framework/base/error.h"

namespace thaw {
namespace {

constexpr std::size_t most_runs = 10'000;
constexpr const char* form = "expected key=value,value,… or key=first..last";

std::string last_word(const std::string& key) { return key.substr(key.rfind('.') + 1); }

// `lr` → optimizer.lr.
std::string whole_key(const std::string& word) {
  std::vector<std::string> found;
  for (const std::string& key : recipe_keys()) {
    if (key == word) return word;
    if (last_word(key) == word) found.push_back(key);
  }
  if (found.size() > 1) throw UsageError("--sweep {}: could be any of {}; write the whole key", word, listed(found));
  return found.empty() ? word : found.front();
}

std::optional<long> whole_number(const std::string& text) {
  long value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// At commas outside brackets and quotes.
std::vector<std::string> split_values(const std::string& text) {
  std::vector<std::string> values(1);
  char quote = 0;
  int depth = 0;
  for (const char c : text) {
    if (quote != 0) quote = c == quote ? '\0' : quote;
    else if (c == '"' || c == '\'') quote = c;
    else if (c == '[' || c == '{') ++depth;
    else if (c == ']' || c == '}') --depth;
    if (c == ',' && quote == 0 && depth == 0) values.emplace_back();
    else values.back() += c;
  }
  return values;
}

void add_range(const std::string& text, const std::string& value, std::vector<std::string>& values) {
  const std::size_t dots = value.find("..");
  const auto first = whole_number(value.substr(0, dots)), last = whole_number(value.substr(dots + 2));
  if (!first || !last || *last < *first) throw UsageError("--sweep {}: {}; found {}", text, form, value);
  if (static_cast<unsigned long>(*last - *first) >= most_runs) throw UsageError("--sweep {}: more than {} runs", text, most_runs);
  for (long number = *first; number <= *last; ++number) values.push_back(std::to_string(number));
}

// What may stand in a directory's name everywhere.
std::string for_path(const std::string& value) {
  std::string out;
  for (const char c : value)
    out += std::isalnum(static_cast<unsigned char>(c)) != 0 || std::string_view("._+-").find(c) != std::string_view::npos ? c : '_';
  return out;
}

std::string output_dir_of(const std::filesystem::path& recipe, const std::vector<std::string>& overrides,
                          const std::vector<std::string>& more) {
  std::vector<std::string> all = overrides;
  all.insert(all.end(), more.begin(), more.end());
  return read_recipe(recipe, all).output_dir;
}

// The keys that output_dir does not already speak of.
std::vector<bool> to_be_named(const std::filesystem::path& recipe, const std::vector<std::string>& overrides,
                              const std::vector<SweepAxis>& axes) {
  const bool names_seed = output_dir_of(recipe, overrides, {"seed=1"}) != output_dir_of(recipe, overrides, {"seed=2"});
  std::vector<bool> named;
  for (const SweepAxis& axis : axes) named.push_back(axis.key != "output_dir" && !(axis.key == "seed" && names_seed));
  return named;
}

}  // namespace

SweepAxis parse_axis(const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0 || equals + 1 == text.size()) throw UsageError("--sweep {}: {}", text, form);
  SweepAxis axis{whole_key(text.substr(0, equals)), {}};
  for (const std::string& value : split_values(text.substr(equals + 1))) {
    if (value.empty()) throw UsageError("--sweep {}: {}; found nothing between two commas", text, form);
    const std::size_t dots = value.find("..");
    if (dots != std::string::npos && whole_number(value.substr(0, dots))) add_range(text, value, axis.values);
    else axis.values.push_back(value);
  }
  if (std::set<std::string>(axis.values.begin(), axis.values.end()).size() != axis.values.size())
    throw UsageError("--sweep {}: a value stands there twice", text);
  return axis;
}

std::vector<SweptRun> plan_sweep(const std::filesystem::path& recipe, const std::vector<std::string>& overrides,
                                 const std::vector<SweepAxis>& axes) {
  std::size_t count = 1;
  std::set<std::string> keys;
  for (const SweepAxis& axis : axes) {
    if (!keys.insert(axis.key).second) throw UsageError("--sweep: {} is given twice", axis.key);
    count *= axis.values.size();
    if (count > most_runs) throw UsageError("--sweep: more than {} runs; sweep less at once", most_runs);
  }
  std::vector<SweptRun> runs(count);
  std::set<std::string> places;
  std::vector<bool> named;
  for (std::size_t i = 0; i < count; ++i) {
    SweptRun& run = runs[i];
    std::string name;
    std::size_t rest = i, stride = count;
    for (const SweepAxis& axis : axes) {
      stride /= axis.values.size();
      run.overrides.push_back(axis.key + "=" + axis.values[rest / stride]);
      rest %= stride;
    }
    const std::string place = output_dir_of(recipe, overrides, run.overrides);
    if (named.empty()) named = to_be_named(recipe, overrides, axes);  // an unknown key was refused above
    for (std::size_t a = 0; a < axes.size(); ++a)
      if (named[a]) {
        const std::string& assignment = run.overrides[a];
        name += fmt::format("-{}={}", last_word(axes[a].key), for_path(assignment.substr(axes[a].key.size() + 1)));
      }
    run.output_dir = place + name;
    if (!places.insert(run.output_dir).second) places.insert(run.output_dir += fmt::format("-{}", i));
    run.overrides.push_back("output_dir=" + write_yaml_inline(yaml_text(run.output_dir)));
  }
  return runs;
}

}  // namespace thaw
