#include "framework/train/export.h"

#include <algorithm>
#include <array>

#include "datasets/tokenizers/ctc_vocabulary.h"
#include "framework/base/error.h"
#include "framework/base/file.h"
#include "framework/tensor/safetensors.h"

namespace thaw {
namespace {

constexpr std::array tokenizer_files{"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt", "vocab.json",
                                     "merges.txt",     "normalizer.json",       "added_tokens.json"};
constexpr std::array other_files{"preprocessor_config.json", "processor_config.json"};

// Label names in the order of their numbers, which a plain JSON object would lose for readers ("10" before "2").
OrderedJson config_of(const Model& model, const RunData& data) {
  OrderedJson config = OrderedJson::parse(model.config.dump());
  config["architectures"] = {model.export_class};
  config["torch_dtype"] = "float32";
  config.erase("_name_or_path");
  config.erase(short_rows_key);
  if (data.short_rows) config[short_rows_key] = true;
  if (data.recognises()) {
    if (const auto* const vocabulary = dynamic_cast<const CtcVocabulary*>(data.tokenizer.get()))
      config["pad_token_id"] = vocabulary->blank();
    return config;
  }
  config["problem_type"] = name_of(data.problem);
  OrderedJson id2label = OrderedJson::object(), label2id = OrderedJson::object();
  if (data.problem == Problem::regression) id2label["0"] = "LABEL_0", label2id["LABEL_0"] = 0;
  for (std::size_t i = 0; i < data.labels.size(); ++i) {
    id2label[std::to_string(i)] = data.labels[i];
    label2id[data.labels[i]] = i;
  }
  config["id2label"] = id2label;
  config["label2id"] = label2id;
  config.erase("num_labels");  // transformers counts id2label
  return config;
}

}  // namespace

void export_model(const Model& model, const RunData& data, std::int64_t max_length, const fs::path& source, const fs::path& destination) {
  const fs::path temporary = destination.string() + ".tmp", old = destination.string() + ".old";
  std::error_code error, ignored;
  fs::remove_all(temporary, ignored);
  make_directory(temporary);
  write_file_atomically(temporary / "config.json", config_of(model, data).dump(2) + "\n");
  const auto copy = [&](const char* name) {
    if (fs::exists(source / name)) write_file_atomically(temporary / name, read_file(source / name));
  };
  if (!data.files.contains("vocab.json")) std::for_each(tokenizer_files.begin(), tokenizer_files.end(), copy);
  std::for_each(other_files.begin(), other_files.end(), copy);
  if (model.decoder >= 0) copy("generation_config.json");
  for (const auto& [name, content] : data.files) write_file_atomically(temporary / name, content);
  std::vector<std::pair<std::string, at::Tensor>> tensors;
  std::set<std::string> mapped;
  for (const Parameter& parameter : model.parameters) {
    tensors.emplace_back(parameter.name, parameter.value);
    if (parameter.mapped) mapped.insert(parameter.name);
  }
  write_safetensors(temporary / "model.safetensors", tensors, {{"format", "pt"}, {"thaw.max_length", std::to_string(max_length)}}, mapped);
  fs::remove_all(old, ignored);
  if (fs::exists(destination)) fs::rename(destination, old, error);
  if (!error) {
    fs::rename(temporary, destination, error);
    if (error) fs::rename(old, destination, ignored);  // rather the model of before than none
  }
  if (error) throw FileError(ExitCode::cannot_write, "{}: cannot rename into place: {}", destination.string(), error.message());
  flush_to_disk(destination.has_parent_path() ? destination.parent_path() : fs::path("."));
  fs::remove_all(old, ignored);
}

}  // namespace thaw
