// Cases that tests/models/wav2vec2_reference.py writes: a small model, its rows of waveform, and what transformers computes.
#pragma once

#include <unistd.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "framework/base/file.h"
#include "framework/base/hash.h"
#include "framework/models/registry.h"
#include "framework/tensor/safetensors.h"
#include "tests/support/reference.h"

namespace thaw::test {

inline std::vector<const char*> speech_cases() {
  return {"wav2vec2_base_ctc",  "wav2vec2_base_classes",
          "wav2vec2_large_ctc", "wav2vec2_large_classes",
          "hubert_base_ctc",    "hubert_base_classes",
          "hubert_large_ctc",   "hubert_large_classes",
          "wavlm_base_ctc",     "wavlm_base_classes",
          "wavlm_large_ctc",    "wavlm_large_classes",
          "new_names",          "bare_names"};
}

inline fs::path speech_script() { return THAW_SOURCE_DIR "/tests/models/wav2vec2_reference.py"; }

inline void run_speech_script(const std::string& arguments) {
  const std::string command = fmt::format("'{}' '{}' {} > /dev/null", *python(), speech_script().string(), arguments);
  if (std::system(command.c_str()) != 0) throw std::runtime_error("the reference failed: " + command);
}

inline const fs::path& speech_reference() {
  static const fs::path made = reference_folder("models/wav2vec2_reference.py");
  return made;
}

struct SpeechCase {
  explicit SpeechCase(const std::string& name) : directory(speech_reference() / name), expected(directory / "reference.safetensors") {
    const at::Tensor lengths = expected.tensor("lengths");
    for (std::int64_t row = 0; row < lengths.size(0); ++row) cu_seqlens.push_back(cu_seqlens.back() + lengths[row].item<std::int64_t>());
    context.features = expected.tensor("samples");
  }

  // In fp32; `dropout` as HeadSpec has it; with another config where one is given.
  std::unique_ptr<Model> load(LoadReport* report = nullptr, double dropout = -1, const Json* config = nullptr) const {
    const bool ctc = JsonFile(directory / "config.json").view()["architectures"][0].text().ends_with("CTC");
    const HeadSpec head{expected.tensor("logits").size(1), dropout, ctc ? Head::ctc : Head::classification};
    fs::path from = directory;
    if (config != nullptr) {
      from = fmt::format("{}/wav2vec2-{}", THAW_BINARY_DIR, ::getpid());
      fs::create_directories(from);
      write_file_atomically(from / "config.json", config->dump());
      fs::copy_file(directory / "model.safetensors", from / "model.safetensors", fs::copy_options::overwrite_existing);
    }
    auto model = load_model(from, head, 1, report);
    model->set_precision(at::kFloat);
    if (config != nullptr) fs::remove_all(from);
    return model;
  }

  // transformers' logits while training, with these masks and without dropout.
  at::Tensor with_masks(const std::vector<std::pair<std::string, at::Tensor>>& masks) const {
    const fs::path folder = fmt::format("{}/wav2vec2-masks-{}", THAW_BINARY_DIR, ::getpid());
    fs::create_directories(folder);
    write_safetensors(folder / "masks", masks);
    run_speech_script(fmt::format("'{}' '{}'", directory.string(), (folder / "masks").string()));
    const at::Tensor logits = SafetensorsFile(folder / "masks.logits").tensor("logits").clone();
    fs::remove_all(folder);
    return logits;
  }

  fs::path directory;
  SafetensorsFile expected;
  std::vector<std::int64_t> cu_seqlens{0};
  Context context;
};

}  // namespace thaw::test
