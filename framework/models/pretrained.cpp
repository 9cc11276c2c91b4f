#include "framework/models/pretrained.h"

#include "framework/base/error.h"
#include "framework/base/file.h"

namespace thaw {

HubModel open_pretrained(const fs::path& path) {
  const fs::path config = path / "config.json";
  Json settings;
  if (!fs::is_directory(path) || !fs::exists(config)) settings = Json::object();
  else settings = JsonFile(config).raw();
  // CTranslate2 writes a config.json of its own, which does not say what model it is.
  if (JsonView(settings, config.string()).has("model_type")) return {std::move(settings), Weights(path)};
  Weights weights(path);
  if (std::optional<HubModel> whisper = whisper_under_hub_names(weights)) return std::move(*whisper);
  throw ModelError("{}: expected config.json with a model_type beside the weights, or a Whisper of OpenAI's or CTranslate2's",
                   path.string());
}

}  // namespace thaw
