#include "framework/tensor/weights.h"

#include <algorithm>

#include "framework/base/error.h"
#include "framework/tensor/ctranslate2_file.h"
#include "framework/tensor/safetensors.h"
#include "framework/tensor/torch_file.h"

namespace thaw {
namespace {

// The directory's own files of PyTorch's that follow no convention of names: OpenAI's Whisper is published as tiny.en.pt.
std::vector<fs::path> torch_files(const fs::path& directory) {
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(directory))
    if (entry.path().extension() == ".pt" && entry.is_regular_file()) found.push_back(entry.path());
  std::sort(found.begin(), found.end());
  return found;
}

// The file of weights, or the index of its shards.
fs::path find_weights(const fs::path& directory) {
  for (const char* name :
       {"model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json", "model.bin"})
    if (fs::exists(directory / name)) return directory / name;
  const std::vector<fs::path> others = torch_files(directory);
  if (others.size() == 1) return others[0];
  throw ModelError(ExitCode::input_missing,
                   "{}: expected the weights: model.safetensors or pytorch_model.bin (or one of them with .index.json), model.bin or one "
                   ".pt file; {}",
                   directory.string(),
                   others.empty() ? "none is there" : fmt::format("there are {} .pt files: name one of them", others.size()));
}

}  // namespace

std::shared_ptr<const TensorFile> open_tensor_file(const fs::path& path) {
  const TensorFile unread(path);
  if (is_torch_file(unread.text())) return std::make_shared<TensorFile>(read_torch_file(path));
  if (is_ctranslate2_file(unread.text())) return std::make_shared<TensorFile>(read_ctranslate2_file(path));
  return std::make_shared<SafetensorsFile>(path);
}

Weights::Weights(const fs::path& path) : where_(path.string()) {
  const fs::path found = fs::is_directory(path) ? find_weights(path) : path;
  if (found.extension() == ".json") read_index(found);
  else add_file(found);
}

void Weights::add_file(const fs::path& path) {
  const std::shared_ptr<const TensorFile> file = open_tensor_file(path);
  values_ = file->values();
  for (const std::string& name : file->names()) places_[name] = {file, {name}};
}

void Weights::read_index(const fs::path& index) {
  const JsonFile parsed(index);
  std::map<std::string, std::shared_ptr<const TensorFile>> opened;
  const JsonView map = parsed.view()["weight_map"];
  if (!map.raw().is_object()) map.fail("an object");
  for (const auto& [name, unused] : map.raw().items()) {
    const std::string file = map[name].text();
    if (file.empty() || file.find('/') != std::string::npos || file == "..") map[name].fail("the name of a file in this directory");
    std::shared_ptr<const TensorFile>& shard = opened[file];
    if (shard == nullptr) shard = open_tensor_file(index.parent_path() / file);
    if (!shard->has(name))
      throw ModelError("{}: {} should be in {}, which does not have it; the file is damaged: download it again", index.string(), name,
                       file);
    places_[name] = {shard, {name}};
  }
}

std::vector<std::string> Weights::names() const {
  std::vector<std::string> names;
  for (const auto& [name, unused] : places_) names.push_back(name);
  return names;
}

at::Tensor Weights::tensor(const std::string& name) const {
  const Place& place = places_.at(name);
  const at::Tensor whole = place.file->tensor(place.source.name);
  return place.source.rows < 0 ? whole : whole.narrow(0, place.source.first, place.source.rows);
}

std::vector<std::int64_t> Weights::shape(const std::string& name) const {
  const Place& place = places_.at(name);
  std::vector<std::int64_t> shape = place.file->stored(place.source.name).shape;
  if (place.source.rows >= 0) shape[0] = place.source.rows;
  return shape;
}

bool Weights::maps(const std::string& name) const {
  const Place& place = places_.at(name);
  return place.source.rows != 0 && place.file->maps(place.source.name);  // rows of a contiguous tensor are contiguous
}

Weights Weights::renamed(const std::map<std::string, Source>& names) const {
  Weights made;
  made.where_ = where_;
  made.values_ = values_;
  for (const auto& [name, source] : names) {
    const auto found = places_.find(source.name);
    if (found == places_.end()) throw ModelError("{}: expected a tensor '{}', which is missing", where_, source.name);
    Place place = found->second;
    if (source.rows >= 0) {
      const std::vector<std::int64_t> whole = shape(source.name);
      const std::int64_t rows = whole.empty() ? 0 : whole[0];
      if (source.first < 0 || source.first > rows || source.rows > rows - source.first || whole.empty())
        throw ModelError("{}: {}: expected rows {} to {}, found {}", where_, source.name, source.first, source.first + source.rows, rows);
      place.source.first += source.first;
      place.source.rows = source.rows;
    }
    made.places_[name] = place;
  }
  return made;
}

}  // namespace thaw
