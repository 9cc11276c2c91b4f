#include "datasets/audio/preprocessor_config.h"

#include <algorithm>

#include "framework/base/error.h"

namespace thaw::audio {
namespace {

// A JSON view does not know that its file is a model's.
template <typename Read>
auto of_model(const Read& read) {
  try {
    return read();
  } catch (const DataError& error) {
    throw ModelError(error.code(), std::string(error.what()));
  }
}

}  // namespace

PreprocessorConfig::PreprocessorConfig(const std::filesystem::path& model_directory, std::initializer_list<std::string_view> types) {
  of_model([&] {
    const auto own = model_directory / "preprocessor_config.json", shared = model_directory / "processor_config.json";
    if (std::filesystem::exists(own)) {
      view_ = file_.emplace(own).view();
    } else if (std::filesystem::exists(shared)) {
      if (const JsonView whole = file_.emplace(shared).view(); whole.has("feature_extractor")) view_ = whole["feature_extractor"];
    }
    if (!view_) return;
    if (!view_->raw().is_object()) view_->fail("an object");
    if (!view_->has("feature_extractor_type")) return;
    const JsonView type = (*view_)["feature_extractor_type"];
    if (std::find(types.begin(), types.end(), type.text()) == types.end()) {
      type.fail(fmt::format("{}, which this model's features are computed as", fmt::join(types, " or ")));
    }
  });
}

std::int64_t PreprocessorConfig::integer_or(std::string_view key, std::int64_t otherwise, std::int64_t least, std::int64_t most) const {
  return of_model([&] {
    if (!has(key)) return otherwise;
    const std::int64_t value = (*view_)[key].integer();
    if (value < least || value > most) (*view_)[key].fail(fmt::format("a whole number from {} to {}", least, most));
    return value;
  });
}

double PreprocessorConfig::number_or(std::string_view key, double otherwise, double least, double most) const {
  return of_model([&] {
    if (!has(key)) return otherwise;
    const double value = (*view_)[key].number();
    if (!(value >= least && value <= most)) (*view_)[key].fail(fmt::format("a number from {} to {}", least, most));
    return value;
  });
}

bool PreprocessorConfig::boolean_or(std::string_view key, bool otherwise) const {
  return of_model([&] { return has(key) ? (*view_)[key].boolean() : otherwise; });
}

}  // namespace thaw::audio
