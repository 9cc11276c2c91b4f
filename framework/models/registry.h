// The architectures, and how a pretrained model comes from its directory (hub layout) into memory.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "framework/models/head.h"
#include "framework/models/model.h"
#include "framework/models/whisper.h"

namespace thaw {

struct LoadReport {
  std::vector<std::string> initialised;  // parameters that the files do not have and training starts with anew
  std::vector<std::string> unused;       // tensors of the files that the model does not read
};

// A hub directory, its weights in any format of tensor/weights.h, or a Whisper of OpenAI's or CTranslate2's (pretrained.h); with or
// without the architecture's prefix.
// The head's parameters are drawn from `init_seed` where the files lack them or hold another number of outputs, and those that
// Parameter::may_be_missing where they are; any other that is missing or of another shape is a ModelError. Values are fp32 on the
// CPU: views over the mapped files
// (Parameter::mapped) until something writes to them, where these have fp32 at aligned places, else copies of this process's
// own (of a file in fp16 or bf16, twice its size). Call set_precision next.
std::unique_ptr<Model> load_model(const std::filesystem::path& directory, const HeadSpec& head, std::uint64_t init_seed,
                                  LoadReport* report = nullptr);

// Draws the head and the `top` blocks below it anew: norms to 1 and 0, the rest as new heads are drawn.
void reinitialise(Model& model, std::int64_t top, std::uint64_t init_seed);

// Builds from a config alone; values are still without memory (meta).
std::unique_ptr<Model> build_model(const JsonView& config, const HeadSpec& head);

// The class that config.json names, of transformers; "" where it names none.
std::string class_of(const Json& config);
bool has_ctc_head(const Json& config);  // by that class

}  // namespace thaw
