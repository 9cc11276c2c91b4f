#include "framework/models/registry.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numbers>
#include <set>

#include "framework/base/error.h"
#include "framework/base/file.h"
#include "framework/models/bert.h"
#include "framework/models/pretrained.h"
#include "framework/models/wav2vec2.h"

namespace thaw {
namespace {

using Builder = std::unique_ptr<Model> (*)(const JsonView&, const HeadSpec&);

struct Architecture {
  Builder build;
  const char* prefix;  // of the trunk's names, which files of the bare model leave out
};

const std::map<std::string, Architecture>& architectures() {
  static const std::map<std::string, Architecture> known{{"bert", {build_bert, "bert."}},
                                                         {"hubert", {build_hubert, "hubert."}},
                                                         {"wav2vec2", {build_wav2vec2, "wav2vec2."}},
                                                         {"wavlm", {build_wavlm, "wavlm."}},
                                                         {"whisper", {build_whisper, "model."}}};
  return known;
}

const Architecture& architecture_of(const JsonView& config) {
  const std::string type = config["model_type"].text();
  const auto found = architectures().find(type);
  if (found != architectures().end()) return found->second;
  std::string names;
  for (const auto& [name, unused] : architectures()) names += (names.empty() ? "" : ", ") + name;
  throw ModelError("{}: model_type: '{}' is an architecture that Thaw does not know; it knows: {}", config.where(), type, names);
}

// Names under which a file may hold a parameter: as declared, without the trunk's prefix or with it, with TensorFlow's old names
// of a norm's parameters, and with torch's newer ones of a normalised weight's.
std::vector<std::string> names_in_file(const Parameter& parameter, const std::string& prefix) {
  std::vector<std::string> names{parameter.name};
  if (parameter.name.starts_with(prefix)) names.push_back(parameter.name.substr(prefix.size()));
  else names.push_back(prefix + parameter.name);
  if (parameter.role == Role::norm)
    for (std::string name : std::vector<std::string>(names)) {
      const bool gamma = name.ends_with(".weight");
      names.push_back(name.substr(0, name.rfind('.')) + (gamma ? ".gamma" : ".beta"));
    }
  for (const auto& [old, parametrised] :
       {std::pair{".weight_g", ".parametrizations.weight.original0"}, {".weight_v", ".parametrizations.weight.original1"}})
    for (const std::string& name : std::vector<std::string>(names))
      if (name.ends_with(old)) names.push_back(name.substr(0, name.rfind('.')) + parametrised);
  return names;
}

// Normal(0, range) for matrices, zeros for biases, ones and zeros for norms: transformers' initialisation, from keyed
// numbers (Box–Muller).
void initialise(Parameter& parameter, double range, std::uint64_t seed) {
  parameter.value = at::zeros(parameter.value.sizes(), at::kFloat);
  if (parameter.role == Role::norm && parameter.name.ends_with(".weight")) parameter.value.fill_(1);
  if (parameter.role == Role::bias || parameter.role == Role::norm) return;
  std::uint64_t name_key = 0;
  for (const char c : parameter.name) name_key = mix(name_key ^ static_cast<unsigned char>(c));
  const std::uint64_t key = random_key(seed, name_key);
  float* const values = parameter.value.data_ptr<float>();
  for (std::int64_t i = 0; i < parameter.value.numel(); i += 2) {
    const auto bits = philox(key, static_cast<std::uint64_t>(i / 2));
    const double radius = range * std::sqrt(-2.0 * std::log((bits[0] + 1.0) / 4294967296.0));
    const double angle = 2.0 * std::numbers::pi * bits[1] / 4294967296.0;
    values[i] = static_cast<float>(radius * std::cos(angle));
    if (i + 1 < parameter.value.numel()) values[i + 1] = static_cast<float>(radius * std::sin(angle));
  }
}

double initializer_range(const JsonView& config) { return config.number_or("initializer_range", config.number_or("init_std", 0.02)); }

}  // namespace

std::string class_of(const Json& config) {
  const auto classes = config.find("architectures");
  const bool given = classes != config.end() && classes->is_array() && !classes->empty() && classes->front().is_string();
  return given ? classes->front().get<std::string>() : "";
}

bool has_ctc_head(const Json& config) { return class_of(config).ends_with("ForCTC"); }

std::unique_ptr<Model> build_model(const JsonView& config, const HeadSpec& head) { return architecture_of(config).build(config, head); }

void reinitialise(Model& model, std::int64_t top, std::uint64_t init_seed) {
  const double range = initializer_range(JsonView(model.config, "config.json"));
  for (Parameter& parameter : model.parameters) {
    if (parameter.group < model.head() - top) continue;
    Parameter fresh = parameter;
    initialise(fresh, range, init_seed);
    parameter.set(fresh.value);
  }
}

std::unique_ptr<Model> load_model(const std::filesystem::path& directory, const HeadSpec& head, std::uint64_t init_seed,
                                  LoadReport* report) {
  const HubModel pretrained = open_pretrained(directory);
  const Weights& weights = pretrained.weights;
  const JsonView config(pretrained.config, (directory / "config.json").string());
  const Architecture& architecture = architecture_of(config);
  std::unique_ptr<Model> model = architecture.build(config, head);
  const double range = initializer_range(config);
  const int head_group = model->head();

  std::set<std::string> used;
  for (Parameter& parameter : model->parameters) {
    const bool in_head = head.kind != Head::language && parameter.group == head_group;
    bool loaded = false;
    for (const std::string& name : names_in_file(parameter, architecture.prefix)) {
      if (!weights.has(name)) continue;
      used.insert(name);
      const at::Tensor tensor = weights.tensor(name);
      if (tensor.sizes() != parameter.value.sizes()) {
        if (in_head && tensor.dim() == parameter.value.dim() && tensor.size(0) != parameter.value.size(0)) break;  // a head of other labels
        throw ModelError(
            "{}: {} has the shape [{}], but config.json asks for [{}]: weights and config.json are of two models; download both again",
            directory.string(), name, fmt::join(tensor.sizes(), ", "), fmt::join(parameter.value.sizes(), ", "));
      }
      parameter.value = tensor.to(at::kFloat);  // no copy where the file has fp32
      parameter.mapped = weights.maps(name) && tensor.scalar_type() == at::kFloat;
      loaded = true;
      break;
    }
    if (loaded) continue;
    if (!in_head && !parameter.may_be_missing)
      throw ModelError("{}: the weights lack {} (also looked for as {}): are they whole, and of this config.json?", directory.string(),
                       parameter.name, names_in_file(parameter, architecture.prefix).back());
    initialise(parameter, range, init_seed);
    if (report != nullptr) report->initialised.push_back(parameter.name);
  }
  if (report != nullptr)
    for (const std::string& name : weights.names())
      if (!used.contains(name) && !name.ends_with("position_ids") && std::count(model->tied.begin(), model->tied.end(), name) == 0)
        report->unused.push_back(name);
  return model;
}

}  // namespace thaw
