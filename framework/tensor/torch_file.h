// Files of torch.save: pytorch_model.bin, and .pt as OpenAI publishes Whisper. They hold a pickle, a program that Python would run; here
// it is read as data, and any call but those that make up weights is refused by name (pickle.h). Tensors are views over the mapped file
// where they lie in it contiguous and aligned. The zip format (since PyTorch 1.6) and the one before it.
#pragma once

#include <string_view>

#include "framework/tensor/tensor_file.h"

namespace thaw {

bool is_torch_file(std::string_view bytes);  // by the first of them

// Names are the keys of the state dict; keys of dicts and places of lists around it stand before them: "model_state_dict/encoder.bias".
// Whatever is not a tensor (Whisper's dims) stands in `values`, as it stood in the file. Reads fp32, fp16, bf16, fp64, integers and bool.
TensorFile read_torch_file(const fs::path& path);

}  // namespace thaw
