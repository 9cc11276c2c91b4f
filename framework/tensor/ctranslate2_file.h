// CTranslate2's model.bin, version 6 of its binary format: the kind of model, then variables with their names, shapes and bytes, then
// aliases. Source: ctranslate2/specs/model_spec.py (ModelSpec._serialize), release 4.8. Variables are not aligned there, so that most
// are copies and not views.
#pragma once

#include <string_view>

#include "framework/tensor/tensor_file.h"

namespace thaw {

bool is_ctranslate2_file(std::string_view bytes);  // by the first of them

// fp32, fp16, bf16 and integers as they are; int8 and int16 that have scales (NAME_scale) as fp32, each row divided by its own. AWQ's
// packed 4-bit weights are integers here, without meaning. `values`: "spec" (such as WhisperSpec), "revision", and "aliases" (alias →
// name); an alias is a tensor too. Versions 1 to 5 are refused: models of ctranslate2 before 2.0 (2021) must be converted again.
TensorFile read_ctranslate2_file(const fs::path& path);

}  // namespace thaw
